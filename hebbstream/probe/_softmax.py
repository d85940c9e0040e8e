"""`SoftmaxProbe`: softmax regression by the gradient of each sample."""

from collections.abc import Hashable, Iterable
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._choices import check_choice
from hebbstream._numbers import plain_number, quantity
from hebbstream._turns import in_turn
from hebbstream.errors import ConfigurationError
from hebbstream.probe._base import OnlineProbe
from hebbstream.probe._descent import Adam, AveragedSgd, Descent
from hebbstream.probe._tensors import Shapes

OptimizerName = Literal["sgd", "adam"]
_OPTIMIZERS: dict[str, type[Descent]] = {"sgd": AveragedSgd, "adam": Adam}


class SoftmaxProbe(OnlineProbe):
    """Softmax regression by the gradient of one sample at a time; classes appear as their first label arrives.

    Features are standardised by their running mean and variance, so one learning rate suits every network. Those that vary by
    less than about a hundredth stay small, as do neurons that hardly answer: scale rows of such units first. It follows a
    stream that changes, and for the same reason forgets what the stream no longer shows. With ``"sgd"``, every class is
    first as likely as it was frequent, and one of few labels as any other; the weights learn what features say beyond that.

    Parameters
    ----------
    learning_rate
        ``None`` takes the optimizer's: 3 for ``"sgd"``, 0.001 for ``"adam"``.
    optimizer
        ``"sgd"``: normalised and averaged. A step divided by the squared norm of the standardised features
        fits any number of them (Nagumo and Noda 1967). It predicts with the average of recent weights (Polyak and
        Juditsky 1992; early on, later weights count more, as in Shamir and Zhang 2013) or with the weights as they are:
        with whichever had the smaller loss on recent samples, before it learned them. The average is better for samples
        in random order, the other where labels come in long runs, as in video. ``"adam"``: Kingma and Ba 2015;
        worse in both (docs/evidence/labels.md).
    average_over
        Recent samples over which ``"sgd"`` averages the weights; those that a `Replay` shows again count too.
    calibrate, min_confidence
        See `OnlineProbe`.

    Examples
    --------
    >>> probe = SoftmaxProbe()
    >>> for _ in range(20):
    ...     probe.learn_one([1.0, 0.0], "left")
    ...     probe.learn_one([0.0, 1.0], "right")
    >>> probe.predict_one([0.9, 0.1])
    'left'
    >>> probe
    SoftmaxProbe(features=2, classes=2, labels=40)
    """

    solver: ClassVar[str] = "gradient"
    sequential: ClassVar[bool] = True
    option_names: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "optimizer",
        "average_over",
        *OnlineProbe.option_names,
    )
    _center: ClassVar[str] = "mean"
    # Squares of features that float32 holds are too large for it; and steps of "sgd" are so long that they double
    # what rounding does in every few samples.
    dtype: torch.dtype = torch.float64

    def __init__(
        self,
        learning_rate: float | None = None,
        *,
        optimizer: OptimizerName = "sgd",
        average_over: int = 3000,
        calibrate: bool = False,
        min_confidence: float = 0.0,
    ) -> None:
        super().__init__(calibrate=calibrate, min_confidence=min_confidence)
        check_choice("optimizer", optimizer, _OPTIMIZERS)
        if learning_rate is not None and not quantity(learning_rate) > 0:
            raise ConfigurationError(f"learning_rate={learning_rate!r}: expected a number above 0")
        if not quantity(average_over) >= 1:
            raise ConfigurationError(f"average_over={average_over!r}: expected a positive number of samples")
        self.average_over = plain_number(average_over)
        self.optimizer = optimizer
        self._kind = _OPTIMIZERS[optimizer]
        self.learning_rate = self._kind.rate if learning_rate is None else plain_number(learning_rate)
        self._descent: Descent | None = None

    @in_turn
    def _begin(
        self,
        classes: Iterable[Hashable],
        counts: Tensor,
        *,
        samples: int,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor,
        bias: Tensor,
    ) -> None:
        """Take over what a solver made of samples, to go on from there; for a probe that has learned nothing.

        Parameters
        ----------
        classes, counts
            Labels, each once, and how often each came; shape (C,).
        samples
            How many they were.
        mean, variance
            Mean and variance of each feature; shape (F,).
        weight, bias
            Scores as an affine map of features: (C, F) and (C,).

        Raises
        ------
        ConfigurationError
            If it has learned something.

        Examples
        --------
        >>> probe, one = SoftmaxProbe(), torch.ones(2)
        >>> affine = {"weight": torch.eye(2), "bias": torch.zeros(2)}
        >>> probe._begin(["left", "right"], one, samples=2, mean=0.5 * one, variance=0.25 * one, **affine)
        >>> probe.predict_one([0.9, 0.1])
        'left'
        """
        if self.classes:
            raise ConfigurationError(f"begin after {self.steps} labels: expected a probe that has learned nothing")
        self.classes, self.steps = list(classes), samples
        self._renumber()
        self._allocate(len(mean), len(self.classes), mean.device)
        self._shared["mean"].copy_(mean)
        self._shared["var"].copy_(variance)
        if "count" in self._per_class:
            self._per_class["count"].copy_(counts)
            self._per_class["age"].fill_(samples)
        self._stepping().take_over(weight.to(self.dtype), bias.to(self.dtype))

    def _shapes(self, features: int) -> tuple[Shapes, Shapes]:
        return self._kind.shapes(features)

    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        # One sample: `sequential`.
        self._stepping().learn(rows, classes[0], weights[0], self.steps + 1, self.learning_rate)

    def _scores(self, rows: Tensor) -> Tensor:
        return self._stepping().scores(rows)

    def _affine(self) -> tuple[Tensor, Tensor]:
        return self._stepping().affine()

    def _restore(self, tensors: dict[str, Tensor], classes: int) -> None:
        if self.optimizer == "adam":  # files of before hold it in float32
            tensors |= {name: tensor.double() for name, tensor in tensors.items() if tensor.dtype == torch.float32}
        uncounted = "age" in tensors and "count" not in tensors  # a file of before shares were counted
        if uncounted:
            tensors["count"] = tensors["age"].new_full((classes,), self.steps / max(classes, 1))
        super()._restore(tensors, classes)
        if uncounted:  # it goes on as it was
            for name in ("weight", "average"):
                self._per_class[name][:, -1] -= self._stepping().prior

    def _widen(self, features: int) -> None:
        for name in ("mean", "var"):
            self._shared[name] = F.pad(self._shared[name], (0, features))
        for name in self._per_class.keys() - {"age", "count"}:
            weight, bias = self._per_class[name].tensor_split([-1], dim=1)
            self._per_class[name] = torch.cat([F.pad(weight, (0, features)), bias], dim=1)

    def _stepping(self) -> Descent:
        if self._descent is None:
            self._descent = self._kind(self._shared | self._per_class, self.average_over)
        return self._descent

    def _replaced(self) -> None:
        self._descent = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy's arrays would no longer share the memory of its tensors.
        return super().__getstate__() | {"_descent": None}
