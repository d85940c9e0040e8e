"""What features are worth: ridge on many labels, and on five of each class."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve

from hebbstream.probe._discriminant import Discriminant

Array = np.ndarray[Any, Any]

LABELLED, TESTED, SHOTS, DRAWS = 2000, 1500, 5, 10
LAMBDAS = 10.0 ** np.arange(-4, 4)  # the kernel's mean diagonal is 1
SHRINKAGE = 0.8  # of LDA; of so few frames, 0.3 to 0.95 are alike


@dataclass(frozen=True, slots=True)
class World:
    """Frames in order to learn from, and labelled ones, of the same stream and of a later one.

    Parameters
    ----------
    train
        The stream, (N, H, W, C) uint8.
    labelled
        Indices in it of the frames with labels.
    y, test_y
        Labels of the labelled frames and of the test's, one column a task.
    test
        Frames to test on.
    seen
        How many of `train` are learned from; ``None`` for all.
    """

    train: Array
    labelled: Array
    y: Array
    test: Array
    test_y: Array
    seen: int | None = None

    @property
    def stream(self) -> Array:
        """What is learned from."""
        return self.train[: self.seen]

    @classmethod
    def load(cls, path: Path, *, frames: int | None = None, labelled: int = LABELLED, tested: int = TESTED) -> "World":
        """Read a file that `make.py` wrote; frames with labels are spread evenly."""
        with np.load(path) as data:
            train, train_y, test, test_y = (data[name] for name in ("train", "train_y", "test", "test_y"))
        train, train_y = train[:frames], train_y[:frames]
        at = np.unique(np.linspace(0, len(train) - 1, labelled).astype(int))
        of = np.unique(np.linspace(0, len(test) - 1, tested).astype(int))
        return cls(train, at, train_y[at], test[of], test_y[of])


def accuracies(world: World, features: Array, test: Array) -> dict[str, float]:
    """Return the share that is right in the test, a mean over the tasks, of both readouts."""
    features, test = standardised(features, test)
    scale = float(np.mean(np.einsum("ij,ij->i", features, features)))
    kernel, cross = ((rows @ features.T / scale).astype(np.float64) for rows in (features, test))
    tasks = range(world.y.shape[1])
    many = [_ridge(kernel, cross, world.y[:, task], world.test_y[:, task]) for task in tasks]
    few = [_few(kernel, cross, world.y[:, task], world.test_y[:, task]) for task in tasks]
    return {"ridge": round(float(np.mean(many)), 4), "ridge_of_5": round(float(np.mean(few)), 4)}


def standardised(features: Array, test: Array) -> tuple[Array, Array]:
    """Give each feature the mean 0 and the deviation 1, as the first array has them; those that hardly vary stay small."""
    mean, deviation = features.mean(0), features.std(0)
    deviation = np.maximum(deviation, 0.05 * np.sqrt(np.mean(deviation**2)))  # a dead feature must not explode
    return (features - mean) / deviation, (test - mean) / deviation


def _ridge(kernel: Array, cross: Array, y: Array, test_y: Array) -> float:
    """Fit with the penalty that is best on the last quarter of the labelled frames."""
    hot, held = np.eye(y.max() + 1)[y], len(y) * 3 // 4
    scores = []
    for penalty in LAMBDAS:
        dual, mean = _fitted(kernel[:held, :held], hot[:held], penalty)
        scores.append(np.mean((kernel[held:, :held] @ dual + mean).argmax(1) == y[held:]))
    dual, mean = _fitted(kernel, hot, LAMBDAS[int(np.argmax(scores))])
    return float(np.mean((cross @ dual + mean).argmax(1) == test_y))


def _fitted(kernel: Array, targets: Array, penalty: float) -> tuple[Array, Array]:
    mean = targets.mean(0)
    factor = cho_factor(kernel + penalty * np.eye(len(kernel)), lower=True, check_finite=False)
    return cho_solve(factor, targets - mean, check_finite=False), mean


def lda_of_5(world: World, features: Array, test: Array) -> float:
    """Return the share of the test that LDA of a few frames of each class is right about, an average over draws of these."""
    x, tested = torch.from_numpy(features), torch.from_numpy(test)
    y, truth = world.y[:, 0], world.test_y[:, 0]
    right = []
    for at in _draws(y):
        present, numbers = np.unique(y[at], return_inverse=True)
        solver = Discriminant(x[at], torch.from_numpy(numbers), torch.ones(len(at)))
        weight, bias = solver.solve(torch.arange(len(at)), SHRINKAGE)
        right.append(np.mean(present[(tested @ weight.T + bias).argmax(1).numpy()] == truth))
    return round(float(np.mean(right)), 4)


def _draws(y: Array) -> Iterator[Array]:
    """Yield indices of a few frames of each class, in a number of ways."""
    for draw in range(DRAWS):
        rng = np.random.default_rng(1000 + draw)
        yield np.concatenate([rng.permutation(np.flatnonzero(y == label))[:SHOTS] for label in range(y.max() + 1)])


def _few(kernel: Array, cross: Array, y: Array, test_y: Array) -> float:
    """Average over draws of a few frames of each class; the penalty is the best by leaving one out."""
    hot_of = np.eye(y.max() + 1)
    right = []
    for at in _draws(y):
        values, vectors = np.linalg.eigh(kernel[np.ix_(at, at)])
        hot, best = hot_of[y[at]], (-1.0, np.zeros(0))
        for penalty in LAMBDAS:
            inverse = (vectors / (np.maximum(values, 0) + penalty)) @ vectors.T
            dual = inverse @ (hot - hot.mean(0))
            left_out = hot - dual / np.diag(inverse)[:, None]
            best = max(best, (float(np.mean(left_out.argmax(1) == y[at])), dual), key=lambda found: found[0])
        right.append(np.mean((cross[:, at] @ best[1] + hot.mean(0)).argmax(1) == test_y))
    return float(np.mean(right))
