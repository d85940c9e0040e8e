"""`Scoring`: what a prequential evaluation does with each prediction and with each label."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hebbstream.adapters.river._scores import Evaluation, Scores
from hebbstream.errors import EmptyStreamError

Prediction: TypeAlias = tuple[Any, dict[Any, float]]
"""The likeliest label, and the probabilities of all where a metric wants them."""


@dataclass(slots=True)
class Scoring:
    """The metrics of a prequential evaluation as they stand, each with a second one over the window."""

    probe: Any
    metrics: list[tuple[Any, Any]]
    detector: Any
    evaluation: Evaluation
    samples: int = 0
    labelled: int = 0
    scored: int = 0
    recent: deque[tuple[Any, Prediction]] = field(default_factory=deque)

    def predict(self, features: Any) -> Prediction:
        """Return what the probe makes of the features of the next sample."""
        self.samples += 1
        if all(metric.requires_labels for metric, _ in self.metrics):
            return self.probe.predict_one(features), {}
        return self.probe.predict_one(features), self.probe.predict_proba_one(features)

    def take(self, label: Any, features: Any, prediction: Prediction) -> None:
        """Learn a label that has come, and score what was predicted for it."""
        if label is None:
            return
        self.probe.learn_one(features, label)
        self.labelled += 1
        if prediction[0] is None:
            return
        self._score(label, prediction)
        if self.detector is not None:
            self.detector.update(int(prediction[0] != label))
            if self.detector.drift_detected:
                self.evaluation.drifts.append(self._scores())
        if self.scored % self.evaluation.window == 0:
            self.evaluation.scores.append(self._scores())

    def _score(self, label: Any, prediction: Prediction) -> None:
        self.scored += 1
        self.recent.append((label, prediction))
        forgotten = self.recent.popleft() if len(self.recent) > self.evaluation.window else None
        for metric, windowed in self.metrics:
            wanted = 0 if metric.requires_labels else 1
            metric.update(label, prediction[wanted])
            windowed.update(label, prediction[wanted])
            if forgotten is not None:
                windowed.revert(forgotten[0], forgotten[1][wanted])

    def _scores(self) -> Scores:
        return Scores(
            self.samples,
            self.labelled,
            self.scored,
            {name: float(metric.get()) for name, (metric, _) in zip(self._names, self.metrics, strict=True)},
            {name: float(windowed.get()) for name, (_, windowed) in zip(self._names, self.metrics, strict=True)},
        )

    @property
    def _names(self) -> list[str]:
        """Of the metrics: their types, and their options too where two are of one type."""
        names = [type(metric).__name__ for metric, _ in self.metrics]
        return [
            name if names.count(name) == 1 else f"{name}({_options(metric)})"
            for name, (metric, _) in zip(names, self.metrics, strict=True)
        ]

    def finish(self) -> Evaluation:
        """Return the evaluation with the last scores; refuse one that scored nothing."""
        if not self.scored:
            raise EmptyStreamError(
                f"{self.samples} samples came with {self.labelled} labels, none of them for a prediction:"
                " expected at least one to score"
            )
        noted = self.evaluation.scores
        if not noted or (noted[-1].samples, noted[-1].labelled) != (self.samples, self.labelled):
            noted.append(self._scores())
        return self.evaluation


def _options(metric: Any) -> str:
    given = {name: value for name, value in metric._get_params().items() if name != "cm"}
    return ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None)
