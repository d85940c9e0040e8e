"""The whole GPU table in one command: engines and precisions, batch 1 to 256, images a second and share of peak.

Without a CUDA device, ``--device cpu`` runs it in a reduced form, to see that it works.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch

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
_ENGINES: dict[str, type[hs.Engine]] = {"eager": hs.EagerEngine, "cuda-graph": hs.CudaGraphEngine}


def measure(call: Callable[[], Any], batch: int, device: str, seconds: float) -> store.Result:
    """Time steps launched back to back (throughput) and one at a time (latency)."""

    def step() -> None:
        call()
        synchronize(device)

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
        "memory_mb": round(torch.cuda.max_memory_allocated() / 1e6, 1) if device.startswith("cuda") else None,
    }


def contenders(options: argparse.Namespace, batch: int) -> Iterator[tuple[str, str, int, store.Result]]:
    """Yield each one's name, precision, forward passes that its work is worth, and what was measured."""
    frames = torch.from_numpy(preset_frames(options.preset, max(50, batch))[:batch]).permute(0, 3, 1, 2)
    preset = {"name": options.preset, "width": options.width, "device": options.device}
    timed = partial(measure, batch=batch, device=options.device, seconds=options.seconds)
    for precision in options.precisions:
        for name, engine in _ENGINES.items():
            net = hs.SoftHebbNet.from_preset(**preset, batch_size=batch, engine=engine(precision))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                found = timed(partial(net.learn_many, frames))
            label = f"learn, {name}" + (" (ran eagerly)" if caught else "")
            yield label, precision, 2, found  # forward, and the dense update
    net = hs.SoftHebbNet.from_preset(**preset)
    yield "transform", "float32", 1, timed(partial(net.transform_many, frames))
    step, x = BackpropStep(net, hs.PRESETS[options.preset].image_size), frames.to(options.device).float() / 255
    yield "backprop step", "float32", 3, timed(partial(step, x))


def product_peaks(device: str, precisions: list[str]) -> dict[str, float]:
    """Return the best rate of matrix products in each precision, in TFLOP/s."""
    peaks = {}
    for precision in precisions:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        peaks[precision] = product_peak(device, _PEAK_DTYPE[precision]) / 1e3
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
    options = run.begin(parser)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no CUDA device: --device cpu --width 8 --batches 1 4 --seconds 0.2 shows the table's form")
    peaks = product_peaks(options.device, options.precisions)
    print("measured product peak, TFLOP/s: " + ", ".join(f"{name} {value:.2f}" for name, value in peaks.items()))
    work = 2e-12 * multiply_adds(options.preset, options.width)
    rows: list[store.Result] = []
    for batch in options.batches:
        for name, precision, passes, found in contenders(options, batch):
            share = round(found["images_per_second"] * passes * work / peaks[precision], 4)
            row = {"contender": name, "precision": precision, "batch": batch, "share_of_peak": share}
            rows += store.shown([row | found])
    store.write(options.output, {"preset": options.preset, "width": options.width, "peak_tflops": peaks, "table": rows})


if __name__ == "__main__":
    main()
