"""Measure learned features against untrained ones, with the same statistics, and pixels, in worlds of video and pictures.

Frames come once, in order; nothing is learned from the test's, and penalties are chosen on the labelled training frames.
Random crops of objects, whole frames of games and pictures; ridge with 2,000 labels, and with five of each class.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import hebbstream as hs
from benchmarks.core import data, run, store
from benchmarks.quality.worlds.readout import LABELLED, TESTED, Array, World, accuracies
from hebbstream.streams import crops

SIDE = 32
_PICTURES = 8000  # of a set of pictures, as many as frames of a game
SETS = ("cifar10", "mnist")
MAKE = "benchmarks/quality/worlds/make.py"
# By row: preset, and which layers learn.
ROWS: dict[str, tuple[str, tuple[int, ...]]] = {
    "untrained, running statistics": ("cifar10", ()),
    "published rule": ("cifar10", (0, 1, 2)),
    "untrained, slow statistics": ("pictures", ()),
    "pictures": ("pictures", (0,)),
    "untrained, whitened": ("video", ()),
    "video": ("video", (0,)),
}


def network(preset: str, learning: tuple[int, ...], width: int, channels: int, seed: int) -> hs.SoftHebbNet:
    """Return a network some of whose layers learn; all statistics follow the stream."""
    specs = hs.PRESETS[preset].resolve(width=width)
    frozen = [spec if i in learning else replace(spec, learning_rate=0.0) for i, spec in enumerate(specs)]
    return hs.SoftHebbNet(frozen, channels, seed=seed)


def small(frames: Array) -> Array:
    """Return frames at half their size, and small ones as they are."""
    if frames.shape[1] <= SIDE:
        return frames
    halves = F.avg_pool2d(torch.from_numpy(frames).permute(0, 3, 1, 2).float(), 2)
    halved: Array = halves.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return halved


def features(net: hs.SoftHebbNet, frames: Array) -> Array:
    """Return features of many frames."""
    found: Array = torch.cat([net.transform_many(frames[i : i + 50]) for i in range(0, len(frames), 50)]).numpy()
    return found


def shown(world: World) -> tuple[Array, Array]:
    """Return the labelled frames and the test's."""
    return small(world.train[world.labelled]), small(world.test)


def learn_from(net: hs.SoftHebbNet, frames: Iterable[Any]) -> float:
    """Let a network learn frames; return the processor's seconds that this took."""
    began = time.process_time()
    for frame in frames:
        net.learn_one(frame)
    return round(time.process_time() - began, 1)


def learned(world: World, cropped: bool, net: hs.SoftHebbNet, seed: int) -> store.Result:
    """Return what a network makes of a stream."""
    seconds = learn_from(net, crops(world.stream, SIDE, seed=seed) if cropped else small(world.stream))
    return {"cpu_seconds": seconds, **accuracies(world, *(features(net, frames) for frames in shown(world)))}


def jobs(world: World, cropped: bool, width: int, seed: int) -> Iterator[store.Job]:
    """Yield each row of a world's table."""
    if not seed:
        yield {"row": "pixels"}, partial(_pixels, world)
    for row, made_by in ROWS.items():
        yield {"row": row}, partial(_row, world, cropped, network(*made_by, width, world.train.shape[-1], seed), seed)


def _row(world: World, cropped: bool, net: hs.SoftHebbNet, seed: int) -> store.Result:
    return learned(world, cropped, net, seed) | {"cosines": _cosines(net, seed)}


def _pixels(world: World) -> store.Result:
    flat = (frames.reshape(len(frames), -1).astype(np.float32) for frames in shown(world))
    return {"cpu_seconds": 0.0, **accuracies(world, *flat)}


def _cosines(net: hs.SoftHebbNet, seed: int) -> list[float]:
    """Return each layer's mean cosine of weights with the initial ones."""
    first = hs.SoftHebbNet([layer.spec for layer in net.layers], net.in_channels, seed=seed)
    pairs = zip(first.layers, net.layers, strict=True)
    return [round(float(F.cosine_similarity(a.weight_matrix, b.weight_matrix).mean()), 3) for a, b in pairs]


def pictures(name: str, *, frames: int | None, labelled: int, tested: int) -> World:
    """Return a set of pictures as a world: a stream, labelled pictures after it, and some of its test part."""
    seen = frames or _PICTURES
    task = data.load_task(name)
    train, test = task.train.take(seen + labelled, 0), task.test.take(tested, 0)
    order = np.random.default_rng(0).permutation(len(train))
    images, y = train.images[order], train.labels[order, None].astype(int)
    return World(images, np.arange(seen, len(y)), y[seen:], test.images, test.labels[:, None].astype(int), seen)


def open_world(folder: Path, name: str, **limits: Any) -> World:
    """Return a set of pictures by its name, or a world from its file."""
    return pictures(name, **limits) if name in SETS else World.load(data.array_file(folder, name, MAKE), **limits)


def measure_worlds(
    result: str, description: str | None, jobs: Callable[[World, bool, int, int], Iterator[store.Job]]
) -> None:
    """Run a command that does jobs, given a world, whether to crop its frames, a width and a seed, in every world."""
    parser = run.arguments(result, description)
    parser.add_argument("folder", type=Path, help="of the files that benchmarks/quality/worlds/make.py wrote")
    parser.add_argument(
        "--worlds", nargs="+", metavar="NAME", help="all in the folder, cifar10 and mnist, if not given"
    )
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="of the table, all if not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--width", type=int, default=16, help="neurons of the first layer")
    parser.add_argument("--frames", type=int, help="of the stream, at most")
    parser.add_argument("--labelled", type=int, default=LABELLED)
    parser.add_argument("--tested", type=int, default=TESTED)
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in ("width", "frames", "labelled", "tested")}
    limits = {name: settings[name] for name in ("frames", "labelled", "tested")}
    worlds = options.worlds or [*data.names_in(options.folder, MAKE), *SETS]
    if options.rows:
        first = open_world(options.folder, worlds[0], **limits)
        known = dict.fromkeys(key["row"] for key, _ in jobs(first, worlds[0].endswith("objects"), options.width, 0))
        if missing := set(options.rows).difference(known):
            parser.error(
                f"--rows: no row {', '.join(sorted(missing))} in this table: expected some of {', '.join(known)}"
            )

    def wanted() -> Iterator[store.Job]:
        for seed, name in product(options.seeds, worlds):
            world = open_world(options.folder, name, **limits)
            for key, job in jobs(world, name.endswith("objects"), options.width, seed):
                if not options.rows or key["row"] in options.rows:
                    yield {"world": name, "seed": seed, **key}, job

    store.complete(options.output, settings, wanted())


if __name__ == "__main__":
    measure_worlds("quality/worlds", __doc__, jobs)
