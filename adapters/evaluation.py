"""`prequential`: predict, then learn, and score with river's metrics as the stream goes by."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import length_hint
from pathlib import Path
from typing import Any

from river import metrics as river_metrics
from torch import Tensor
from tqdm.auto import tqdm

from hebbstream.errors import ConfigurationError, EmptyStreamError
from hebbstream.inspection import new_figure, save_figure
from hebbstream.network import SoftHebbNet
from hebbstream.sample import Sample

_ROWS = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """Where the metrics stand after some samples.

    Parameters
    ----------
    samples
        Of the stream, so far.
    labelled
        How many of them were scored: those whose label has come.
    cumulative
        Each metric over all of these, by name.
    windowed
        Each metric over the last of these.
    """

    samples: int
    labelled: int
    cumulative: dict[str, float]
    windowed: dict[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `prequential` found: the metrics along the stream.

    Parameters
    ----------
    window
        Labelled samples in a windowed score.
    scores
        One after every `window` labelled samples, and at the end.
    """

    window: int
    scores: list[Scores] = field(default_factory=list)

    def __str__(self) -> str:
        names = list(self.scores[-1].cumulative)
        header = " ".join(f"{name:>16} {f'last {self.window:,}':>12}" for name in names)
        shown = [*self.scores[: -1 : -(-len(self.scores) // _ROWS)], self.scores[-1]]
        rows = [
            f"{scores.samples:10,} {scores.labelled:10,} "
            + " ".join(f"{scores.cumulative[name]:16.4f} {scores.windowed[name]:12.4f}" for name in names)
            for scores in shown
        ]
        return "\n".join([f"{'samples':>10} {'labelled':>10} {header}", *rows])

    def plot(self, path: str | Path) -> Path:
        """Draw every metric along the stream, cumulative and windowed, to a picture file.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        OutputError
            If the file cannot be written.
        """
        names = list(self.scores[-1].cumulative)
        labelled = [scores.labelled for scores in self.scores]
        figure, axes = new_figure(1, (7, 3.2 * len(names)), rows=len(names))
        for axis, name in zip(axes, names, strict=True):
            axis.plot(labelled, [scores.windowed[name] for scores in self.scores], label=f"last {self.window:,}")
            axis.plot(labelled, [scores.cumulative[name] for scores in self.scores], label="all so far")
            axis.set(xlabel="labelled samples", ylabel=name)
            axis.legend(frameon=False)
        return save_figure(figure, path)


def prequential(
    net: SoftHebbNet,
    stream: Iterable[Any],
    probe: Any,
    metrics: river_metrics.base.Metric | None = None,
    *,
    window: int = 1000,
    delay: int = 0,
    frozen: bool = False,
    limit: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Predict the label of each sample before learning from it, and score the predictions.

    The network learns from every sample, labelled or not, as it comes. The probe learns when a label comes, from the
    features that it predicted from.

    Parameters
    ----------
    net
        Learns in place, unless `frozen`.
    stream
        Frames, pairs (frame, label) or `Sample`; those without a label are learned from but not scored.
    probe
        Any river classifier that reads vectors, such as ``LinearProbe``, or a probe of `hebbstream`.
    metrics
        A river metric of classification, or a sum of some; ``None`` is accuracy.
    window
        Labelled samples in a windowed score, and between two scores.
    delay
        Samples that come by before a label does: it is predicted at once, and scored and learned then.
    frozen
        Whether the network stays as it is.
    limit
        Most samples.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ConfigurationError
        If a number cannot work, or a metric is none of classification.
    EmptyStreamError
        If no sample with a label came.

    Examples
    --------
    >>> import torch
    >>> from hebbstream.adapters.river import LinearProbe
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> ramp = torch.linspace(0, 1, 32).expand(3, 32, 32)
    >>> stream = [(ramp, "across"), (ramp.mT, "down")] * 20
    >>> print(prequential(net, stream, LinearProbe(), window=20, progress=False))
       samples   labelled         Accuracy      last 20
            20         20           0.9000       0.9000
            40         40           0.9500       1.0000
    """
    metrics = river_metrics.Accuracy() if metrics is None else metrics  # type: ignore[no-untyped-call]
    parts = list(metrics) if isinstance(metrics, river_metrics.base.Metrics) else [metrics]
    for part in parts:
        if not isinstance(part, river_metrics.base.ClassificationMetric):
            raise ConfigurationError(f"metric {type(part).__name__}: expected one of classification")
    for name, value in (("window", window), ("limit", limit)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{name}={value}: expected a positive number of samples")
    if delay < 0:
        raise ConfigurationError(f"delay={delay}: expected 0 or a positive number of samples")
    run = _Run(probe, [(part, part.clone()) for part in parts], Evaluation(window))
    total = min(filter(None, (length_hint(stream), limit)), default=None)
    waiting: deque[tuple[Any, Tensor, list[Any]]] = deque()
    with tqdm(total=total, unit=" samples", disable=not progress) as bar:
        for index, item in enumerate(stream):
            if index == limit:
                break
            sample = Sample.of(item)
            features = net.transform_one(sample.x) if frozen else net.learn_one(sample.x)
            waiting.append((sample.y, features, run.predict(features)))
            run.samples += 1
            if len(waiting) > delay:
                run.take(*waiting.popleft())
            bar.update()
    for late in waiting:
        run.take(*late)
    return run.finish()


@dataclass(slots=True)
class _Run:
    probe: Any
    metrics: list[tuple[Any, Any]]
    evaluation: Evaluation
    samples: int = 0
    labelled: int = 0
    recent: deque[tuple[Any, list[Any]]] = field(default_factory=deque)

    def predict(self, features: Tensor) -> list[Any]:
        """Return what each metric wants: the likeliest label, or the probabilities of all."""
        return [
            self.probe.predict_one(features) if metric.requires_labels else self.probe.predict_proba_one(features)
            for metric, _ in self.metrics
        ]

    def take(self, label: Any, features: Tensor, predictions: list[Any]) -> None:
        if label is None:
            return
        self.probe.learn_one(features, label)
        self.labelled += 1
        self.recent.append((label, predictions))
        for (metric, windowed), prediction in zip(self.metrics, predictions, strict=True):
            metric.update(label, prediction)
            windowed.update(label, prediction)
        if len(self.recent) > self.evaluation.window:
            old, forgotten = self.recent.popleft()
            for (_, windowed), prediction in zip(self.metrics, forgotten, strict=True):
                windowed.revert(old, prediction)
        if self.labelled % self.evaluation.window == 0:
            self._note()

    def _note(self) -> None:
        self.evaluation.scores.append(
            Scores(
                self.samples,
                self.labelled,
                {type(metric).__name__: float(metric.get()) for metric, _ in self.metrics},
                {type(metric).__name__: float(windowed.get()) for metric, windowed in self.metrics},
            )
        )

    def finish(self) -> Evaluation:
        if not self.labelled:
            raise EmptyStreamError(f"no label came with {self.samples} samples: expected at least one to score")
        if self.labelled % self.evaluation.window:
            self._note()
        return self.evaluation
