"""`SoftmaxProbe`: softmax regression by the gradient of each sample."""

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.probe._base import OnlineProbe
from hebbstream.probe._descent import Adam, AveragedSgd, Descent

OptimizerName = Literal["sgd", "adam"]
_RATES = {"sgd": 3.0, "adam": 1e-3}
# Steps as long as those of SGD double what rounding does in every few samples; in float32 it would soon be seen.
_DTYPES = {"sgd": torch.float64, "adam": torch.float32}
# Tensors without and with a row for each class.
_SHARED = {"sgd": ("mean", "var", "losses"), "adam": ("mean", "var")}
_ROWS = {"sgd": ("weight", "average", "age"), "adam": ("weight", "first_moment", "second_moment")}


class SoftmaxProbe(OnlineProbe):
    """Softmax regression by the gradient of one sample at a time; classes appear as their first label arrives.

    Features are standardised by their running mean and variance, so one learning rate suits every network. It follows a
    stream that changes, and for the same reason forgets what the stream no longer shows.

    Parameters
    ----------
    learning_rate
        ``None`` takes the optimizer's: 3 for ``"sgd"``, 0.001 for ``"adam"``.
    optimizer
        ``"sgd"``: normalised and averaged, in float64. A step divided by the squared norm of the standardised features
        fits any number of them (Nagumo and Noda 1967). Predictions are made with the average of the weights of late (Polyak
        and Juditsky 1992; early on, later weights count more, as in Shamir and Zhang 2013) or with the weights as they
        are, whichever had the smaller loss on the samples of late before they were learned: the average is better for
        samples in random order, the other where labels come in long runs, as in video. ``"adam"``: Kingma and Ba 2015,
        in float32; worse in both (docs/labels.md).
    average_over
        Samples of late over which ``"sgd"`` averages the weights, those that a `Replay` shows again included.
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
    """

    solver: ClassVar[str] = "gradient"
    sequential: ClassVar[bool] = True
    option_names: ClassVar[tuple[str, ...]] = (
        "learning_rate",
        "optimizer",
        "average_over",
        *OnlineProbe.option_names,
    )
    mean: Tensor
    var: Tensor
    losses: Tensor
    weight: Tensor
    average: Tensor
    age: Tensor
    first_moment: Tensor
    second_moment: Tensor

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
        if optimizer not in get_args(OptimizerName):
            raise ConfigurationError(f"optimizer={optimizer!r}: expected one of {', '.join(map(repr, _RATES))}")
        if learning_rate is not None and not learning_rate > 0:
            raise ConfigurationError(f"learning_rate={learning_rate!r}: expected a number above 0")
        if not average_over >= 1:
            raise ConfigurationError(f"average_over={average_over!r}: expected a positive number of samples")
        self.average_over = average_over
        self.learning_rate = _RATES[optimizer] if learning_rate is None else learning_rate
        self.optimizer = optimizer
        self.dtype = _DTYPES[optimizer]
        self._descent: Descent | None = None

    def _allocate(self, features: int, device: torch.device) -> None:
        for name in _SHARED[self.optimizer]:  # the losses are of the weights and of their average
            self._set(name, torch.zeros(2 if name == "losses" else features, dtype=self.dtype, device=device))
        # The last column of the weights is the bias.
        for name in _ROWS[self.optimizer]:
            columns = 1 if name == "age" else features + 1
            self._set(name, torch.zeros(0, columns, dtype=self.dtype, device=device))

    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        # One sample: `sequential`.
        self._stepping().learn(rows, classes[0], weights[0], self.steps + 1, self.learning_rate)

    def _scores(self, rows: Tensor) -> Tensor:
        return self._stepping().scores(rows)

    def _affine(self) -> tuple[Tensor, Tensor]:
        return self._stepping().affine()

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in (*_SHARED[self.optimizer], *_ROWS[self.optimizer])}

    def _load(self, tensors: dict[str, Tensor], classes: int) -> int:
        features = tensors["mean"].numel()
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(_SHARED[self.optimizer], (features,))
        if "losses" in shapes:
            shapes["losses"] = (2,)
        shapes |= {name: (classes, 1 if name == "age" else features + 1) for name in _ROWS[self.optimizer]}
        if any(tensors[name].shape != shape for name, shape in shapes.items()):
            raise ValueError(f"probe tensors that are not {classes} classes by {features} features and a bias")
        for name in shapes:
            self._set(name, tensors[name].to(self.dtype))
        return features

    def _widen(self, features: int) -> None:
        for name in ("mean", "var"):
            self._set(name, torch.nn.functional.pad(getattr(self, name), (0, features)))
        for name in (name for name in _ROWS[self.optimizer] if name != "age"):
            rows = getattr(self, name)
            blank = rows.new_zeros(rows.shape[0], features)
            self._set(name, torch.cat([rows[:, :-1], blank, rows[:, -1:]], dim=1))

    def _add_row(self) -> None:
        for name in _ROWS[self.optimizer]:
            rows = getattr(self, name)
            self._set(name, torch.cat([rows, rows.new_zeros(1, rows.shape[1])]))

    def _remove_row(self, row: int) -> None:
        for name in _ROWS[self.optimizer]:
            rows = getattr(self, name)
            self._set(name, torch.cat([rows[:row], rows[row + 1 :]]))

    def _stepping(self) -> Descent:
        if self._descent is None:
            tensors = self._tensors()
            self._descent = AveragedSgd(tensors, self.average_over) if self.optimizer == "sgd" else Adam(tensors)
        return self._descent

    def _set(self, name: str, tensor: Tensor) -> None:
        setattr(self, name, tensor)
        self._descent = None  # it has the tensor that was there before

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_descent": None}  # a copy's arrays would no longer share the memory of its tensors
