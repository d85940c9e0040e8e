"""`time_steps`: how fast this machine learns, for `hebbstream bench`."""

import time
from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
import torch

from hebbstream.clip import clip_frames
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._presets import get_preset
from hebbstream.network.engine import Engine

_FRAMES = 50
_WARM_UP_STEPS = 6  # a CUDA graph is captured at the fourth


def time_steps(
    preset: str, batch_size: int, *, width: int | None, device: str, engine: Engine, seconds: float
) -> tuple[float, float]:
    """Return the median seconds of a learning step, and of inference, on frames of the bundled clip.

    Examples
    --------
    >>> from hebbstream import EagerEngine
    >>> learn, transform = time_steps("cifar10", 2, width=4, device="cpu", engine=EagerEngine(), seconds=0.1)
    >>> learn > 0 and transform > 0
    True
    """
    net = SoftHebbNet.from_preset(preset, width=width, batch_size=batch_size, device=device, engine=engine)
    frames = clip_frames(get_preset(preset).image_size, max(batch_size, _FRAMES), gray=net.in_channels == 1)
    batches = cycle([np.roll(frames, -shift, axis=0)[:batch_size] for shift in range(0, _FRAMES, 7)])
    learn = _median_seconds(lambda: net.learn_many(next(batches)), seconds / 2, device)
    return learn, _median_seconds(lambda: net.transform_many(next(batches)), seconds / 2, device)


def _median_seconds(step: Callable[[], Any], seconds: float, device: str) -> float:
    def wait() -> None:
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(_WARM_UP_STEPS):
        step()
    wait()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 3:
        start = time.perf_counter()
        step()
        wait()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))
