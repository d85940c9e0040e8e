"""`hebbstream bench`."""

import argparse
from functools import partial
from itertools import cycle

import numpy as np

import hebbstream as hs
from hebbstream._globals import usable_device
from hebbstream.cli._execution import add_execution, engine_of
from hebbstream.cli._types import positive, seconds
from hebbstream.clip._clip import clip_frames
from hebbstream.export._verify import median_seconds

USAGE = ""

_FRAMES = 50
_WARM_UP_STEPS = 6  # a CUDA graph is captured at the fourth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--preset", default="cifar10", choices=hs.PRESETS, help="the network's architecture")
    parser.add_argument(
        "--width", type=positive, metavar="N", help="neurons of the first layer (default: the preset's)"
    )
    parser.add_argument(
        "--batches",
        type=positive,
        nargs="+",
        default=[1, 10],
        metavar="N",
        help="samples in a step, one timing for each (default: 1 10)",
    )
    parser.add_argument("--seconds", type=seconds, default=5.0, metavar="S", help="seconds that each timing takes")
    add_execution(parser)


def run(options: argparse.Namespace) -> None:
    """Time steps."""
    usable_device(options.device)
    print(f"{options.preset}, {options.engine} engine, {options.precision}, {options.device}, median of a step")
    for batch in options.batches:
        learn, transform = time_steps(
            options.preset,
            batch,
            width=options.width,
            device=options.device,
            engine=engine_of(options),
            seconds=options.seconds,
        )
        print(
            f"batch {batch:4}: learn {1e3 * learn:9.2f} ms ({batch / learn:8.0f} samples a second),"
            f" transform {1e3 * transform:9.2f} ms, learning over inference {learn / transform:.2f}"
        )


def time_steps(
    preset: str, batch_size: int, *, width: int | None, device: str, engine: hs.Engine, seconds: float
) -> tuple[float, float]:
    """Return the median seconds of a learning step, and of inference, on frames of the bundled clip.

    Examples
    --------
    >>> from hebbstream import EagerEngine
    >>> learn, transform = time_steps("cifar10", 2, width=4, device="cpu", engine=EagerEngine(), seconds=0.1)
    >>> learn > 0 and transform > 0
    True
    """
    net = hs.SoftHebbNet.from_preset(preset, width=width, batch_size=batch_size, device=device, engine=engine)
    frames = clip_frames(hs.PRESETS[preset].image_size, max(batch_size, _FRAMES), gray=net.in_channels == 1)
    frames = frames[:, : hs.PRESETS[preset].frame_size[0]]  # of a signal one row
    batches = cycle([np.roll(frames, -shift, axis=0)[:batch_size] for shift in range(0, _FRAMES, 7)])
    timed = partial(median_seconds, seconds=seconds / 2, device=device, warm_up=_WARM_UP_STEPS)
    return timed(lambda: net.learn_many(next(batches))), timed(lambda: net.transform_many(next(batches)))
