"""Learn the same frames in order and shuffled, by SoftHebb and by backpropagation (VICReg), once each.

Both networks have the same architecture and are read out alike. VICReg sees 32 frames at a time, in two views; its
normalisation has the statistics of the whole stream. Its settings were chosen by --tune on some frames of two worlds.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.core import run, store
from benchmarks.quality.worlds import vicreg
from benchmarks.quality.worlds.__main__ import ROWS, SETS, SIDE, features, learn_from, network, open_world, shown, small
from benchmarks.quality.worlds.readout import LABELLED, TESTED, Array, World, accuracies
from hebbstream.streams import crops

WORLDS = ("turning-objects", "cifar10", "space_invaders", "breakout")
_TRIED = [vicreg.Settings(rate, apart) for rate, apart in itertools.product((1e-4, 3e-4, 1e-3, 3e-3), (0, 1))]


def hebbian(name: str, world: World, order: Array, width: int, seed: int, row: str) -> store.Result:
    """Return what SoftHebb makes of an order, by a row of the worlds' benchmark."""
    net = network(*ROWS[row], width, world.stream.shape[-1], seed)
    cropped = name.endswith("objects")
    seconds = learn_from(net, crops(world.stream[order], SIDE, seed=seed) if cropped else small(world.stream)[order])
    return {"cpu_seconds": seconds, **accuracies(world, *(features(net, frames) for frames in shown(world)))}


def backprop(name: str, world: World, order: Array, width: int, seed: int, settings: vicreg.Settings) -> store.Result:
    """Return what VICReg makes of an order; pictures that have nothing to do with each other are their own neighbours."""
    began = time.process_time()
    settings = replace(settings, apart=0) if name in SETS else settings
    net = vicreg.learn(world.stream, order, SIDE, width, seed, settings)
    seconds = round(time.process_time() - began, 1)
    vicreg.settle(net, small(world.stream))
    return {"cpu_seconds": seconds, **accuracies(world, *(vicreg.features(net, frames) for frames in shown(world)))}


def orders(world: World, seed: int) -> dict[str, Array]:
    """Return the indices of the stream's frames in each order."""
    count = len(world.stream)
    return {"in order": np.arange(count), "shuffled": np.random.default_rng(seed).permutation(count)}


def jobs(name: str, world: World, width: int, seed: int, settings: vicreg.Settings) -> Iterator[store.Job]:
    """Yield each row of a world's table; SoftHebb has the preset that the guide names for it."""
    learned, untrained = (
        ("pictures", "untrained, slow statistics") if name in SETS else ("video", "untrained, whitened")
    )
    for word, order in orders(world, seed).items():
        for row in (untrained, learned) if word == "in order" else (learned,):
            yield {"row": row, "order": word}, partial(hebbian, name, world, order, width, seed, row)
    for row, word, order in (
        ("untrained, batch normalisation", "in order", np.arange(0)),
        *(("VICReg", *each) for each in orders(world, seed).items()),
    ):
        yield {"row": row, "order": word}, partial(backprop, name, world, order, width, seed, settings)


def trials(name: str, world: World, width: int, seed: int) -> Iterator[store.Job]:
    """Yield each setting of VICReg, in each order."""
    for settings, (word, order) in itertools.product(_TRIED, orders(world, seed).items()):
        key = {"row": "VICReg", "order": word, "settings": asdict(settings)}
        yield key, partial(backprop, name, world, order, width, seed, settings)


def main() -> None:
    parser = run.arguments("quality/orders", __doc__)
    parser.add_argument("folder", type=Path, help="of the files that benchmarks/quality/worlds/make.py wrote")
    parser.add_argument("--worlds", nargs="+", metavar="NAME", default=WORLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tune", action="store_true", help="try settings of VICReg instead")
    parser.add_argument("--rate", type=float, default=vicreg.Settings().rate, help="of VICReg (default %(default)g)")
    parser.add_argument("--apart", type=int, default=0, help="frames between VICReg's two views (default %(default)s)")
    defaults = {"width": 16, "frames": None, "labelled": LABELLED, "tested": TESTED}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = run.begin(parser)
    chosen = vicreg.Settings(options.rate, options.apart)
    settings: store.Result = {name: getattr(options, name) for name in defaults}
    if not options.tune:
        settings["vicreg"] = asdict(chosen)
    limits = {name: settings[name] for name in ("frames", "labelled", "tested")}

    def in_every_world() -> Iterator[store.Job]:
        for seed, name in itertools.product(options.seeds, options.worlds):
            given = (name, open_world(options.folder, name, **limits), options.width, seed)
            for key, job in trials(*given) if options.tune else jobs(*given, chosen):
                yield {"world": name, "seed": seed, **key}, job

    store.complete(options.output, settings, in_every_world())


if __name__ == "__main__":
    main()
