"""`refit_probe`: a new probe from the frames of a replay, as the network sees them by now."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream._bar import drawn_over, progress_bar
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe import OnlineProbe, Replay, SldaProbe, SoftmaxProbe

_AT_ONCE, _CHUNK = 32, 256  # frames of a forward pass, and of what a probe is taught or asked
_HELD, _STRETCHES = 5, 8  # one frame in so many is held back, in so many stretches of the stream
_ALIKE = 0.1  # share of frames that is told only where the frames beside it were learned
# Chosen on features of turning objects, Space Invaders, Breakout and training pictures (docs/evidence/labels.md).
_DIMENSIONS, _SHRINKAGE, _ROUNDS = 2048, 0.5, 2

Rows = np.ndarray[Any, np.dtype[np.int64]]
Make = Callable[[], OnlineProbe]


def refit_probe(net: SoftHebbNet, probe: OnlineProbe, replay: Replay, *, progress: bool) -> OnlineProbe:
    """Return a new probe that has learned each kept frame, or the given one, where that knows more.

    Which solver is better is seen on stretches of the stream that are held back, and so is how sure it may be. Single frames
    would flatter: the frames beside them in a video look the same.

    Parameters
    ----------
    net
        That makes features of frames.
    probe
        That learned along.
    replay
        Which holds frames.
    progress
        Whether a bar shows how far it is, on a terminal.
    """
    frames, labels = replay.kept()
    came = replay.came
    taught = sum(came.values())
    learned = taught * (1 + replay.per_sample)  # at most, with what was seen again
    held, rest = _stretches(len(labels))
    more = taught > len(labels) or probe.steps > learned
    # It was taught before this replay began, or most of it, or so few are kept that nothing shows which is better.
    if set(probe.classes) != set(labels) or probe.steps > 2 * learned or (more and not len(held)):
        return probe
    starts = range(0, len(labels), _AT_ONCE)
    bar = progress_bar(
        starts, unit="steps", shown=progress and drawn_over(), desc="what was taught, as it looks by now"
    )
    features = torch.cat([net.transform_many(frames[start : start + _AT_ONCE]) for start in bar])
    known = _Known(features, labels, probe.classes, np.array([came[label] / replay.count(label) for label in labels]))
    tried = {make: known.fitted(make, rest) for make in _solvers(probe)}
    best = max(tried, key=lambda make: known.right(tried[make], held))  # of equals, the first
    if not len(held):  # too few: gradients are not that sure of what little they saw
        best = list(tried)[-1]
    if more:
        # It has learned what is held back, so it is judged too well. Where frames that follow each other are alike, by far.
        alone, others = _single(len(labels))
        alike = known.right(known.fitted(best, others), alone) - known.right(tried[best], held) > _ALIKE
        if not alike and known.right(probe, held) > known.right(tried[best], held):
            return probe
    found = known.fitted(best, np.arange(len(labels)))
    # Where nothing is held back that it could have known, at least it is not surer than so few labels allow.
    judged = rest if set(tried[best].classes).isdisjoint(known.labels_of(held)) else held
    found.calibrate_on(known.features[judged], known.labels_of(judged), like=tried[best])
    found.min_confidence = probe.min_confidence
    return found


@dataclass(frozen=True, slots=True)
class _Known:
    """Features of the kept frames, all classes, and for how many frames of the stream each stands: of rare classes, more are kept."""

    features: Tensor
    labels: Sequence[Hashable]
    classes: Sequence[Hashable]
    stands_for: np.ndarray[Any, np.dtype[np.float64]]

    def fitted(self, make: Make, rows: Rows) -> OnlineProbe:
        """Return a new probe that has learned some of them; one that steps, twice as many, as often as they came."""
        probe, random = make(), np.random.default_rng(0)
        # Classes come in the order in which they were first taught: that of a model's scores should stay.
        number = np.array([self.classes.index(self.labels[row]) for row in rows])
        by_class = np.argsort(number, kind="stable")
        weights = self.stands_for[rows]
        if not probe.sequential:
            self._teach(probe, rows[by_class], weights[by_class] / weights.mean())
            return probe
        firsts = rows[np.unique(number, return_index=True)[1]]
        self._teach(probe, firsts, np.ones(len(firsts)))
        for _ in range(_ROUNDS):
            alike = np.ptp(weights) == 0.0
            order = random.permutation(rows) if alike else random.choice(rows, len(rows), p=weights / weights.sum())
            self._teach(probe, order, np.ones(len(order)))
        return probe

    def _teach(self, probe: OnlineProbe, rows: Rows, weights: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        for part in _parts(len(rows)):
            probe.learn_many(self.features[rows[part]], self.labels_of(rows[part]), weights[part])

    def right(self, probe: OnlineProbe, rows: Rows) -> float:
        """Return the share of the stream that a probe would name rightly, by some of them."""
        if not len(rows):
            return 0.0
        # Not `predict_many`: one that abstains where it is not sure may still be the better one.
        likely = [probe.predict_proba_many(self.features[rows[part]]).argmax(dim=1) for part in _parts(len(rows))]
        found = [probe.classes[row] for row in torch.cat(likely).tolist()]
        right = [label == own for label, own in zip(found, self.labels_of(rows), strict=True)]
        return float(np.average(right, weights=self.stands_for[rows]))

    def labels_of(self, rows: Rows) -> list[Hashable]:
        """Return their labels."""
        return [self.labels[row] for row in rows]


def _solvers(probe: OnlineProbe) -> list[Make]:
    """Return what makes the probes to choose from: of a kind that was asked for, that alone."""
    if not isinstance(probe, SoftmaxProbe):
        return [lambda: type(probe)(**probe.options() | {"calibrate": False})]
    return [
        lambda: SldaProbe(_SHRINKAGE, dimensions=_DIMENSIONS, solve_every=_AT_ONCE),
        lambda: SoftmaxProbe(**probe.options() | {"calibrate": False}),
    ]


def _parts(count: int) -> list[slice]:
    """Return what to take at a time: copies of all features, in float64, would be gigabytes."""
    return [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]


def _stretches(count: int) -> tuple[Rows, Rows]:
    """Return which of so many frames are held back, in stretches that are spread over all, and the others."""
    long = max(1, count // _STRETCHES)
    out = np.arange(count) % long < max(1, count // (_HELD * _STRETCHES))
    return (np.flatnonzero(out), np.flatnonzero(~out)) if not out.all() else (np.arange(0), np.arange(count))


def _single(count: int) -> tuple[Rows, Rows]:
    held, rest = np.split(np.random.default_rng(0).permutation(count), [count // _HELD])
    return held, rest
