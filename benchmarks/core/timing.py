"""Timings of calls that take turns, and what the machine could do at best."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import hebbstream as hs
from hebbstream.network._stack import LayerStack
from hebbstream.network.engine._pipelined import multiplications
from hebbstream.rule import _fast as fast


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one call: the median, the mean, and the middle half of the measurements."""

    median: float
    mean: float
    lower_quartile: float
    upper_quartile: float
    calls: int

    def of_each(self, parts: int) -> "Timing":
        """Return the time of one part, where a call did several alike."""
        spread = self.lower_quartile / parts, self.upper_quartile / parts
        return Timing(self.median / parts, self.mean / parts, *spread, self.calls)

    def as_dict(self) -> dict[str, float]:
        """For a result file."""
        return {
            "median_ms": round(self.median, 4),
            "mean_ms": round(self.mean, 4),
            "lower_quartile_ms": round(self.lower_quartile, 4),
            "upper_quartile_ms": round(self.upper_quartile, 4),
            "calls": self.calls,
        }


def alternate(
    calls: Mapping[str, Callable[[], Any]], *, seconds: float = 10.0, warm_up: int = 3, least: int = 5
) -> dict[str, Timing]:
    """Time several calls in turn, A B C A B C …, so that a change in the machine's speed meets all of them.

    As in a stream, each follows one of its own kind, which is not timed: otherwise it would pay for what another one leaves
    behind, in caches and in threads that wait.
    """
    for call in calls.values():
        for _ in range(warm_up):
            call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[next(iter(calls))]) < least:
        for name, call in calls.items():
            call()
            taken[name].append(milliseconds(call))
    return {name: timing(values) for name, values in taken.items()}


def timed(timings: dict[str, Timing]) -> dict[str, dict[str, float]]:
    """Return timings for a result file."""
    return {name: found.as_dict() for name, found in timings.items()}


def timing(taken: Sequence[float]) -> Timing:
    """Summarise measurements in milliseconds."""
    lower, median, upper = np.percentile(taken, [25, 50, 75])
    return Timing(float(median), float(np.mean(taken)), float(lower), float(upper), len(taken))


def milliseconds(call: Callable[[], Any]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start)


def product_peak(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """Return the best rate of large matrix products in this process, in GFLOP/s."""
    on_cpu = torch.device(device).type == "cpu"
    native = dtype == torch.float32 or (dtype == torch.bfloat16 and has_bfloat16())
    size = 8192 if not on_cpu else 2048 if native else 256  # half precision may be emulated there
    a, b = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)

    def multiply() -> None:
        torch.mm(a, b, out=out)
        synchronize(device)

    multiply()
    return 2 * size**3 / min(milliseconds(multiply) for _ in range(6)) / 1e6


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16, as far as kernels know."""
    kernels = fast.kernels()
    return kernels is not None and bool(kernels.BFLOAT16)


def synchronize(device: torch.device | str) -> None:
    """Wait for a device to finish."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def multiply_adds(name: str, width: int | None) -> int:
    """Return the multiply-adds of a preset's forward pass for one of its images, without making its weights."""
    preset = hs.PRESETS[name]
    stack = LayerStack(preset.resolve(width=width), preset.in_channels, input_size=preset.input_size, blank=True)
    return sum(multiplications(stack.layers, *preset.frame_size))
