"""Measure what random crops of larger frames are worth beside whole frames, read out on whole frames.

Frames are scaled until their shorter side is so many times the network's input; crops of that size are cut at random
places, one of each frame. Of the two shared clips, whose frames are much larger, one frame comes of each in turn, over and
over; features are read out on training pictures of CIFAR-10. On these worlds it was decided what `hebbstream learn` does. Frames
of games are enlarged for crops at four times the input, each pixel to four, as on a screen.
"""

from collections.abc import Iterator
from functools import partial
from itertools import chain, cycle, islice, product
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.core import data, run, store
from benchmarks.quality.worlds.__main__ import MAKE, SIDE, features, learn_from, network, small
from benchmarks.quality.worlds.readout import LABELLED, TESTED, Array, World, accuracies
from hebbstream.adapters.video import open_video
from hebbstream.streams import crops

WORLDS = ("turning-objects", "space_invaders", "breakout", "clips")
_GAMES = ("space_invaders", "breakout")
# By row: how many times as large as the input the shorter side is; `None` stretches whole frames to the input's size.
ROWS: dict[str, float | None] = {"whole frames": None, "1.5": 1.5, "2": 2, "4": 4, "8": 8}


def opened(folder: Path, name: str, frames: int, labelled: int, tested: int) -> tuple[World, list[Array]]:
    """Return a world, to read features out in, and the frames to learn from."""
    if name != "clips":
        world = World.load(data.array_file(folder, name, MAKE), frames=frames, labelled=labelled, tested=tested)
        return world, list(world.stream)
    shown = [[sample.x for sample in open_video(clip)] for clip in data.videos()]
    turns = chain.from_iterable(zip(*map(cycle, shown), strict=True))
    known = data.load_task("cifar10").train.take(labelled + tested, 0)
    order = np.random.default_rng(0).permutation(len(known))
    x, y = known.images[order], known.labels[order, None].astype(int)
    world = World(x, np.arange(labelled), y[:labelled], x[labelled:], y[labelled:])
    return world, list(islice(turns, frames))


def measure(
    world: World, frames: list[Array], width: int, seed: int, learns: bool, times: float | None
) -> store.Result:
    """Return what was learned from whole frames, or from crops of frames of a size."""
    net = network("video", (0,) if learns else (), width, frames[0].shape[-1], seed)
    if times is not None and min(frames[0].shape[:2]) < times * SIDE:
        frames = [frame.repeat(2, axis=0).repeat(2, axis=1) for frame in frames]
    cut = map(_stretched, frames) if times is None else crops(frames, SIDE, scale=times, seed=seed)
    seconds = learn_from(net, cut)
    shown = (features(net, small(part)) for part in (world.train[world.labelled], world.test))
    return {"cpu_seconds": seconds, **accuracies(world, *shown)}


def _stretched(frame: Array) -> Array:
    planes = torch.from_numpy(frame).permute(2, 0, 1)[None]
    scaled: Array = F.interpolate(planes, SIDE, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    return scaled


def rows(world: str, frames: list[Array]) -> Iterator[tuple[str, bool, float | None]]:
    """Yield name, whether anything learns, and scale, of what the frames of a world allow."""
    yield "untrained", False, None
    largest = min(frames[0].shape[:2]) / SIDE * (2 if world in _GAMES else 1)
    for name, times in ROWS.items():
        if times is None or times <= largest:
            yield name, True, times


def main() -> None:
    parser = run.arguments("quality/crops", __doc__)
    parser.add_argument("folder", type=Path, help="of the files that benchmarks/quality/worlds/make.py wrote")
    parser.add_argument("--worlds", nargs="+", default=WORLDS, metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    defaults = {"width": 16, "frames": 8000, "labelled": LABELLED, "tested": TESTED}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in defaults}

    def jobs() -> Iterator[store.Job]:
        for seed, name in product(options.seeds, options.worlds):
            world, frames = opened(options.folder, name, options.frames, options.labelled, options.tested)
            for row, learns, times in rows(name, frames):
                key = {"world": name, "seed": seed, "row": row}
                yield key, partial(measure, world, frames, options.width, seed, learns, times)

    store.complete(options.output, settings, jobs())


if __name__ == "__main__":
    main()
