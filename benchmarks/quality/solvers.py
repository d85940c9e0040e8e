"""The solvers of a probe, and what is asked of each: a single pass, classes in turn, a few samples of a new class."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from benchmarks.quality.feature_pass import CLASSES_PER_TASK, Pass
from hebbstream.probe import OnlineProbe, RidgeProbe, SldaProbe, SoftmaxProbe

CHUNK = 100  # rows of one call to a probe, to the same effect as one after another
SHOTS = (1, 2, 5, 10, 20, 50, 100)
KNOWN = 10_000  # samples from which the other classes are known before them


def solvers(
    dimensions: list[int], half_lives: list[float], averages: list[int]
) -> dict[str, Callable[[], OnlineProbe]]:
    """Return what makes each probe, by name."""
    found: dict[str, Callable[[], OnlineProbe]] = {
        "gradient, SGD": partial(SoftmaxProbe, optimizer="sgd"),
        "gradient, Adam": partial(SoftmaxProbe, optimizer="adam"),
    }
    for samples in averages:
        found[f"gradient, SGD, average over {samples}"] = partial(SoftmaxProbe, average_over=samples)
    for number in dimensions:
        found[f"ridge, {number} dimensions"] = partial(RidgeProbe, dimensions=number)
        found[f"slda, {number} dimensions"] = partial(SldaProbe, dimensions=number)
        for half_life in half_lives:
            after = f"{number} dimensions, half-life {half_life:g}"
            found[f"ridge, {after}"] = partial(RidgeProbe, dimensions=number, half_life=half_life)
            found[f"slda, {after}"] = partial(SldaProbe, dimensions=number, half_life=half_life)
    return found


def teach(probe: OnlineProbe, rows: Tensor, labels: Any) -> OnlineProbe:
    """Learn rows in their order."""
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        probe.learn_many(rows[part].float(), labels[part].tolist())
    return probe


def predicted(probe: OnlineProbe, rows: Tensor) -> Any:
    """Return the label that a probe gives to each row; -1 before the first label."""
    found: list[Hashable] = []
    for part in rows.split(CHUNK):
        found += probe.predict_many(part.float())
    return np.array([-1 if label is None else label for label in found])


def in_turn(make: Callable[[], OnlineProbe], rows: Tensor, labels: Any) -> Iterator[OnlineProbe]:
    """Learn the samples of each pair of classes in turn; yield the probe after each."""
    probe, tasks = make(), labels // CLASSES_PER_TASK
    for task in np.unique(tasks):
        at = np.flatnonzero(tasks == task)
        yield teach(probe, rows[at], labels[at])


def class_incremental(after_task: Iterable[OnlineProbe], test: Tensor, truth: Any) -> dict[str, float]:
    """Return the scores on the test after each task; every class has as many test samples as any other, nearly."""
    rights = [predicted(probe, test) == truth for probe in after_task]
    of_task = [truth // CLASSES_PER_TASK == task for task in np.unique(truth // CLASSES_PER_TASK)]
    accuracy = np.array([[right[mask].mean() for mask in of_task] for right in rights])
    return {"average accuracy": round(float(accuracy[-1].mean()), 4), "forgetting": round(forgetting(accuracy), 4)}


def forgetting(accuracy: Any) -> float:
    """Return the mean fall from the best accuracy on a task to that at the end (Chaudhry et al. 2018, Riemannian Walk).

    ``accuracy[i, j]`` is that on task j after tasks 0 to i. Of a single task it is 0, of a gain below 0.
    """
    falls = accuracy[:-1, :-1].max(axis=0, initial=0.0) - accuracy[-1, :-1]
    return float(falls.mean()) if falls.size else 0.0


def few_shot(make: Callable[[], OnlineProbe], features: Pass, truth: Any, *, seed: int) -> dict[str, list[float]]:
    """Know nine classes from thousands of samples and the tenth from a few: mean over which one is the tenth.

    Returned are the share of the tenth's test samples that are found, and the accuracy on the whole test.
    """
    found, right = np.zeros((2, len(np.unique(truth)), len(SHOTS)))
    for new in np.unique(truth):
        known = np.flatnonzero(features.labels != new)[:KNOWN]
        probe = teach(make(), features.train[known], features.labels[known])
        shots = np.random.default_rng(seed).permutation(np.flatnonzero(features.labels == new))
        for column, (start, stop) in enumerate(zip((0, *SHOTS), SHOTS, strict=False)):
            teach(probe, features.train[shots[start:stop]], features.labels[shots[start:stop]])
            guesses = predicted(probe, features.test)
            found[new, column] = (guesses[truth == new] == new).mean()
            right[new, column] = (guesses == truth).mean()
    return {
        "found": rounded(found.mean(axis=0)),
        "worst class": rounded(found.min(axis=0)),
        "all": rounded(right.mean(axis=0)),
    }


def rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]
