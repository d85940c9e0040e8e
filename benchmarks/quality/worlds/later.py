"""Measure what a probe that learns along with a stream, in its order, knows of a later recording.

The network is the preset "video", or "motion" in rows of that name, also with a third layer as that of "video". It learns where the
row does not say otherwise. In rows "after a still room" 3,000 frames come first that are all the same but for noise. Of a world of video 2,000 frames spread over the stream have a label, of pictures the last 2,000.
*Prequential* is the share of labelled frames that were predicted right before they were learned; *later* is that of the test,
*refit* that of the test by the probe that `Learner.refit_probe` makes of the frames of a replay, and *of five* that by LDA of
features of five labelled frames of each class, in the end.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.quality.worlds import motion
from benchmarks.quality.worlds.__main__ import features, measure_worlds, network, shown, small
from benchmarks.quality.worlds.readout import Array, World, lda_of_5
from benchmarks.quality.worlds.tables import AFTER_ROOM, OF_ONE

_OF_THREE = "gradient, with Replay()"
PROBES: dict[str, Callable[[], hs.OnlineProbe]] = {
    "gradient": hs.SoftmaxProbe,
    _OF_THREE: hs.SoftmaxProbe,
    OF_ONE: hs.SoftmaxProbe,
    "ridge": hs.RidgeProbe,
    "slda": hs.SldaProbe,
}
REPLAYS: dict[str, Callable[[], hs.Replay]] = {
    _OF_THREE: hs.Replay,
    OF_ONE: partial(hs.Replay, per_sample=1, weight=1),
}


def jobs(world: World, cropped: bool, width: int, seed: int) -> Iterator[store.Job]:  # noqa: ARG001  # whole frames, as they are labelled
    """Yield a row for each probe, and of one probe for other networks."""
    channels = world.train.shape[-1]
    made = {row: (row, network("video", (0,), width, channels, seed)) for row in PROBES}
    made |= {
        f"{row}, {probe}": (probe, net)
        for row, probe, net in (
            ("untrained", OF_ONE, network("video", (), width, channels, seed)),
            ("motion", OF_ONE, network("motion", (0, 1), width, channels, seed)),
            ("motion, first layer alone", OF_ONE, network("motion", (0,), width, channels, seed)),
            ("motion, second layer alone", OF_ONE, network("motion", (1,), width, channels, seed)),
            ("motion, untrained", OF_ONE, network("motion", (), width, channels, seed)),
            (AFTER_ROOM, OF_ONE, network("motion", (0, 1), width, channels, seed)),
            ("motion, three layers", OF_ONE, motion.network((1,), width, channels, seed)),
        )
    }
    for row, (probe, net) in made.items():
        before = still_room(world, seed) if row.startswith(AFTER_ROOM) else []
        yield {"row": row}, partial(_row, world, probe, net, before)


def _row(world: World, row: str, net: hs.SoftHebbNet, before: list[hs.Sample]) -> store.Result:
    learner = hs.Learner(net, PROBES[row](), replay=REPLAYS[row]() if row in REPLAYS else None)
    stream = before + samples(world)
    began = time.process_time()
    report = run.whole(learner.learn(stream))
    seconds = round(time.process_time() - began, 1)
    known, tested = (features(net, frames) for frames in shown(world))
    found = {
        "cpu_seconds": seconds,
        "prequential": round(report.accuracy or 0.0, 4),
        "later": right(world, learner.probe, tested)[0],
        "of_five": lda_of_5(world, known, tested),
    }
    if learner.replay is None:
        return found
    began = time.process_time()
    probe = learner.refit_probe(progress=False)
    seconds = round(time.process_time() - began, 1)
    share, confidence = right(world, probe, tested)
    return found | {
        "refit": share,
        "refit_confidence": confidence,
        "refit_cpu_seconds": seconds,
    }


def samples(world: World) -> list[hs.Sample]:
    """Return the stream with its labels."""
    labels = dict(zip(world.labelled.tolist(), world.y[:, 0].tolist(), strict=True))
    return [hs.Sample(frame, labels.get(at)) for at, frame in enumerate(small(world.train))]


def still_room(world: World, seed: int) -> list[hs.Sample]:
    """Return what a camera may see first: the stream's first frame again and again, with noise of half a grey level."""
    first, random = small(world.train[:1])[0], np.random.default_rng(seed)
    noisy = (first + random.normal(0, 0.5, (3000, *first.shape))).round().clip(0, 255)
    return [hs.Sample(frame) for frame in noisy.astype(first.dtype)]


def right(world: World, probe: hs.OnlineProbe, tested: Array) -> tuple[float, float]:
    """Return the share of test frames that a probe names rightly, and how sure it is on average."""
    likeliest = np.asarray(probe.predict_proba_many(tested))
    named = np.array(probe.classes)[likeliest.argmax(axis=1)]
    return round(float((named == world.test_y[:, 0]).mean()), 4), round(float(likeliest.max(axis=1).mean()), 4)


if __name__ == "__main__":
    measure_worlds("quality/later", __doc__, jobs)
