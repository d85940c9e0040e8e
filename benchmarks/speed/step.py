"""One learning step: milliseconds for each sample, for every preset and batch size, against everything it competes with.

Contenders take turns, so that they share the machine's good and bad moments. A call replaces the rows that it measures and
keeps the others, each with the machine and the commit that it is of.
"""

import argparse
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
from benchmarks.core.late import late_network
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
    "learn, late": "tab:pink",
    "backprop": "tab:orange",
    "peer": "tab:red",
}


def measure(name: str, batch: int, options: argparse.Namespace) -> store.Result:
    """Time one preset at one batch size."""
    width, peer, late = options.width, options.peer, options.late
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
    if late is not None and name == "cifar10":
        aged = late_network(late, width, options.late_samples)
        aged_too = copy.deepcopy(aged)
        aged_too.engine = hs.EagerEngine("auto")
        calls["learn, late"] = lambda: aged.learn_many(next(batches))
        calls["learn, auto, late"] = lambda: aged_too.learn_many(next(batches))
    timings = alternate(calls, seconds=options.seconds)
    work = batch * multiply_adds(name, width)
    return {
        "preset": name,
        "width": width,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "late_samples": None if late is None else options.late_samples,
        "weights_mb": round(sum(layer.weight_matrix.nbytes for layer in events.layers) / 1e6, 2),
        "step_mb": {name: round(_held(net) / 1e6, 2) for name, net in (("learn", events), ("learn, auto", automatic))},
        "forward_gflop": round(2 * work / 1e9, 3),
        "ms_per_step": timed(timings),
    }


def _held(net: hs.SoftHebbNet) -> int:
    """Return the bytes of memory that steps use again and again, and of the rounded copies of weights."""
    assert isinstance(net.engine, hs.EagerEngine)
    return sum(workspace.nbytes for workspace in net.engine._workspaces) + sum(
        layer.rounded.nbytes for layer in net.layers
    )


def without(call: Callable[[Any], Any], x: Any) -> None:
    """Call it without compiled kernels."""
    with without_kernels():
        call(x)


def exported(net: hs.SoftHebbNet) -> OnnxExtractor:
    """Return the same network in ONNX Runtime, float32, with as many threads."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        to_onnx(net, path, size=hs.PRESETS[net.preset or "cifar10"].image_size, input_dtype="uint8")
        return OnnxExtractor(path, threads=torch.get_num_threads())


def memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def main() -> None:
    parser = run.arguments("speed/step", __doc__)
    parser.add_argument("--peer", type=Path, metavar="PATH", help="a clone of NeuromorphicComputing/SoftHebb")
    parser.add_argument("--presets", nargs="+", choices=hs.PRESETS, default=list(hs.PRESETS))
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: each preset's)")
    parser.add_argument("--threads", type=int, help="of torch and of the kernels (default: as many as there are)")
    parser.add_argument(
        "--late",
        type=Path,
        metavar="FILE",
        help="time the CIFAR preset late too: where its network is, or will be, kept",
    )
    parser.add_argument("--late-samples", type=int, default=50_000, help="that a network learns from before it is late")
    parser.add_argument("--seconds", type=float, default=20.0, help="of measurement for each preset and batch size")
    parser.add_argument("--most-seconds", type=float, default=60.0, help="leave out what takes longer for one round")
    options = run.begin(parser)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    before = store.read(options.output)
    rows: list[store.Result] = [row for row in before.get("steps", []) if "measured" in row]
    left_out: list[str] = before.get("left_out", []) if rows else []
    peak, rounded = product_peak(), product_peak(dtype=torch.bfloat16)
    for name in options.presets:
        if name == "cifar100":
            continue  # the same network as cifar10
        for batch in options.batches:
            one_pass = 2e-9 * batch * multiply_adds(name, options.width) / peak
            if (round_seconds := one_pass * (1 + 1.5 + 2 + _BACKPROP)) > options.most_seconds:
                left_out.append(f"{name}, batch {batch}: about {round_seconds:.0f} s for one round")
                print(f"left out: {left_out[-1]}")
                continue
            row = measure(name, batch, options)
            gc.collect()
            row |= {
                "floor_ms": round(1e3 * one_pass, 4),
                "floor_bfloat16_ms": round(1e3 * one_pass * peak / rounded, 4),
            }
            row |= {"product_peak_gflops": round(peak, 1), "measured": run.machine()}
            if "backprop" not in row["ms_per_step"]:
                left_out.append(f"{name}, batch {batch}, backprop: more memory than this machine has")
            show(row)
            rows = sorted([*(old for old in rows if _key(old) != _key(row)), row], key=_key)
            store.write(options.output, {"left_out": sorted(set(left_out)), "steps": rows})
    plot(rows, options.output)


def _key(row: store.Result) -> tuple[int, int, int, int]:
    """Return what a row is of, in an order to show rows in."""
    return list(hs.PRESETS).index(row["preset"]), -(row["width"] or 10_000), row["batch"], row["threads"]


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
    figure, (axis,) = draw.new_figure(1, (max(6.4, 1.6 + 2.2 * len(rows)), 5.0))
    rows, wide = [row for row in rows if row["threads"] == rows[0]["threads"]], 0.85 / len(_COLOURS)
    for index, row in enumerate(rows):
        for place, (name, colour) in enumerate(_COLOURS.items()):
            if name in row["ms_per_step"]:
                found = {key: value / row["batch"] for key, value in row["ms_per_step"][name].items()}
                median = found["median_ms"]
                spread = [[median - found["lower_quartile_ms"]], [found["upper_quartile_ms"] - median]]
                label = name if not any(name in earlier["ms_per_step"] for earlier in rows[:index]) else None
                at = index + wide * (place - (len(_COLOURS) - 1) / 2)
                axis.bar(at, median, wide, yerr=spread, color=colour, label=label, capsize=1.5)
        floor = row["floor_ms"] / row["batch"]
        axis.plot([index - 0.42, index + 0.42], [floor, floor], "k:", label="forward floor" if not index else None)
    axis.set_yscale("log")
    axis.set_ylabel("milliseconds for each sample")
    axis.set_xticks(range(len(rows)), [_named(row) for row in rows])
    draw.legend_above(axis, 6)
    draw.save(figure, path)


def _named(row: store.Result) -> str:
    width = f"\nwidth {row['width']}" if row["width"] else ""
    return f"{row['preset']}, batch {row['batch']}{width}"


if __name__ == "__main__":
    main()
