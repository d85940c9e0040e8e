"""What every benchmark shares: alternating timings, the machine's description, and result files."""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hebbstream import __version__
from hebbstream._files import atomic_write
from hebbstream.inspection._canvas import new_figure, save_figure

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one call: the median, and the middle half of the measurements."""

    median: float
    lower_quartile: float
    upper_quartile: float
    calls: int

    def as_dict(self) -> dict[str, float]:
        """For a result file."""
        return {
            "median_ms": round(self.median, 4),
            "lower_quartile_ms": round(self.lower_quartile, 4),
            "upper_quartile_ms": round(self.upper_quartile, 4),
            "calls": self.calls,
        }


def alternate(
    calls: dict[str, Callable[[], Any]], *, seconds: float = 10.0, warm_up: int = 3, least: int = 5
) -> dict[str, Timing]:
    """Time several calls in turn, A B C A B C …, so that a change in the machine's speed meets all of them."""
    for call in calls.values():
        for _ in range(warm_up):
            call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[next(iter(calls))]) < least:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: timing(values) for name, values in taken.items()}


def timing(milliseconds: Sequence[float]) -> Timing:
    """Summarise measurements."""
    lower, median, upper = np.percentile(milliseconds, [25, 50, 75])
    return Timing(float(median), float(lower), float(upper), len(milliseconds))


def product_peak(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> float:
    """Return the best rate of large matrix products in this process, in GFLOP/s."""
    on_cpu = torch.device(device).type == "cpu"
    size = 8192 if not on_cpu else 2048 if dtype == torch.float32 else 256  # half precision may be emulated there
    a, b = (torch.rand(size, size, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)

    def multiply() -> None:
        torch.mm(a, b, out=out)
        synchronize(device)

    multiply()
    best = min(_seconds(multiply) for _ in range(12))
    return 2 * size**3 / best / 1e9


def synchronize(device: torch.device | str) -> None:
    """Wait for a device to finish."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """Describe where and with what a result was measured."""
    described: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hebbstream": __version__,
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "-m", _module(Path(sys.argv[0])), *map(_anywhere, sys.argv[1:])]),
    }
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _module(program: Path) -> str:
    """Name a benchmark as `python -m` takes it: a file of this folder, or a folder with a __main__."""
    return f"benchmarks.{program.parent.name if program.stem == '__main__' else program.stem}"


def _anywhere(argument: str) -> str:
    """Shorten a path of this machine to one that means something elsewhere."""
    path, data = Path(argument), os.environ.get("HEBBSTREAM_DATA")
    if data and path.is_relative_to(Path(data).absolute()):
        return f"$HEBBSTREAM_DATA/{path.relative_to(Path(data).absolute())}"
    return path.name if path.is_absolute() else argument


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str:
    try:
        git = ["git", "describe", "--always", "--dirty"]
        return subprocess.run(git, capture_output=True, text=True, check=True, cwd=RESULTS.parent).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write a result with the machine that gave it, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        Path(temporary).write_text(json.dumps({"machine": machine()} | result, indent=1) + "\n", encoding="utf-8")
    print(f"result {path}")


def output_option(parser: argparse.ArgumentParser, name: str) -> None:
    """Let a benchmark write elsewhere than to the committed results."""
    parser.add_argument(
        "--output", type=Path, default=RESULTS / f"{name}.json", metavar="FILE", help="JSON; a picture goes beside it"
    )


__all__ = [
    "RESULTS",
    "Timing",
    "alternate",
    "machine",
    "new_figure",
    "output_option",
    "product_peak",
    "save_figure",
    "synchronize",
    "timing",
    "write_result",
]
