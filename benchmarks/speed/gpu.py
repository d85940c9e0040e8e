"""The whole GPU table in one command: engines and precisions, batch 1 to 256, images a second and share of peak.

It stores after each cell, and goes on where one fails: its row then holds the error. ``--all`` runs the tests marked
``cuda`` first, then also looks where the time of a step goes, and ends within eight minutes. Without a CUDA device,
``--device cpu`` runs it in a reduced form, to see that it works.
"""

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.contenders import BackpropStep
from benchmarks.core.data import preset_frames
from benchmarks.core.timing import alternate, multiply_adds, product_peak, synchronize

_PEAK_DTYPE = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
_SECONDS, _LAST_CELL, _TEST_SECONDS = 480, 30, 150
_TESTS = ("tests/network", "tests/export", "tests/streams")  # where some need a card
_PROFILED = 20  # steps
_ENGINES: dict[str, type[hs.Engine]] = {"eager": hs.EagerEngine, "cuda-graph": hs.CudaGraphEngine}


def measure(call: Callable[[], Any], batch: int, device: str, seconds: float) -> store.Result:
    """Time steps launched back to back (throughput) and one at a time (latency)."""

    def step() -> None:
        call()
        synchronize(device)

    on_device = device.startswith("cuda")
    if on_device:
        torch.cuda.reset_peak_memory_stats(device)  # else that of an earlier, larger cell
    latency = alternate({"step": step}, seconds=seconds, warm_up=6, least=3)["step"]  # graphs capture at the fourth
    steps = max(3, min(1000, int(1e3 * seconds / latency.median)))
    start = time.perf_counter()
    for _ in range(steps):
        call()
    synchronize(device)
    elapsed = time.perf_counter() - start
    return {
        "images_per_second": round(batch * steps / elapsed, 1),
        "latency": latency.as_dict(),
        "memory_mb": round(torch.cuda.max_memory_allocated(device) / 1e6, 1) if on_device else None,
    }


def contenders(options: argparse.Namespace, batch: int) -> Iterator[tuple[str, str, int, Callable[[], store.Result]]]:
    """Yield each one's name, precision, forward passes that its work is worth, and what measures it."""
    frames = torch.from_numpy(preset_frames(options.preset, max(50, batch))[:batch]).permute(0, 3, 1, 2)
    preset = {"name": options.preset, "width": options.width, "device": options.device}
    timed = partial(measure, batch=batch, device=options.device, seconds=options.seconds)

    def learning(engine: hs.Engine) -> store.Result:
        net = hs.SoftHebbNet.from_preset(**preset, batch_size=batch, engine=engine)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = timed(partial(net.learn_many, frames))
            found |= attempt(partial(whither, partial(net.learn_many, frames), options.device)) if options.all else {}
        return found | ({"warned": str(caught[0].message)} if caught else {})

    def features() -> store.Result:
        return timed(partial(hs.SoftHebbNet.from_preset(**preset).transform_many, frames))

    def backprop() -> store.Result:
        step = BackpropStep(hs.SoftHebbNet.from_preset(**preset), hs.PRESETS[options.preset].image_size)
        return timed(partial(step, frames.to(options.device).float() / 255))

    for precision in options.precisions:
        for name, engine in _ENGINES.items():
            yield f"learn, {name}", precision, 2, partial(learning, engine(precision))  # forward, and the dense update
    yield "transform", "float32", 1, features
    yield "backprop step", "float32", 3, backprop


def attempt(call: Callable[[], store.Result]) -> store.Result:
    """Return what a call gives, or the error with which it fails: that must not cost what the others show."""
    try:
        return call()
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def whither(call: Callable[[], Any], device: str) -> store.Result:
    """Return where a step's time goes: how many kernels it launches, and how long they take themselves."""
    on_device = device.startswith("cuda")
    with profile(activities=[ProfilerActivity.CUDA if on_device else ProfilerActivity.CPU]) as found:
        for _ in range(_PROFILED):
            call()
        synchronize(device)
    events = [event for event in found.key_averages() if event.self_device_time_total or not on_device]
    took = sum(event.self_device_time_total if on_device else event.self_cpu_time_total for event in events)
    longest = sorted(events, key=lambda event: -(event.self_device_time_total or event.self_cpu_time_total))[:5]
    return {
        "kernels": round(sum(event.count for event in events) / _PROFILED, 1),
        "kernels_ms": round(took / _PROFILED / 1e3, 4),
        "longest": [event.key for event in longest],
    }


def cuda_tests() -> store.Result:
    """Run the tests that need a card; return how they ended."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "-p", "no:cacheprovider", *_TESTS]
    command += ["--continue-on-collection-errors"]  # of files with tests for packages that are not there
    how: dict[str, Any] = {"cwd": run.ROOT, "capture_output": True, "text": True, "timeout": _TEST_SECONDS}
    try:
        done = subprocess.run(command, check=False, **how)
    except subprocess.TimeoutExpired:
        return {"ended": f"not within {_TEST_SECONDS} s"}
    lines = done.stdout.splitlines()
    return {
        "ended": lines[-1] if lines else done.stderr[-200:],
        "failed": [line for line in lines if line.startswith(("FAILED", "ERROR"))],
    }


def product_peaks(device: str, precisions: Iterable[str]) -> store.Result:
    """Return the best rate of matrix products in each precision, in TFLOP/s."""

    def peak(precision: str) -> store.Result:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        return {precision: round(product_peak(device, _PEAK_DTYPE[precision]) / 1e3, 4)}

    peaks: store.Result = {}
    for precision in precisions:
        peaks |= attempt(partial(peak, precision))
        torch.backends.cuda.matmul.allow_tf32 = False
    return peaks


def main() -> None:
    parser = run.arguments("speed/gpu", __doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", choices=hs.PRESETS, default="cifar10")
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: the preset's)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--precisions", nargs="+", choices=_PEAK_DTYPE, default=list(_PEAK_DTYPE))
    parser.add_argument("--seconds", type=float, default=2.0, help="for each cell")
    parser.add_argument("--all", action="store_true", help="the tests and the profile, too; within eight minutes")
    options = run.begin(parser)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no CUDA device: --device cpu --width 8 --batches 1 4 --seconds 0.2 shows the table's form")
    ends = time.monotonic() + _SECONDS - _LAST_CELL
    torch.backends.cudnn.allow_tf32 = (
        False  # as torch has it by itself, which would be for the convolutions of backprop alone
    )
    result: store.Result = {"preset": options.preset, "width": options.width, "table": []}
    if options.all:
        result |= {"card": torch.cuda.get_device_name() if torch.cuda.is_available() else None, "tests": cuda_tests()}
        print(f"tests: {result['tests']['ended']}")
    peaks = result["peak_tflops"] = product_peaks(options.device, dict.fromkeys([*options.precisions, "float32"]))
    print(f"measured product peak, TFLOP/s: {peaks}")
    work = 2e-12 * multiply_adds(options.preset, options.width)
    for batch in options.batches:
        for name, precision, passes, measured in contenders(options, batch):
            late = options.all and time.monotonic() > ends
            found = {"error": "no time left"} if late else attempt(measured)
            if "images_per_second" in found and precision in peaks:
                found["share_of_peak"] = round(found["images_per_second"] * passes * work / peaks[precision], 4)
            result["table"] += store.shown([{"contender": name, "precision": precision, "batch": batch} | found])
            store.write(options.output, result)
    if failed := sum("error" in row for row in result["table"]):
        sys.exit(f"{failed} of {len(result['table'])} rows hold an error")


if __name__ == "__main__":
    main()
