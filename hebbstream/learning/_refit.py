"""`refit_probe`: a new probe from the frames of a replay, as the network sees them by now."""

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream._bar import drawn_over, progress_bar
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe import OnlineProbe, Replay, SoftmaxProbe
from hebbstream.probe._discriminant import Discriminant
from hebbstream.probe._moments import MomentProbe
from hebbstream.probe._temperature import Temperature

_AT_ONCE, _CHUNK = 32, 256  # frames of a forward pass, and of what a probe is taught or asked
_MOST = 10_000  # frames: to solve for more takes gigabytes
_HELD, _STRETCHES = 5, 8  # one frame in so many is held back, in so many stretches of the stream
_ALIKE = 0.1  # share of frames that is told only where the frames beside it were learned
_LEAST = 1e-12  # probability of what came all the same
# Chosen on features of turning objects, Ms Pac-Man and training pictures (docs/evidence/labels.md). Few frames get the first.
_SHRINKAGES = 0.8, 0.3, 0.05

Rows = np.ndarray[Any, np.dtype[np.int64]]
Way = Callable[[Rows, Rows, Rows], OnlineProbe]
"""Makes a probe that has learned some rows, and is as sure as one that has learned the second ones may be of the third."""


def refit_probe(net: SoftHebbNet, probe: OnlineProbe, replay: Replay, *, progress: bool) -> OnlineProbe:
    """Return a new probe that has learned each kept frame, or the given one, where that knows more.

    How it should learn is seen on stretches of the stream that are held back, and so is how sure it may be. Single frames
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
    came, classes = replay.came, list(probe.classes)  # another thread may let the probe learn meanwhile
    taught = sum(came.values())
    learned = taught * (1 + replay.per_sample)  # at most, with what was seen again
    spread = _spread(labels)
    labels = [labels[row] for row in spread]
    held, rest = _stretches(len(labels))
    more = taught > len(labels) or probe.steps > learned
    # It was taught before this replay began, or most of it, or so few are kept that nothing shows which is better.
    if set(classes) != set(labels) or probe.steps > 2 * learned or (more and not len(held)):
        return probe
    starts = range(0, len(labels), _AT_ONCE)
    bar = progress_bar(
        starts, unit="steps", shown=progress and drawn_over(), desc="what was taught, as it looks by now"
    )
    features = torch.cat([net.transform_many(frames[spread[start : start + _AT_ONCE]]) for start in bar])
    known = _Known(features, labels, classes, came)
    # Where nothing is held back that it could have known, at least it is not surer than so few labels allow.
    judged = held if np.isin(known.numbers[held], known.numbers[rest]).any() else rest
    ways = known.ways(probe)
    tried = {way: way(rest, rest, judged) for way in ways}
    best = max(ways, key=lambda way: known.likelihood(tried[way], held))  # of equals, the first
    if more:
        # It has learned what is held back, so it is judged too well. Where frames that follow each other are alike, by far.
        alone, others = _single(len(labels))
        alike = known.right(best(others, others, others), alone) - known.right(tried[best], held) > _ALIKE
        if not alike and known.right(probe, held) > known.right(tried[best], held):
            return probe
    found = best(np.arange(len(labels)), rest, judged)
    found.min_confidence = probe.min_confidence
    return found


class _Known:
    """Features of the kept frames, and for how many frames of the stream each stands: of rare classes, more are kept."""

    def __init__(
        self, features: Tensor, labels: Sequence[Hashable], classes: Sequence[Hashable], came: dict[Hashable, int]
    ) -> None:
        # Classes come in the order in which they were first taught: that of a model's scores should stay.
        self._features, self._labels, self._classes = features, labels, classes
        self._variance, self._mean = torch.var_mean(features, dim=0, correction=0)
        number = {label: index for index, label in enumerate(classes)}
        self.numbers: Rows = np.array([number[label] for label in labels])
        self._came = np.array([came[label] for label in classes])
        kept = np.bincount(self.numbers, minlength=len(classes))
        self._stands_for = (self._came / np.maximum(kept, 1))[self.numbers]

    def ways(self, probe: OnlineProbe) -> list[Way]:
        """Return what makes the probes to choose from: of a solver that was asked for, that alone."""
        if isinstance(probe, MomentProbe):
            return [partial(self._of_sums, probe)]
        assert isinstance(probe, SoftmaxProbe)  # noqa: S101  # there is no third kind
        solver = Discriminant(self._features, self._on_device(self.numbers), self._on_device(self._stands_for))
        solutions: dict[tuple[bytes, float], tuple[Tensor, Tensor]] = {}

        def solve(rows: Rows, shrinkage: float) -> tuple[Tensor, Tensor]:
            key = rows.tobytes(), shrinkage
            if key not in solutions:  # for thousands of frames one takes seconds
                solutions[key] = solver.solve(self._on_device(rows), shrinkage)
            return solutions[key]

        made = product((False, True), _SHRINKAGES)
        return [partial(self._discriminant, probe, solve, shrinkage, shares) for shares, shrinkage in made]

    def _discriminant(
        self,
        like: SoftmaxProbe,
        solve: Callable[[Rows, float], tuple[Tensor, Tensor]],
        shrinkage: float,
        shares: bool,  # whether a class is as likely as it was frequent, or all are likely alike
        learned: Rows,
        seen: Rows,
        judged: Rows,
    ) -> OnlineProbe:
        def solved(rows: Rows) -> tuple[Rows, Tensor, Tensor, Tensor]:
            present = np.unique(self.numbers[rows])
            weight, bias = solve(rows, shrinkage)
            prior = np.log(self._came[present] / self._came.sum()) if shares else np.zeros(len(present))
            return present, weight, bias, self._on_device(prior)

        present, weight, bias, prior = solved(seen)
        judged = judged[np.isin(self.numbers[judged], present)]
        rows = self._on_device(np.searchsorted(present, self.numbers[judged]))
        temperature = Temperature(self._features.device)
        temperature.fit(self._features[judged] @ weight.T + bias, rows, prior)
        if learned is not seen:
            present, weight, bias, prior = solved(learned)
        probe = type(like)(**like.options() | {"calibrate": True})
        scale = temperature.inverse
        probe._begin(
            [self._classes[number] for number in present],
            self._on_device(self._came[present]),
            samples=len(learned),
            mean=self._mean,
            variance=self._variance,
            weight=scale * weight,
            bias=scale * bias + prior,
        )
        return probe

    def _of_sums(self, like: MomentProbe, learned: Rows, seen: Rows, judged: Rows) -> OnlineProbe:
        found = self._taught(like, learned)
        judge = found if learned is seen else self._taught(like, seen)
        found.calibrate_on(self._features[judged], self._labels_of(judged), like=judge)
        return found

    def _taught(self, like: MomentProbe, rows: Rows) -> OnlineProbe:
        probe = type(like)(**like.options() | {"calibrate": False})
        rows = rows[np.argsort(self.numbers[rows], kind="stable")]
        weights = self._stands_for[rows] / self._stands_for[rows].mean()
        with probe.of_one_time():
            for part in _parts(len(rows)):
                probe.learn_many(self._features[rows[part]], self._labels_of(rows[part]), weights[part])
        return probe

    def right(self, probe: OnlineProbe, rows: Rows) -> float:
        """Return the share of the stream that a probe would name rightly, by some of them."""
        # Not `predict_many`: one that abstains where it is not sure may still be the better one.
        likeliest = self._probabilities(probe, rows).argmax(dim=1).tolist()
        right = [probe.classes[row] == label for row, label in zip(likeliest, self._labels_of(rows), strict=True)]
        return float(np.average(right, weights=self._stands_for[rows])) if right else 0.0

    def likelihood(self, probe: OnlineProbe, rows: Rows) -> float:
        """Return the mean log-likelihood of those whose class it knows: less a matter of chance than which is right."""
        number = {label: index for index, label in enumerate(probe.classes)}
        rows = rows[[label in number for label in self._labels_of(rows)]]
        own = torch.tensor([number[label] for label in self._labels_of(rows)], dtype=torch.int64, device="cpu")
        found = self._probabilities(probe, rows).cpu().gather(1, own.unsqueeze(1)).clamp(min=_LEAST).log().ravel()
        return float(np.average(found, weights=self._stands_for[rows])) if len(rows) else 0.0

    def _probabilities(self, probe: OnlineProbe, rows: Rows) -> Tensor:
        found = [probe.predict_proba_many(self._features[rows[part]]) for part in _parts(len(rows))]
        return torch.cat(found) if found else torch.empty(0, len(probe.classes), device="cpu")

    def _labels_of(self, rows: Rows) -> list[Hashable]:
        return [self._labels[row] for row in rows]

    def _on_device(self, array: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(array).to(self._features.device)


def _parts(count: int) -> list[slice]:
    """Return what to take at a time: copies of all features, in float64, would be gigabytes."""
    return [slice(start, start + _CHUNK) for start in range(0, count, _CHUNK)]


def _spread(labels: Sequence[Hashable]) -> Rows:
    """Return which of so many kept frames to take: all, or some of each class, spread over the stream."""
    step, before = -(-len(labels) // _MOST), Counter[Hashable]()
    taken = []
    for row, label in enumerate(labels):
        if before[label] % step == 0:
            taken.append(row)
        before[label] += 1
    return np.array(taken)


def _stretches(count: int) -> tuple[Rows, Rows]:
    """Return which of so many frames are held back, in stretches that are spread over all, and the others."""
    long = max(1, count // _STRETCHES)
    out = np.arange(count) % long < max(1, count // (_HELD * _STRETCHES))
    return (np.flatnonzero(out), np.flatnonzero(~out)) if not out.all() else (np.arange(0), np.arange(count))


def _single(count: int) -> tuple[Rows, Rows]:
    held, rest = np.split(np.random.default_rng(0).permutation(count), [count // _HELD])
    return held, rest
