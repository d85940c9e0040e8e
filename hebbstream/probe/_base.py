"""`OnlineProbe`: what every linear classifier on features shares; each solver says how it learns."""

from abc import abstractmethod
from collections.abc import Hashable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from hebbstream._numbers import plain_number, quantity
from hebbstream._turns import in_turn
from hebbstream.errors import ConfigurationError, InputError
from hebbstream.probe._inputs import checked_label, checked_labels, checked_weight
from hebbstream.probe._labels import decode_labels, decode_name, encode_label, encode_name
from hebbstream.probe._rows import LabelledRows
from hebbstream.probe._state import fitted, ordinary, shown
from hebbstream.probe._temperature import Temperature


class OnlineProbe(LabelledRows):
    """A linear classifier that learns from one labelled sample at a time; classes appear as their first label arrives.

    Nothing flows back into the network that gave the features. What is learned lies on the device of the first features.
    Several threads may use a probe: one learns, others predict.

    Parameters
    ----------
    calibrate
        Whether to fit a temperature to the labels, each predicted before it is learned; see `Temperature`.
    min_confidence
        Least probability for which `predict_one` names a class; below it, the prediction is ``None``.

    Examples
    --------
    It is the base class. Every probe has its methods:

    >>> import hebbstream as hs
    >>> probe = hs.RidgeProbe()
    >>> isinstance(probe, hs.OnlineProbe), probe.classes
    (True, [])
    >>> probe.learn_one([1.0, 0.0], "left")
    >>> probe.classes
    ['left']
    """

    sequential: ClassVar[bool]
    """Whether what is learned depends on the order of the samples."""
    option_names: ClassVar[tuple[str, ...]] = ("calibrate", "min_confidence")
    """Arguments that, with equal values, make an equal probe before it has learned."""

    def __init__(self, *, calibrate: bool = False, min_confidence: float = 0.0) -> None:
        if not 0 <= quantity(min_confidence) <= 1:
            raise ConfigurationError(f"min_confidence={min_confidence!r}: expected a probability")
        super().__init__()
        self.calibrate = bool(calibrate)
        self.min_confidence = plain_number(min_confidence)
        self.classes = []
        self.columns: dict[Hashable, int] = {}
        """Index of each feature in the vectors, by its name, in their order; empty where features have no names."""
        self.steps = 0
        """Labelled samples learned."""
        self._row = {}
        self._shared, self._per_class = {}, {}
        self._temperature: Temperature | None = None

    def __repr__(self) -> str:
        plain = next(base for base in type(self).__mro__ if "solver" in vars(base))()
        return shown(self, plain, features=self.n_features, classes=len(self.classes), labels=self.steps)

    @in_turn
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
            If `w` is not a number from 1e-12 to 1e12.
        """
        self._take(self._rows(x, single=True), [checked_label(y)], [checked_weight(w)])

    @in_turn
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
        rows, labels = self._rows(X, single=False), checked_labels(y)
        weights = (
            [checked_weight(value) for value in w]
            if isinstance(w, Iterable) and getattr(w, "ndim", True)  # a scalar tensor says that it may be iterated over
            else [checked_weight(w)] * len(labels)
        )
        if not len(rows) == len(labels) == len(weights):
            raise InputError(
                f"{len(rows)} rows, {len(labels)} labels, {len(weights)} weights: expected as many of each"
            )
        if labels:
            self._take(rows, labels, weights)

    @in_turn
    def predict_proba_many(self, X: Any) -> Tensor:
        """Return probabilities (n, classes), float64, in the order of `classes`; each row sums to 1."""
        return self._probabilities(self._rows(X, single=False))

    @in_turn
    def predict_proba_one(self, x: Any) -> dict[Hashable, float]:
        """Return the probability of every class seen so far (float64; they sum to 1), or ``{}`` before the first."""
        probabilities = self._probabilities(self._rows(x, single=True))[0]
        return dict(zip(self.classes, probabilities.tolist(), strict=True))

    @in_turn
    def predict_many(self, X: Any) -> list[Hashable | None]:
        """Return the likeliest class for each row; ``None`` before the first label and below `min_confidence`."""
        return self._predicted(self._rows(X, single=False))

    @in_turn
    def predict_one(self, x: Any) -> Hashable | None:
        """Return the likeliest class, or ``None`` before the first label and below `min_confidence`."""
        return self._predicted(self._rows(x, single=True))[0]

    @in_turn
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

    def options(self) -> dict[str, Any]:
        """Return the arguments that this probe was made with."""
        return {name: getattr(self, name) for name in self.option_names}

    @in_turn
    def calibrate_on(self, X: Any, y: Iterable[Hashable], *, like: "OnlineProbe | None" = None) -> None:
        """Fit the temperature to samples that it has not learned; from then on, it calibrates itself.

        Parameters
        ----------
        X
            Features (n, F).
        y
            Their labels; samples of classes that it does not know are left out.
        like
            Probe whose scores are judged, where this one has learned those samples; itself, if not given.

        Raises
        ------
        ConfigurationError
            If a probe has learned nothing yet.
        InputError
            If there is not one label for each row of features, or one of the two cannot be learned; see `learn_one`.

        Examples
        --------
        >>> from hebbstream.probe import RidgeProbe
        >>> probe = RidgeProbe()
        >>> probe.learn_many([[1.0, 0.0], [0.0, 1.0]] * 20, ["left", "right"] * 20)
        >>> before = probe.predict_proba_one([1.0, 0.0])["left"]
        >>> probe.calibrate_on([[1.0, 0.0]] * 10, ["left", "right"] * 5)  # chance
        >>> round(before, 2), round(probe.predict_proba_one([1.0, 0.0])["left"], 2)
        (1.0, 0.5)
        """
        judged = self if like is None else like
        if not (self.classes and judged.classes):
            raise ConfigurationError("calibrate_on before the first label: expected a probe that has learned")
        rows, labels = judged._rows(X, single=False), checked_labels(y)
        if len(rows) != len(labels):
            raise InputError(f"{len(rows)} rows, {len(labels)} labels: expected as many of each")
        known = [index for index, label in enumerate(labels) if label in judged._row]
        temperature = Temperature(self._shared[self._center].device)
        if known:
            scores = judged._scores(rows)[known]
            temperature.fit(scores, torch.tensor([judged._row[labels[index]] for index in known], device=scores.device))
        self.calibrate, self._temperature = True, temperature

    @in_turn
    def state_dict(self) -> dict[str, Any]:
        """Return everything that `probe_from_state` needs, as terms that JSON knows and, under ``"tensors"``, tensors by name.

        They are the probe's own tensors, not copies, and there are none before the first sample.

        Raises
        ------
        LabelError
            If a class is not a str, int, float or bool, or a feature's name none of them, ``None`` or a tuple.
        """
        temperature = {} if self._temperature is None else {"temperature": self._temperature.state}
        return {
            "solver": self.solver,
            "options": self.options(),
            "steps": self.steps,
            "classes": [encode_label(label) for label in self.classes],
            "names": [encode_name(name) for name in self.columns],
            "tensors": self._shared | self._per_class | temperature,
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return what was learned, by name: the probe's own tensors, not copies."""
        tensors: dict[str, Tensor] = self.state_dict()["tensors"]
        return tensors

    @abstractmethod
    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        """Learn from (n, F) features, float32 or `dtype`, of the classes with these rows."""

    @abstractmethod
    def _scores(self, rows: Tensor) -> Tensor:
        """Return the scores (n, classes) of (n, F) features, float32 or `dtype`."""

    @abstractmethod
    def _affine(self) -> tuple[Tensor, Tensor]:
        """Return the scores as an affine map of raw features: (classes, F) and (classes,)."""

    def _at_once(self, samples: int) -> int:
        """Return how many of so many samples may be learned in one go."""
        # A temperature is fitted to what was predicted before each sample, so each has to be learned on its own.
        return 1 if self.sequential or self.calibrate else samples

    def _allocate(self, features: int, classes: int, device: torch.device) -> None:
        self._temperature = Temperature(device) if self.calibrate else None
        super()._allocate(features, classes, device)  # last: it is done where the number of features is known

    @ordinary
    def _load(self, state: dict[str, Any], device: torch.device) -> None:
        """Take over what `state_dict` returned; anything may be raised if it does not fit."""
        # Copies, in torch's own memory: a tensor of a file lies at any address, and sums are rounded by where they start.
        tensors = {name: tensor.detach().to(device, copy=True) for name, tensor in state["tensors"].items()}
        self.classes, self.steps = decode_labels(state["classes"]), state["steps"]
        self._row = {label: row for row, label in enumerate(self.classes)}
        if type(self.steps) is not int or self.steps < len(self.classes):
            raise ValueError(f"steps={self.steps!r}: expected at least {len(self.classes)}, the number of classes")
        if bool(self.steps) != bool(tensors):
            raise ValueError(f"{len(tensors)} tensors after {self.steps} steps: expected some from the first step on")
        if tensors:
            self._restore(tensors, len(self.classes))
        names = state.get("names", [])  # earlier files have none
        self.columns = {decode_name(name): column for column, name in enumerate(names)}
        if names and not len(self.columns) == len(names) == self.n_features:
            raise ValueError(f"{len(names)} names: expected another for each of {self.n_features} features")
        if tensors:
            raise ValueError(f"tensors {', '.join(tensors)}: expected none of that name")

    def _restore(self, tensors: dict[str, Tensor], classes: int) -> None:
        super()._restore(tensors, classes)
        if self._temperature is not None:
            self._temperature.state = fitted("temperature", tensors.pop("temperature"), self._temperature.state)

    def _take(self, rows: Tensor, labels: list[Hashable], weights: list[float]) -> None:
        if self.n_features is None:
            self._allocate(rows.shape[1], 0, rows.device)
        size = self._at_once(len(labels))
        for start in range(0, len(labels), size):
            part = slice(start, start + size)
            some = rows if size >= len(labels) else rows[part]
            if self._temperature is not None and labels[start] in self._row:
                self._temperature.update(self._scores(some).select(0, 0), self._row[labels[start]], weights[start])
            known = len(self.classes)
            try:
                classes = [self._row_of(label) for label in labels[part]]
                self._learn(some, classes, weights[part])
                self.steps += len(classes)
            except BaseException:  # Ctrl-C, too: a class without a sample would be there for good
                self._keep(known)
                if not self.steps:  # as new: a state has no tensors before the first sample
                    self.n_features, self._shared, self._per_class, self._temperature = None, {}, {}, None
                raise

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
