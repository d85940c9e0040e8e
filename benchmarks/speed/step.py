"""One learning step: milliseconds for each sample, for every preset and batch size, against everything it competes with.

Contenders take turns, so that they share the machine's good and bad moments.
"""

import copy
import gc
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import torch

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.contenders import BackpropStep, PeerStep
from benchmarks.core.data import preset_frames
from benchmarks.core.timing import alternate, multiply_adds, product_peak, timed
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.network._frames import to_input
from hebbstream.rule._fast import without_kernels

_BACKPROP = 3.0  # forward passes that a backward step costs, roughly
_COLOURS = {
    "learn": "tab:blue",
    "learn, auto": "tab:purple",
    "learn, torch": "tab:gray",
    "learn, dense": "tab:cyan",
    "transform": "tab:green",
    "transform, auto": "tab:olive",
    "ONNX Runtime": "tab:brown",
    "backprop": "tab:orange",
    "peer": "tab:red",
}


def measure(name: str, batch: int, peer: Path | None, seconds: float, width: int | None) -> store.Result:
    """Time one preset at one batch size."""
    side = hs.PRESETS[name].image_size
    frames = torch.from_numpy(preset_frames(name, max(50, batch))).permute(0, 3, 1, 2)
    events = hs.SoftHebbNet.from_preset(name, width=width)
    # With the same weights: the largest preset has no room for two of them.
    dense = copy.deepcopy(events, {id(buffer): buffer for buffer in events.buffers()})
    for layer in dense.layers:
        layer.spec = replace(layer.spec, event_threshold=0.0)
    automatic, plain = copy.deepcopy(events), copy.deepcopy(events)
    automatic.engine = hs.EagerEngine("auto")
    # Weights, gradients, and what the convolutions' backward pass keeps beside them.
    fits = 8 * sum(layer.weight_matrix.nbytes for layer in events.layers) < memory_bytes()
    backprop = BackpropStep(events, side) if fits else None
    batches = cycle([frames.roll(-shift, 0)[:batch] for shift in range(0, 50, 7)])
    floats = cycle([to_input(next(batches), events.device) for _ in range(8)])
    calls: dict[str, Any] = {
        "learn": lambda: events.learn_many(next(batches)),
        "learn, auto": lambda: automatic.learn_many(next(batches)),
        "learn, torch": lambda: without(plain.learn_many, next(batches)),
        "learn, dense": lambda: dense.learn_many(next(batches)),
        "transform": lambda: events.transform_many(next(batches)),
        "transform, auto": lambda: automatic.transform_many(next(batches)),
    }
    if name == "cifar10":
        extractor = exported(events)
        calls["ONNX Runtime"] = lambda: extractor.transform_many(next(batches))
    if backprop is not None:
        calls["backprop"] = lambda: backprop(next(floats))
    if peer is not None and name == "cifar10" and width is None:
        step = PeerStep(peer)
        calls["peer"] = lambda: step(next(floats).contiguous())
    timings = alternate(calls, seconds=seconds)
    work = batch * multiply_adds(name, width)
    return {
        "preset": name,
        "width": width,
        "batch": batch,
        "forward_gflop": round(2 * work / 1e9, 3),
        "ms_per_step": timed(timings),
    }


def without(call: Callable[[Any], Any], x: Any) -> None:
    """Call it without compiled kernels."""
    with without_kernels():
        call(x)


def exported(net: hs.SoftHebbNet) -> OnnxExtractor:
    """Return the same network in ONNX Runtime, float32."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        to_onnx(net, path, size=hs.PRESETS[net.preset or "cifar10"].image_size, input_dtype="uint8")
        return OnnxExtractor(path)


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def main() -> None:
    parser = run.arguments("speed/step", __doc__)
    parser.add_argument("--peer", type=Path, metavar="PATH", help="a clone of NeuromorphicComputing/SoftHebb")
    parser.add_argument("--presets", nargs="+", choices=hs.PRESETS, default=list(hs.PRESETS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: each preset's)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of measurement for each preset and batch size")
    parser.add_argument("--most-seconds", type=float, default=60.0, help="leave out what takes longer for one round")
    options = run.begin(parser)
    rows: list[store.Result] = []
    left_out: list[str] = []
    peak = product_peak()
    for name in options.presets:
        if name == "cifar100":
            continue  # the same network as cifar10
        for batch in options.batches:
            one_pass = 2e-9 * batch * multiply_adds(name, options.width) / peak
            if (round_seconds := one_pass * (1 + 1.5 + 2 + _BACKPROP)) > options.most_seconds:
                left_out.append(f"{name}, batch {batch}: about {round_seconds:.0f} s for one round")
                print(f"left out: {left_out[-1]}")
                continue
            rows.append(measure(name, batch, options.peer, options.seconds, options.width))
            gc.collect()
            rows[-1]["floor_ms"] = round(1e3 * one_pass, 4)
            if "backprop" not in rows[-1]["ms_per_step"]:
                left_out.append(f"{name}, batch {batch}, backprop: more memory than this machine has")
            show(rows[-1])
            store.write(options.output, {"product_peak_gflops": round(peak, 1), "left_out": left_out, "steps": rows})
    plot(rows, options.output)


def show(row: store.Result) -> None:
    medians = {name: found["median_ms"] for name, found in row["ms_per_step"].items()}
    learn = medians["learn"]
    ratios = ", ".join(f"{name} / learn {value / learn:.2f}" for name, value in medians.items() if name != "learn")
    print(
        f"{row['preset']}, batch {row['batch']}: learn {learn:.2f} ms a step; {ratios};"
        f" learn / transform {learn / medians['transform']:.2f}; forward floor {row['floor_ms']:.2f} ms",
        flush=True,
    )


def plot(rows: list[store.Result], path: Path) -> None:
    figure, (axis,) = draw.new_figure(1, (max(6.4, 1.6 + 1.25 * len(rows)), 5.0))
    for index, row in enumerate(rows):
        for place, (name, colour) in enumerate(_COLOURS.items()):
            if name in row["ms_per_step"]:
                found = {key: value / row["batch"] for key, value in row["ms_per_step"][name].items()}
                median = found["median_ms"]
                spread = [[median - found["lower_quartile_ms"]], [found["upper_quartile_ms"] - median]]
                label = name if not any(name in earlier["ms_per_step"] for earlier in rows[:index]) else None
                axis.bar(index + 0.1 * (place - 4), median, 0.1, yerr=spread, color=colour, label=label, capsize=1.5)
        floor = row["floor_ms"] / row["batch"]
        axis.plot([index - 0.42, index + 0.42], [floor, floor], "k:", label="forward floor" if not index else None)
    axis.set_yscale("log")
    axis.set_ylabel("milliseconds for each sample")
    axis.set_xticks(range(len(rows)), [f"{row['preset']}\nbatch {row['batch']}" for row in rows])
    draw.legend_above(axis, 6)
    draw.save(figure, path)


if __name__ == "__main__":
    main()
