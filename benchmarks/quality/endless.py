"""A stream without end: several worlds in turn, over and over. Do features stay as good as they have been?

A network learns from a thousand frames of each world in turn. Along the stream each test frame gets the label of the nearest
labelled frame of its world, by the standardised features of that moment; or that which scikit-learn's LDA of the labelled ones gives it.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

import hebbstream as hs
from benchmarks.core import data, draw, run, store
from benchmarks.quality.worlds.__main__ import MAKE, ROWS, SIDE, features, network, open_world, small
from benchmarks.quality.worlds.readout import Array, World, standardised
from benchmarks.quality.worlds.tables import DRAWN, LEARNED, means
from hebbstream.streams import crops

_WHOLE = {
    DRAWN: ("motion", ()),
    LEARNED: ("motion", (0, 1)),
}  # of whole frames: what is motion where pieces are cut out?
_ROWS = ROWS | _WHOLE
_NEAREST, _LDA = "nearest neighbour", "LDA"
_EARLY = (1 / 80, 1 / 40)  # of the stream, where features change most
_POINTS = 16


def in_turn(worlds: dict[str, World], segment: int, seed: int, cropped: bool) -> Iterator[Array]:
    """Yield some frames of each world in turn, without end: random crops of objects where asked, else whole frames."""
    endless = [
        iter(crops(cycle(world.stream), SIDE, seed=seed))
        if cropped and name.endswith("objects")
        else cycle(small(world.stream))
        for name, world in worlds.items()
    ]
    for frames in cycle(endless):
        yield from islice(frames, segment)


def nearest(world: World, known: Array, test: Array) -> float:
    """Return the share of test frames whose nearest labelled frame has their label, a mean over the tasks."""
    known, test = standardised(known, test)
    distances = np.einsum("ij,ij->i", known, known) - 2 * test @ known.T
    return round(float(np.mean(world.y[distances.argmin(1)] == world.test_y)), 4)


def lda(world: World, known: Array, test: Array) -> float:
    """Return the share of test frames that LDA with the shrinkage of Ledoit and Wolf names rightly, a mean over the tasks."""
    solver = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    tasks = zip(world.y.T, world.test_y.T, strict=True)
    return round(float(np.mean([(solver.fit(known, y).predict(test) == test_y).mean() for y, test_y in tasks])), 4)


def measure(worlds: dict[str, World], row: str, seed: int, options: argparse.Namespace) -> Iterator[store.Result]:
    """Yield what is right in each world at some points of the stream."""
    net = network(*_ROWS[row], options.width, 3, seed)
    if options.momentum is not None:
        net = hs.SoftHebbNet([replace(layer.spec, momentum=options.momentum) for layer in net.layers], 3, seed=seed)
    at = {round(options.frames * part) for part in (*_EARLY, *np.linspace(0, 1, _POINTS + 1)[1:])}
    shown = {name: (small(world.train[world.labelled]), small(world.test)) for name, world in worlds.items()}
    right = lda if options.readout == _LDA else nearest
    frames = in_turn(worlds, options.segment, seed, row not in _WHOLE)
    began, seconds = time.process_time(), 0.0
    for seen, frame in enumerate(islice(frames, options.frames), start=1):
        net.learn_one(frame)
        if seen in at:
            seconds += time.process_time() - began
            accuracy = {name: right(worlds[name], *(features(net, x) for x in both)) for name, both in shown.items()}
            yield {"row": row, "seed": seed, "frames": seen, "cpu_seconds": round(seconds, 1), "accuracy": accuracy}
            began = time.process_time()


def plot(rows: list[store.Result], readout: str, output: Path) -> None:
    """Draw the first run of each row: every world, and their mean."""
    runs = {row: [point for point in rows if point["row"] == row] for row in dict.fromkeys(p["row"] for p in rows)}
    figure, axes = draw.new_figure(len(runs), (5 * len(runs) + 1.5, 4))
    for axis, (row, found) in zip(axes, runs.items(), strict=True):
        points = [point for point in found if point["seed"] == found[0]["seed"]]
        frames = [point["frames"] / 1000 for point in points]
        for name in points[0]["accuracy"]:
            axis.plot(frames, [100 * point["accuracy"][name] for point in points], label=name, linewidth=1)
        axis.plot(frames, 100 * means(points), "k", label="mean", linewidth=2)
        axis.set(title=row, xlabel="thousands of frames", ylabel=f"{readout}, %", ylim=(0, 100))
        axis.grid(alpha=0.4)
    axes[-1].legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    draw.save(figure, output)


def main() -> None:
    parser = run.arguments("quality/endless", __doc__)
    parser.add_argument("folder", type=Path, help="of the files that benchmarks/quality/worlds/make.py wrote")
    parser.add_argument("--worlds", nargs="+", metavar="NAME", help="all in the folder and cifar10, if not given")
    parser.add_argument(
        "--rows", nargs="+", choices=_ROWS, default=["video"], metavar="ROW", help="as in worlds, or motion"
    )
    parser.add_argument("--readout", choices=(_NEAREST, _LDA), default=_NEAREST)
    parser.add_argument("--momentum", type=float, help="of the statistics, if not the preset's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    defaults = {"width": 16, "frames": 200_000, "segment": 1000, "labelled": 1000, "tested": 1000}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = run.begin(parser)
    names = options.worlds or [*data.names_in(options.folder, MAKE), "cifar10"]
    settings = {"worlds": names} | {name: getattr(options, name) for name in (*defaults, "momentum", "readout")}
    rows = store.resume(options.output, settings).get("rows", [])
    limits = {"frames": None, "labelled": options.labelled, "tested": options.tested}
    worlds = {name: open_world(options.folder, name, **limits) for name in names}
    for seed in options.seeds:
        for row in options.rows:
            if not any((point["row"], point["seed"]) == (row, seed) for point in rows):
                rows += store.shown(measure(worlds, row, seed, options))
                store.write(options.output, {"settings": settings, "rows": rows})
    plot(rows, options.readout, options.output)


if __name__ == "__main__":
    main()
