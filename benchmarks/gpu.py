"""The whole GPU table in one command: engines and precisions, batch 1 to 256, images a second and share of peak.

Without a CUDA device, ``--device cpu`` runs it in a reduced form, to see that it works.
"""

import argparse
import time
import warnings
from typing import Any

import torch

import hebbstream as hs
from benchmarks.common import output_option, product_peak, synchronize, timing, write_result
from benchmarks.contenders import BackpropStep
from hebbstream.clip import clip_frames
from hebbstream.network.engine._pipelined import multiplications

_PEAK_DTYPE = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def measure(call: Any, batch: int, device: str, seconds: float) -> dict[str, Any]:
    """Time steps launched back to back (throughput) and one at a time (latency)."""
    for _ in range(6):  # the graph engine captures at the fourth
        call()
    synchronize(device)
    taken, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 3:
        start = time.perf_counter()
        call()
        synchronize(device)
        taken.append(1e3 * (time.perf_counter() - start))
    steps = max(3, min(1000, int(1e3 * seconds / timing(taken).median)))
    start = time.perf_counter()
    for _ in range(steps):
        call()
    synchronize(device)
    elapsed = time.perf_counter() - start
    return {
        "images_per_second": round(batch * steps / elapsed, 1),
        "latency": timing(taken).as_dict(),
        "memory_mb": round(torch.cuda.max_memory_allocated() / 1e6, 1) if device.startswith("cuda") else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--preset", choices=hs.PRESETS, default="cifar10")
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: the preset's)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--precisions", nargs="+", choices=_PEAK_DTYPE, default=list(_PEAK_DTYPE))
    parser.add_argument("--seconds", type=float, default=2.0, help="for each cell")
    output_option(parser, "gpu")
    options = parser.parse_args()
    on_cuda = options.device.startswith("cuda")
    if on_cuda and not torch.cuda.is_available():
        parser.error("no CUDA device: --device cpu --width 8 --batches 1 4 --seconds 0.2 shows the table's form")
    engines: dict[str, type[hs.Engine]] = {"eager": hs.EagerEngine, "cuda-graph": hs.CudaGraphEngine}
    side = hs.PRESETS[options.preset].image_size
    rows: list[dict[str, Any]] = []
    peaks: dict[str, float] = {}
    for precision in options.precisions:
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        peaks[precision] = product_peak(options.device, _PEAK_DTYPE[precision]) / 1e3
        torch.backends.cuda.matmul.allow_tf32 = False
    print(f"{torch.cuda.get_device_name() if on_cuda else options.device}; measured product peak, TFLOP/s: "
          + ", ".join(f"{name} {value:.2f}" for name, value in peaks.items()))  # fmt: skip
    print(f"{'contender':24} {'precision':9} {'batch':>5} {'images/s':>10} {'latency ms':>10} {'share of peak':>13}")

    def report(name: str, precision: str, batch: int, found: dict[str, Any], passes: float) -> None:
        work = passes * 2 * sum(multiplications(blank.layers, side, side))
        share = found["images_per_second"] * work / 1e12 / peaks[precision]
        rows.append(
            {"contender": name, "precision": precision, "batch": batch, "share_of_peak": round(share, 4), **found}
        )
        print(f"{name:24} {precision:9} {batch:5} {found['images_per_second']:10.0f}"
              f" {found['latency']['median_ms']:10.3f} {share:13.1%}", flush=True)  # fmt: skip

    blank = hs.SoftHebbNet.from_preset(options.preset, width=options.width, device="meta")
    for batch in options.batches:
        frames = torch.from_numpy(clip_frames(side, max(50, batch))[:batch]).permute(0, 3, 1, 2)
        if blank.in_channels == 1:
            frames = frames[:, :1].contiguous()
        for precision in options.precisions:
            for name, engine in engines.items():
                net = hs.SoftHebbNet.from_preset(
                    options.preset,
                    width=options.width,
                    batch_size=batch,
                    device=options.device,
                    engine=engine(precision),
                )
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    found = measure(lambda: net.learn_many(frames), batch, options.device, options.seconds)  # noqa: B023
                label = f"learn, {name}" + (" (ran eagerly)" if caught else "")
                report(label, precision, batch, found, passes=2)  # forward, and the dense update
        net = hs.SoftHebbNet.from_preset(options.preset, width=options.width, device=options.device)
        found = measure(lambda: net.transform_many(frames), batch, options.device, options.seconds)  # noqa: B023
        report("transform", "float32", batch, found, passes=1)
        step, x = BackpropStep(net, side), frames.to(options.device).float() / 255
        found = measure(lambda: step(x), batch, options.device, options.seconds)  # noqa: B023
        report("backprop step", "float32", batch, found, passes=3)
    write_result(
        options.output, {"preset": options.preset, "width": options.width, "peak_tflops": peaks, "table": rows}
    )


if __name__ == "__main__":
    main()
