"""Measure what is known of a later recording while a network learns: by probes that learn along, and by snapshots.

The preset "motion", as drawn and learned, as in `later`, and 2,000 labels as there. After each fifth of the labels the frames of a
later recording, of pictures the test, are named by the probe that learned along, and by the latest `Snapshot`, whose probe learns on
where it is one of sums.
"""

import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise, product

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.quality.worlds.__main__ import features, measure_worlds, network, shown
from benchmarks.quality.worlds.later import right, samples
from benchmarks.quality.worlds.readout import World
from benchmarks.quality.worlds.tables import DRAWN, FORGETS, LEARNED, OF_ONE

_FIFTHS = 5
LEARNING = {DRAWN: (), LEARNED: (0, 1)}
PROBES = {OF_ONE: hs.SoftmaxProbe, FORGETS: partial(hs.SldaProbe, solve_every=32, half_life=1000)}
SNAPSHOTS = {OF_ONE: None, FORGETS: partial(hs.SldaProbe, solve_every=32)}


def jobs(world: World, cropped: bool, width: int, seed: int) -> Iterator[store.Job]:  # noqa: ARG001  # whole frames, as they are labelled
    """Yield a row for each network and probe."""
    for (row, learning), probe in product(LEARNING.items(), PROBES):
        net = network("motion", learning, width, world.train.shape[-1], seed)
        yield {"row": f"{row}, {probe}"}, partial(_row, world, probe, net)


def _row(world: World, probe: str, net: hs.SoftHebbNet) -> store.Result:
    make = SNAPSHOTS[probe]
    snapshot = hs.Snapshot(probe=make and make())
    learner = hs.Learner(net, PROBES[probe](), replay=hs.Replay(per_sample=1, weight=1), callbacks=[snapshot])
    stream = samples(world)
    labels = len(world.labelled)
    cuts = [0, *(int(world.labelled[labels * part // _FIFTHS - 1]) + 1 for part in range(1, _FIFTHS)), len(stream)]
    seconds, along, by_snapshot = 0.0, [], []
    for first, last in pairwise(cuts):
        began = time.process_time()
        run.whole(learner.learn(stream[first:last]))
        seconds += time.process_time() - began
        tested = shown(world)[1]
        along.append(right(world, learner.probe, features(net, tested))[0])
        if snapshot.probe is not None:
            by_snapshot.append(right(world, snapshot.probe, features(snapshot.net, tested))[0])
    found: store.Result = {
        "cpu_seconds": round(seconds, 1),
        "prequential": round(learner.counters.correct / learner.counters.scored, 4),
        "along": along,
    }
    return found | ({"snapshot": by_snapshot, "taken": snapshot.taken} if snapshot.taken else {})


if __name__ == "__main__":
    measure_worlds("quality/meanwhile", __doc__, jobs)
