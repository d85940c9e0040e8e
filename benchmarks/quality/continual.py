"""Continual learning: streams of one task after another, and measures of what is kept and what carries over."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hebbstream.errors import ConfigurationError, LabelError
from hebbstream.streams._sample import Sample


def class_incremental(
    samples: Iterable[Any], classes_per_task: int = 2, *, order: Sequence[Hashable] | None = None
) -> list[list[Sample]]:
    """Split labelled samples into tasks that bring new classes each, and never show the earlier ones again.

    Parameters
    ----------
    samples
        Pairs (frame, label) or `Sample`; all are held. Within a task they keep their order.
    classes_per_task
        Classes that a task brings.
    order
        Of the classes; ``None`` takes that of their first appearance.

    Returns
    -------
    list of list of Sample
        The tasks. ``itertools.chain(*tasks)`` is the stream.

    Raises
    ------
    ConfigurationError
        If `classes_per_task` is not positive.
    LabelError
        If a sample has no label, or one that `order` lacks.

    Examples
    --------
    >>> tasks = class_incremental(zip("abcdef", [0, 1, 2, 0, 1, 2]), classes_per_task=2)
    >>> [[sample.x for sample in task] for task in tasks]
    [['a', 'b', 'd', 'e'], ['c', 'f']]
    """
    if classes_per_task < 1:
        raise ConfigurationError(f"classes_per_task={classes_per_task}: expected a positive number")
    by_class: dict[Hashable, list[tuple[int, Sample]]] = {label: [] for label in order or ()}
    for index, item in enumerate(samples):
        sample = Sample.of(item)
        if sample.y is None:
            raise LabelError(f"sample {index} has no label: expected one to tell its task")
        if order is not None and sample.y not in by_class:
            raise LabelError(f"sample {index} has label {sample.y!r}: expected one of {list(order)}")
        by_class.setdefault(sample.y, []).append((index, sample))
    groups = list(by_class.values())
    tasks = [chain(*groups[start : start + classes_per_task]) for start in range(0, len(groups), classes_per_task)]
    return [[sample for _, sample in sorted(task, key=lambda found: found[0])] for task in tasks]


def domain_incremental(
    samples: Iterable[Any], domains: Sequence[Callable[[Any], Any]], *, repeat: bool = True
) -> list[list[Sample]]:
    """Make a task of each domain: the same classes, their frames seen through one function after another.

    Parameters
    ----------
    samples
        Frames, pairs (frame, label) or `Sample`; all are held.
    domains
        From a frame to how it looks in the domain.
    repeat
        Whether every domain shows all samples; otherwise they are dealt out, in turn.

    Raises
    ------
    ConfigurationError
        If there are no domains.

    Examples
    --------
    >>> day, night = domain_incremental([(1.0, "cat"), (0.5, "dog")], [lambda x: x, lambda x: x / 10])
    >>> [(sample.x, sample.y) for sample in night]
    [(0.1, 'cat'), (0.05, 'dog')]
    """
    if not domains:
        raise ConfigurationError("domains=[]: expected at least one function of a frame")
    held = [Sample.of(item) for item in samples]
    shares = [held if repeat else held[number :: len(domains)] for number in range(len(domains))]
    return [[Sample(look(s.x), s.y, s.t, s.source) for s in share] for look, share in zip(domains, shares, strict=True)]


@dataclass(frozen=True, eq=False)
class ContinualScores:
    """Accuracies on every task after each was learned, and what follows from them.

    Parameters
    ----------
    accuracy
        ``accuracy[i, j]``: on the test samples of task j, after learning tasks 0 to i; shape (T, T).
    untrained
        ``untrained[j]``: on task j, before anything was learned; shape (T,).

    References
    ----------
    Lopez-Paz and Ranzato, *Gradient Episodic Memory* (2017), for average accuracy, backward and forward transfer;
    Chaudhry et al., *Riemannian Walk* (2018), for forgetting.
    """

    accuracy: NDArray[np.float64]
    untrained: NDArray[np.float64]

    @property
    def average_accuracy(self) -> float:
        """Over all tasks, at the end."""
        return float(self.accuracy[-1].mean())

    @property
    def forgetting(self) -> float:
        """Mean fall from the best accuracy on a task to that at the end; 0 with a single task, below 0 for a gain."""
        if len(self.accuracy) == 1:
            return 0.0
        return float((self.accuracy[:-1, :-1].max(axis=0) - self.accuracy[-1, :-1]).mean())

    @property
    def backward_transfer(self) -> float:
        """Mean change of the accuracy on a task from when it was learned to the end; 0 with a single task."""
        if len(self.accuracy) == 1:
            return 0.0
        return float((self.accuracy[-1] - self.accuracy.diagonal())[:-1].mean())

    @property
    def forward_transfer(self) -> float:
        """Mean accuracy on a task just before it is learned, above that before anything was; 0 with a single task."""
        if len(self.accuracy) == 1:
            return 0.0
        return float((self.accuracy.diagonal(offset=1) - self.untrained[1:]).mean())

    def __str__(self) -> str:
        return (
            f"average accuracy {self.average_accuracy:.1%}, forgetting {self.forgetting:.1%},"
            f" forward transfer {self.forward_transfer:+.1%} ({len(self.accuracy)} tasks)"
        )


def learn_continually(
    learn: Callable[[Sample], None],
    predict: Callable[[Any], Hashable],
    tasks: Sequence[Iterable[Sample]],
    tests: Sequence[Sequence[Sample]],
) -> ContinualScores:
    """Learn tasks one after another, each sample once, and test on all of them after each.

    Parameters
    ----------
    learn
        Takes a sample.
    predict
        From a frame to a label.
    tasks
        The samples of each task.
    tests
        The test samples of each task.

    Raises
    ------
    ConfigurationError
        If there are no tasks, or not a test for each.

    Examples
    --------
    >>> from hebbstream import SoftmaxProbe
    >>> probe, points = SoftmaxProbe(), np.eye(4)
    >>> tasks = class_incremental([(points[i % 4], i % 4) for i in range(80)])
    >>> print(learn_continually(lambda s: probe.learn_one(s.x, s.y), probe.predict_one, tasks, tasks))
    average accuracy 100.0%, forgetting 0.0%, forward transfer +0.0% (2 tasks)
    """
    if not tasks or len(tasks) != len(tests):
        raise ConfigurationError(f"{len(tasks)} tasks and {len(tests)} tests: expected a test for each")

    def scores() -> list[float]:
        return [float(np.mean([predict(sample.x) == sample.y for sample in test])) for test in tests]

    untrained, rows = scores(), []
    for task in tasks:
        for sample in task:
            learn(sample)
        rows.append(scores())
    return ContinualScores(np.array(rows), np.array(untrained))
