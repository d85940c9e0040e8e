"""Learn the same frames in order and shuffled, by SoftHebb and by backpropagation (VICReg), once each.

Both networks have the same architecture and are read out alike. VICReg sees 32 frames at a time, in two views; its
normalisation has the statistics of the whole stream. Its settings were chosen by --tune on half of the frames of two worlds.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.quality.worlds import vicreg
from benchmarks.quality.worlds.__main__ import ROWS, SETS, SIDE, features, network, open_world, small
from benchmarks.quality.worlds.readout import LABELLED, TESTED, Array, World, accuracies
from hebbstream.streams import crops

ORDERS = ("in order", "shuffled")
WORLDS = ("turning-objects", "cifar10", "space_invaders", "ms_pacman")
_CHOSEN = vicreg.Settings()
_TRIED = [vicreg.Settings(rate, apart) for rate, apart in itertools.product((3e-4, 1e-3, 3e-3), (0, 1))]


def hebbian(stream: Array, order: Array, cropped: bool, row: str, width: int, seed: int) -> hs.SoftHebbNet:
    """Return a network that has learned by a row of the worlds' benchmark."""
    net = network(*ROWS[row], width, stream.shape[-1], seed)
    for frame in crops(stream[order], SIDE, seed=seed) if cropped else small(stream)[order]:
        net.learn_one(frame)
    return net


def measure(name: str, world: World, width: int, seed: int) -> Iterator[store.Result]:
    """Yield what each rule makes of each order."""
    stream, shown = world.stream, (small(world.train[world.labelled]), small(world.test))
    learned, untrained = (
        ("pictures", "untrained, slow statistics") if name in SETS else ("video", "untrained, whitened")
    )
    orders = np.arange(len(stream)), np.random.default_rng(seed).permutation(len(stream))
    for (word, order), row in itertools.product(zip(ORDERS, orders, strict=True), (untrained, learned)):
        if row == learned or word == ORDERS[0]:
            began = time.process_time()
            net = hebbian(stream, order, name.endswith("objects"), row, width, seed)
            seconds = round(time.process_time() - began, 1)
            found = accuracies(world, *(features(net, frames) for frames in shown))
            yield {"row": row, "order": word, "cpu_seconds": seconds, **found}
    for word, order in (("", orders[0][:0]), *zip(ORDERS, orders, strict=True)):
        found = backprop(name, world, order, width, seed, _CHOSEN)
        yield {"row": "VICReg" if word else "untrained, batch normalisation", "order": word or ORDERS[0], **found}


def backprop(name: str, world: World, order: Array, width: int, seed: int, settings: vicreg.Settings) -> store.Result:
    """Return what VICReg makes of an order; pictures that have nothing to do with each other are their own neighbours."""
    began = time.process_time()
    if name in SETS:
        settings = vicreg.Settings(**asdict(settings) | {"apart": 0})
    net = vicreg.learn(world.stream, order, SIDE, width, seed, settings)
    seconds = round(time.process_time() - began, 1)
    vicreg.settle(net, small(world.stream))
    shown = (small(world.train[world.labelled]), small(world.test))
    return {"cpu_seconds": seconds, **accuracies(world, *(vicreg.features(net, frames) for frames in shown))}


def tried(name: str, world: World, width: int, seed: int) -> Iterator[store.Result]:
    """Yield what each setting of VICReg makes of each order."""
    orders = np.arange(len(world.stream)), np.random.default_rng(seed).permutation(len(world.stream))
    for settings, (word, order) in itertools.product(_TRIED, zip(ORDERS, orders, strict=True)):
        found = backprop(name, world, order, width, seed, settings)
        yield {"row": "VICReg", "order": word, "settings": asdict(settings), **found}


def main() -> None:
    parser = run.arguments("quality/worlds/orders", __doc__)
    parser.set_defaults(output=run.RESULTS / "quality" / "orders.json")
    parser.add_argument("folder", type=Path, help="of the files that benchmarks.quality.worlds.make wrote")
    parser.add_argument("--worlds", nargs="+", metavar="NAME", default=WORLDS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--tune", action="store_true", help="try settings of VICReg instead")
    defaults = {"width": 16, "frames": None, "labelled": LABELLED, "tested": TESTED}
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in defaults} | {"vicreg": asdict(_CHOSEN)}
    limits = {name: settings[name] for name in ("frames", "labelled", "tested")}
    rows = store.resume(options.output, settings).get("rows", [])
    for seed, name in itertools.product(options.seeds, options.worlds):
        if not any((row["world"], row["seed"]) == (name, seed) for row in rows):
            world = open_world(options.folder, name, **limits)
            found = (tried if options.tune else measure)(name, world, options.width, seed)
            rows += store.shown({"world": name, "seed": seed, **result} for result in found)
            store.write(options.output, {"settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
