"""Two worlds in one stream: CIFAR-10 by day, then by night (dark, flat, bluish, noisy). What is noticed, gained, kept?

A network learns the day, with and without a linear decay of the rate, then the night in several ways from the same
weights. After each phase a linear probe is trained and tested on the day and on the night.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import hebbstream as hs
from benchmarks.core import data, draw, run, store
from benchmarks.core.data import Split, cifar10
from benchmarks.core.page import grouped
from benchmarks.core.probe import Protocol, accuracy, as_input, standardizer, train_probe
from hebbstream.adapters.river._drift import DriftMonitor
from hebbstream.adapters.video import open_video
from hebbstream.inspection._explained import explained_share
from hebbstream.rule._workspace import Workspace

RADIUS = 2.0
TRACE = 20  # samples between two points of the curves


def night(images: Any, seed: int) -> Any:
    """Half the contrast, a seventh to a third of the light, mostly blue, and the noise of a sensor."""
    noise = np.random.default_rng(seed).normal(0, 0.03, images.shape)
    dark = (0.25 + 0.5 * images / 255) * np.array([0.15, 0.2, 0.35]) + noise
    return (255 * dark.clip(0, 1)).astype(np.uint8)


def network(width: int, seed: int, decay: int | None) -> hs.SoftHebbNet:
    """Return the first two layers of the CIFAR-10 preset."""
    layers = hs.SoftHebbNet.from_preset("cifar10", width=width).layers[:2]
    return hs.SoftHebbNet([replace(layer.spec, decay_samples=decay) for layer in layers], 3, seed=seed)


def scale_up(net: hs.SoftHebbNet) -> None:
    """Give weight vectors shorter than RADIUS that norm, and keep their direction: the alternative to an opening."""
    for layer in net.layers:
        layer.weight_matrix.mul_((layer.norms().clamp(min=RADIUS) / layer.norms()).unsqueeze(1))


WAYS: dict[str, Callable[[hs.SoftHebbNet], None]] = {
    "nothing": lambda _: None,
    "reopened": lambda net: net.reopen_plasticity(),
    f"norms raised to {RADIUS:g}": scale_up,
}


def learn(
    net: hs.SoftHebbNet, frames: Any, action: Callable[[hs.SoftHebbNet], None], monitor: DriftMonitor | None = None
) -> tuple[DriftMonitor, list[float]]:
    """Learn with a monitor that acts once; return it, and the explained share of the first layer along the way."""
    acted: list[bool] = []

    def act(_: Any) -> None:
        if not acted:
            acted.append(True)
            action(net)

    if monitor is None:
        monitor = DriftMonitor()
    monitor.action = act
    trace: list[float] = []

    def follow(step: hs.Step) -> None:
        if step.index % TRACE == 0:
            layer = net.layers[0]
            trace.append(float(explained_share(layer, layer.forward(as_input(step.sample.x[None])))))

    run.whole(hs.learn(net, frames, callbacks=[monitor, follow], progress=False))
    return monitor, trace


@torch.no_grad()
def features(net: hs.SoftHebbNet, images: Any) -> Tensor:
    """Return features pooled to 4×4 positions."""
    rows = []
    for start in range(0, len(images), 100):
        x = as_input(images[start : start + 100])
        for layer in net.layers:
            x = layer.forward(x).output
        rows.append(F.adaptive_avg_pool2d(x, 4).flatten(1))
    return torch.cat(rows)


def probe(net: hs.SoftHebbNet, train: Split, test: Split, seed: int) -> float:
    """Return the test accuracy of a linear probe, once the running statistics have followed to its world."""
    net = copy.deepcopy(net)
    for start in range(0, 500, 20):
        x = as_input(train.images[start : start + 20])
        for layer in net.layers:
            x = layer.learn_forward(x, Workspace()).output
    known, new = features(net, train.images), features(net, test.images)
    standardize = standardizer(known)
    known, new = standardize(known), standardize(new)
    model = train_probe(known.__getitem__, train.labels, Protocol(), epochs=10, seed=seed, progress=False)
    return accuracy(model, new.__getitem__, test.labels)


def worlds_of(
    options: argparse.Namespace, train: Split, test: Split, seed: int
) -> tuple[Any, Any, dict[str, tuple[Split, Split]]]:
    """Return the images of the day and of the night to learn from, and what probes learn and are tested on in each."""
    order = np.random.default_rng(seed).permutation(len(train))
    day, dusk, rest = np.split(order, [options.day, options.day + options.night])
    probed = train.at(rest[: options.labels])
    tested = test.at(np.random.default_rng(seed).permutation(len(test))[: options.test])
    at_night = (
        Split(night(probed.images, seed + 100), probed.labels),
        Split(night(tested.images, seed + 200), tested.labels),
    )
    return train.images[day], night(train.images[dusk], seed), {"day": (probed, tested), "night": at_night}


def run_seed(
    options: argparse.Namespace, train: Split, test: Split, seed: int, done: set[Any]
) -> Iterator[store.Result]:
    """Yield one row for each network and way that is not there yet."""
    day, at_night, worlds = worlds_of(options, train, test, seed)
    for decay in (options.day, None):
        ways = {"before": None, **WAYS, "a new network": None} if decay is None else {"before": None, **WAYS}
        ways = {way: action for way, action in ways.items() if (seed, decay, way) not in done}
        if not ways:
            continue
        net = network(options.width, seed, decay)
        monitor, trace = learn(net, day, lambda _: None)
        alarms = [found.index for found in monitor.drifts]
        for way, action in ways.items():
            started = time.perf_counter()
            row: store.Result = {"seed": seed, "decay": decay, "way": way, "alarms_by_day": alarms}
            found = copy.deepcopy(net) if way != "a new network" else network(options.width, seed + 1000, None)
            if way != "before":
                watch = copy.deepcopy(monitor)
                watch.drifts.clear()
                watch, trace_by_night = learn(found, at_night, action or (lambda _: None), watch)
                row["alarms_by_night"] = [drift.index for drift in watch.drifts]
            row["trace"] = [round(value, 4) for value in (trace if way == "before" else trace_by_night)]
            row |= outcome(net, found)
            row["accuracy"] = {name: round(probe(found, *splits, seed), 4) for name, splits in worlds.items()}
            yield row | {"seconds": round(time.perf_counter() - started, 1)}


def outcome(before: hs.SoftHebbNet, after: hs.SoftHebbNet) -> store.Result:
    """Say how far the neurons have come, and how far they have turned."""
    layers = zip(before.layers, after.layers, strict=True)
    cosines = [F.cosine_similarity(a.weight_matrix, b.weight_matrix).mean() for a, b in layers]
    return {
        "r1_fraction": [round(value, 3) for value in after.r1_fraction()],
        "cosine_with_day": [round(float(cosine), 3) for cosine in cosines],
    }


def watch_video(path: Path, width: int, frames: int) -> store.Result:
    """Learn from a clip in a loop, with a monitor."""
    with open_video(path, size=32) as stream:
        clip = [sample.x for sample in stream]
    net = network(width, 0, None)
    monitor, _ = learn(net, islice(cycle(clip), frames), lambda _: None)
    alarms = [found.index for found in monitor.drifts]
    return {"video": path.name, "length": len(clip), "frames": frames, "alarms": alarms}


def plot(rows: list[store.Result], path: Path) -> None:
    """Draw the explained share over the stream, and the accuracies."""
    figure, (left, right) = draw.new_figure(2, (11, 4))
    _shares(left, [row for row in rows if row["seed"] == rows[0]["seed"]])
    _accuracies(right, rows)
    draw.save(figure, path)


def _name(way: str, decay: int | None) -> str:
    return f"{way}, decayed" if decay else way


def _shares(axis: Any, rows: list[store.Result]) -> None:
    for row in rows:
        if row["way"] in ("nothing", "reopened"):
            before = next(other for other in rows if other["decay"] == row["decay"] and other["way"] == "before")
            evening = before["trace"][-len(row["trace"]) // 2 :]
            curve = np.convolve(np.array(evening + row["trace"]), np.ones(10) / 10, mode="valid")
            places = TRACE * (np.arange(len(curve)) + 9 - len(evening))
            axis.plot(places, curve, label=_name(row["way"], row["decay"]))
            if row["way"] == "reopened":
                for alarm in row["alarms_by_night"][:1]:
                    axis.axvline(alarm, color="gray", linestyle=":" if row["decay"] else "--", linewidth=1)
    axis.axvline(0, color="black", linewidth=1)
    axis.set(xlabel="samples since nightfall (dashed: the alarm)", ylabel="explained share, layer 1")
    axis.legend(fontsize="small")


def _accuracies(axis: Any, rows: list[store.Result]) -> None:
    groups = grouped(sorted(rows, key=lambda row: row["decay"] or 0), "way", "decay")
    for offset, world in ((-0.2, "day"), (0.2, "night")):
        values = [[100 * row["accuracy"][world] for row in seeds] for seeds in groups.values()]
        axis.barh(np.arange(len(groups)) + offset, [np.mean(each) for each in values], 0.4, label=f"probe by {world}")
        for place, each in enumerate(values):
            axis.plot(each, [place + offset] * len(each), "k.", markersize=3)
    axis.set_yticks(range(len(groups)), [_name(*group) for group in groups])
    axis.invert_yaxis()
    axis.set(xlabel="test accuracy, %", xlim=(0, None))
    draw.legend_above(axis, 2)


def main() -> None:
    parser = run.arguments("quality/drift", __doc__)
    parser.add_argument("--width", type=int, default=16, help="neurons of the first layer")
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--day", type=int, default=8000, help="samples of the first world")
    parser.add_argument("--night", type=int, default=4000, help="samples of the second")
    parser.add_argument("--labels", type=int, default=4000, help="labelled samples for the probe")
    parser.add_argument("--test", type=int, default=2500, help="samples to test it on")
    parser.add_argument("--frames", type=int, default=5000, help="of each looped video")
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in ("width", "day", "night", "labels", "test", "frames")}
    earlier = store.resume(options.output, settings)
    rows, videos = earlier.get("rows", []), earlier.get("videos", [])

    def keep(kind: list[store.Result], row: store.Result) -> None:
        kind.append(row)
        print({name: value for name, value in row.items() if name != "trace"}, flush=True)
        store.write(options.output, {"settings": settings, "rows": rows, "videos": videos})

    train, test = cifar10("train"), cifar10("test")
    for seed in range(options.seeds):
        for row in run_seed(options, train, test, seed, {(row["seed"], row["decay"], row["way"]) for row in rows}):
            keep(rows, row)
    for path in data.videos():
        if not any(row["video"] == path.name for row in videos):
            keep(videos, watch_video(path, options.width, options.frames))
    plot(rows, options.output)


if __name__ == "__main__":
    main()
