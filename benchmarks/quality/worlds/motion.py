"""Measure a second of three layers whose neurons hold patches that moved, above a first as drawn and one that has learned.

Whole frames, as `hebbstream learn` takes frames of this size; readouts and worlds are those of `benchmarks.quality.worlds`,
and the nearest neighbour's label.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import hebbstream as hs
from benchmarks.core import store
from benchmarks.quality.endless import nearest
from benchmarks.quality.worlds.__main__ import features, learn_from, measure_worlds, shown, small
from benchmarks.quality.worlds.readout import World, accuracies

LEARNING = {"untrained": (), "second layer imprints": (1,), "first layer learns": (0,), "both": (0, 1)}


def network(learning: tuple[int, ...], width: int, channels: int, seed: int) -> hs.SoftHebbNet:
    """Return `"video"`, of which the first layer learns as it does there, the second as in `"motion"`, or neither."""
    first, second, third = hs.PRESETS["video"].resolve(width=width)
    learns = first, replace(second, learning_rate=1.0, plasticity="imprinting"), third
    specs = [spec if at in learning else replace(spec, learning_rate=0.0) for at, spec in enumerate(learns)]
    return hs.SoftHebbNet(specs, channels, seed=seed)


def jobs(world: World, cropped: bool, width: int, seed: int) -> Iterator[store.Job]:  # noqa: ARG001  # what is motion where pieces are cut out
    """Yield a row for each choice of layers that learn."""
    for name, learning in LEARNING.items():
        yield {"row": name}, partial(_row, world, network(learning, width, world.train.shape[-1], seed))


def _row(world: World, net: hs.SoftHebbNet) -> store.Result:
    seconds = learn_from(net, small(world.stream))
    known, test = (features(net, frames) for frames in shown(world))
    return {"cpu_seconds": seconds, **accuracies(world, known, test), "nearest": nearest(world, known, test)}


if __name__ == "__main__":
    measure_worlds("quality/motion", __doc__, jobs)
