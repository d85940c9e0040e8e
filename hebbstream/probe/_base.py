"""`OnlineProbe`: what every linear classifier on features shares; a solver says how it learns."""

from collections.abc import Hashable, Iterable
from typing import Any

import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError, InputError, LabelError
from hebbstream.probe._inputs import checked_label, checked_weight, feature_rows
from hebbstream.probe._solver import Solver
from hebbstream.probe._temperature import Temperature


class OnlineProbe(Solver):
    """A linear classifier that learns from one labelled sample at a time; classes appear as their first label arrives.

    Nothing flows back into the network that gave the features. What is learned lies on the device of the first features.

    Parameters
    ----------
    calibrate
        Whether to fit a temperature to the labels, each predicted before it is learned; see `Temperature`.
    min_confidence
        Least probability for which `predict_one` names a class; below it, the prediction is ``None``.
    """

    def __init__(self, *, calibrate: bool = False, min_confidence: float = 0.0) -> None:
        if not 0 <= min_confidence <= 1:
            raise ConfigurationError(f"min_confidence={min_confidence!r}: expected a probability")
        self.calibrate = calibrate
        self.min_confidence = min_confidence
        self.classes: list[Hashable] = []
        """Labels in the order of their first appearance, which is the order of all that has a row for each class."""
        self.steps = 0
        """Labelled samples learned."""
        self.n_features: int | None = None
        """Length of the feature vectors, ``None`` before the first."""
        self._row: dict[Hashable, int] = {}
        self._temperature: Temperature | None = None

    def learn_one(self, x: Any, y: Hashable, w: float = 1.0) -> None:
        """Learn from one labelled sample.

        Parameters
        ----------
        x
            Features, 1-D, tensor or array, of the same length every time.
        y
            Label, of any hashable type; a new one becomes a new class.
        w
            Weight of the sample.

        Raises
        ------
        RankError
            If `x` has another length than before.
        DtypeError
            If `x` does not hold real numbers.
        NonFiniteError
            If `x` on the CPU holds NaN or infinity.
        LabelError
            If `y` is ``None`` or not hashable.
        ValueRangeError
            If `w` is not a finite number above 0.
        """
        self._take(self._rows(x, single=True), [checked_label(y)], [checked_weight(w)])

    def learn_many(self, X: Any, y: Iterable[Hashable], w: Any = 1.0) -> None:
        """Learn from labelled samples, to the same effect as one after another.

        Parameters
        ----------
        X
            Features, (n, F).
        y
            n labels.
        w
            Weight of every sample, or n weights.

        Raises
        ------
        InputError
            As of `learn_one`; nothing of the mini-batch is learned then.
        """
        rows, labels = self._rows(X, single=False), [checked_label(label) for label in y]
        weights = (
            [checked_weight(value) for value in w] if isinstance(w, Iterable) else [checked_weight(w)] * len(labels)
        )
        if not len(rows) == len(labels) == len(weights):
            raise InputError(
                f"{len(rows)} rows, {len(labels)} labels, {len(weights)} weights: expected as many of each"
            )
        if labels:
            self._take(rows, labels, weights)

    def predict_proba_many(self, X: Any) -> Tensor:
        """Return probabilities (n, classes), float64, in the order of `classes`; each row sums to 1."""
        return self._probabilities(self._rows(X, single=False))

    def predict_proba_one(self, x: Any) -> dict[Hashable, float]:
        """Return the probability of every class seen so far (float64; they sum to 1), or ``{}`` before the first."""
        probabilities = self._probabilities(self._rows(x, single=True))[0]
        return dict(zip(self.classes, probabilities.tolist(), strict=True))

    def predict_many(self, X: Any) -> list[Hashable | None]:
        """Return the likeliest class for each row; ``None`` before the first label and below `min_confidence`."""
        return self._predicted(self._rows(X, single=False))

    def predict_one(self, x: Any) -> Hashable | None:
        """Return the likeliest class, or ``None`` before the first label and below `min_confidence`."""
        return self._predicted(self._rows(x, single=True))[0]

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return what the softmax takes as one affine map of raw features, all included: (classes, F) and (classes,).

        Raises
        ------
        ConfigurationError
            Before the first label.
        """
        if not self.classes:
            raise ConfigurationError("probe without classes: expected one that has learned from a label")
        weight, bias = self._affine()
        if self._temperature is None:
            return weight, bias
        return weight * self._temperature.inverse, bias * self._temperature.inverse

    def forget(self, label: Hashable) -> None:
        """Remove a class: it is predicted no more, and learned from its beginning if its label comes again.

        Raises
        ------
        LabelError
            If there is no such class.
        """
        label = checked_label(label)
        if label not in self._row:
            raise LabelError(f"label {label!r}: expected one of the {len(self.classes)} classes learned")
        row = self._row[label]
        self._remove_row(row)
        del self.classes[row]
        self._row = {name: index for index, name in enumerate(self.classes)}

    def grow(self, features: int) -> None:
        """Append features, so far always zero, at the end of the vectors this probe reads."""
        if self.n_features is not None and features:
            self._widen(features)
            self.n_features += features

    def options(self) -> dict[str, Any]:
        """Return the arguments that this probe was made with."""
        return {name: getattr(self, name) for name in self.option_names}

    def tensors(self) -> dict[str, Tensor]:
        """Return everything learned, by name, for a checkpoint; empty before the first sample."""
        if self.n_features is None:
            return {}
        return self._tensors() | ({} if self._temperature is None else {"temperature": self._temperature.state})

    def load(self, tensors: dict[str, Tensor], classes: list[Hashable], steps: int) -> None:
        """Take over what `tensors` returned, with the classes and the number of steps.

        Raises
        ------
        ValueError
            If they do not belong together.
        """
        tensors = dict(tensors)
        temperature = tensors.pop("temperature", None)
        if bool(tensors) and (temperature is not None) != self.calibrate:
            raise ValueError(f"probe with calibrate={self.calibrate}: expected its temperature only if that is true")
        if tensors:
            self.n_features = self._load(tensors, len(classes))
        elif classes:
            raise ValueError(f"probe of {len(classes)} classes: expected its tensors")
        if temperature is not None:
            if temperature.shape != (2,):
                raise ValueError(f"probe temperature of shape {tuple(temperature.shape)}: expected (2,)")
            self._temperature = Temperature(temperature.device)
            self._temperature.state = temperature
        self.classes = list(classes)
        self._row = {label: row for row, label in enumerate(classes)}
        self.steps = steps

    def _rows(self, x: Any, *, single: bool) -> Tensor:
        return feature_rows(x, single=single, features=self.n_features, dtype=self.dtype)

    def _take(self, rows: Tensor, labels: list[Hashable], weights: list[float]) -> None:
        if self.n_features is None:
            self._allocate(rows.shape[1], rows.device)
            self._temperature = Temperature(rows.device) if self.calibrate else None
            self.n_features = rows.shape[1]
        # A temperature is fitted to what was predicted before each sample, so each has to be learned on its own.
        size = 1 if self.sequential or self.calibrate else len(labels)
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            some = rows if size >= len(labels) else rows[part]
            if self._temperature is not None and labels[start] in self._row:
                self._temperature.update(self._scores(some).select(0, 0), self._row[labels[start]], weights[start])
            classes = [self._row_of(label) for label in labels[part]]
            self._learn(some, classes, weights[part])
            self.steps += len(classes)

    def _row_of(self, label: Hashable) -> int:
        if label not in self._row:
            self._add_row()
            self._row[label] = len(self.classes)
            self.classes.append(label)
        return self._row[label]

    def _logits(self, rows: Tensor) -> Tensor:
        scores = self._scores(rows).double()
        return scores if self._temperature is None else scores * self._temperature.inverse

    def _probabilities(self, rows: Tensor) -> Tensor:
        if not self.classes:
            return rows.new_zeros(len(rows), 0, dtype=torch.float64)
        return torch.softmax(self._logits(rows), dim=1)

    def _predicted(self, rows: Tensor) -> list[Hashable | None]:
        if not self.classes:
            return [None] * len(rows)
        scores = self._scores(rows)
        best = (scores.numpy() if scores.is_cpu else scores).argmax(1).tolist()  # of few, NumPy's is quicker
        if not self.min_confidence:
            return [self.classes[row] for row in best]
        confident = (self._probabilities(rows).amax(dim=1) >= self.min_confidence).tolist()
        return [self.classes[row] if sure else None for row, sure in zip(best, confident, strict=True)]


def as_online_probe(probe: Any, asked_by: str) -> OnlineProbe | None:
    """Return a probe itself, or the one inside a river adapter; ``None`` for ``None``.

    Raises
    ------
    ConfigurationError
        If it is of any other kind; the message begins with what asked for it.
    """
    found = probe.as_probe() if hasattr(probe, "as_probe") else probe
    if found is None or isinstance(found, OnlineProbe):
        return found
    raise ConfigurationError(f"{asked_by} with a {type(probe).__name__}: expected an OnlineProbe or a LinearProbe")
