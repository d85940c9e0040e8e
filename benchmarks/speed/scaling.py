"""How the cost of a step grows: with width, image size and depth, and with the number of samples seen; and memory.

The last is measured twice. Raw times of the first and last 1,000 samples include how the machine's speed drifted in
between, so afterwards the network as it was after 1,000 samples and as it is at the end take turns on the same frames.
"""

import copy
import gc
import os
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tqdm import trange

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.data import cifar10
from benchmarks.core.timing import Timing, alternate, milliseconds, timed, timing
from hebbstream.clip._clip import clip_frames

_WINDOW = 1000


def sizes(seconds: float) -> list[store.Result]:
    """Time single-sample steps over widths, image sizes and depths of the CIFAR-10 preset."""
    rows = []
    variants = [("width", width, hs.PRESETS["cifar10"].resolve(width=width), 32) for width in (12, 24, 48, 96, 192)]
    variants += [("image size", side, hs.PRESETS["cifar10"].resolve(width=48), side) for side in (16, 32, 64, 96, 160)]
    full = hs.PRESETS["cifar10"].resolve(width=48)
    variants += [("depth", depth, full[:depth], 32) for depth in (1, 2, 3)]
    for axis, value, specs, side in variants:
        net = hs.SoftHebbNet(specs, 3)
        frames = cycle(clip_frames(side, 50))
        found = alternate(
            {"learn": lambda: net.learn_one(next(frames)), "transform": lambda: net.transform_one(next(frames))},  # noqa: B023
            seconds=seconds,
        )
        rows.append({"axis": axis, "value": value, "ms": timed(found)})
        print(f"{axis} {value}: learn {found['learn'].median:.2f} ms, transform {found['transform'].median:.2f} ms")
    return rows


def samples(count: int, width: int) -> store.Result:
    """Learn from a long stream; return times of the first and last samples, and memory on the way."""
    images = cifar10("train").images if os.environ.get("HEBBSTREAM_DATA") else clip_frames(32, 2000)
    order = np.random.default_rng(0)
    net = hs.SoftHebbNet.from_preset("cifar10", width=width)
    warm = copy.deepcopy(net)
    for image in images[:50]:
        warm.learn_one(image)
    taken = np.empty(count)
    resident: list[tuple[int, float]] = []
    young: hs.SoftHebbNet | None = None
    for index in trange(count, desc="samples"):
        taken[index] = milliseconds(partial(net.learn_one, images[order.integers(len(images))]))
        if index == _WINDOW - 1:
            young = copy.deepcopy(net)
        if (index + 1) % (count // 50) == 0:
            gc.collect()
            resident.append((index + 1, psutil.Process().memory_info().rss / 1e6))
    assert young is not None
    again = cycle(images[order.integers(len(images), size=20_000)])
    both = alternate(
        {"after 1,000": lambda: young.learn_one(next(again)), "at the end": lambda: net.learn_one(next(again))},
        seconds=20,
    )
    return summary(taken, both) | {
        "width": width,
        "r1_fraction": [round(value, 3) for value in net.r1_fraction()],
        "resident_mb": [(seen, round(megabytes, 2)) for seen, megabytes in resident],
    }


def summary(taken: Any, both: dict[str, Timing]) -> store.Result:
    """Compare the first and the last steps of a stream, as they came and in turns."""
    first, last = timing(taken[:_WINDOW]), timing(taken[-_WINDOW:])
    step = max(1, len(taken) // 200)
    return {
        "samples": len(taken),
        "first_1000": first.as_dict(),
        "last_1000": last.as_dict(),
        "last_over_first": round(last.median / first.median, 4),
        "in_turns": timed(both),
        "end_over_1000_in_turns": round(both["at the end"].median / both["after 1,000"].median, 4),
        "curve_ms": [round(float(np.median(taken[i : i + step])), 4) for i in range(0, len(taken), step)],
    }


def plot(rows: list[store.Result], stream: store.Result, path: Path) -> None:
    figure, axes = draw.new_figure(5, (17, 3.4))
    for axis, name in zip(axes, ("width", "image size", "depth"), strict=False):
        chosen = [row for row in rows if row["axis"] == name]
        for call, marker in (("learn", "o-"), ("transform", "s--")):
            axis.plot([r["value"] for r in chosen], [r["ms"][call]["median_ms"] for r in chosen], marker, label=call)
        axis.set(xlabel=name, ylabel="ms a sample", yscale="log", xscale="log" if name != "depth" else "linear")
        axis.set_xticks([r["value"] for r in chosen], [str(r["value"]) for r in chosen])
        axis.minorticks_off()
    axes[0].legend()
    curve = stream["curve_ms"]
    axes[3].plot(np.linspace(0, stream["samples"], len(curve)), curve)
    axes[3].set(xlabel="samples seen", ylabel="ms a sample", ylim=(0, None))
    axes[4].plot(*zip(*stream["resident_mb"], strict=True))
    axes[4].set(xlabel="samples seen", ylabel="resident memory, MB", ylim=(0, None))
    for axis in axes[3:]:
        axis.set_xticks([0, stream["samples"] // 2, stream["samples"]])
    draw.save(figure, path)


def main() -> None:
    parser = run.arguments("speed/scaling", __doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=24, help="of the network that learns from them")
    parser.add_argument("--seconds", type=float, default=5.0, help="of measurement for each size")
    options = run.begin(parser)
    if options.samples < 2 * _WINDOW:
        parser.error(f"--samples {options.samples}: expected at least {2 * _WINDOW}")
    rows, stream = sizes(options.seconds), samples(options.samples, options.width)
    print(
        f"last 1,000 of {options.samples:,} samples / first 1,000: {stream['last_over_first']:.3f};"
        f" in turns {stream['end_over_1000_in_turns']:.3f};"
        f" resident memory {stream['resident_mb'][0][1]:.1f} MB then {stream['resident_mb'][-1][1]:.1f} MB"
    )
    store.write(options.output, {"sizes": rows, "stream": stream})
    plot(rows, stream, options.output)


if __name__ == "__main__":
    main()
