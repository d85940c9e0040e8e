"""`SoftmaxProbe`: softmax regression by the gradient of each sample."""

import math
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.probe.base import OnlineProbe

_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8
_VAR_EPS = 1e-5
_AVERAGED = 3000  # samples over which the weights are averaged, once so many have come
_EARLY = 8  # weight of late samples in the average of the first ones

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
    option_names: ClassVar[tuple[str, ...]] = ("learning_rate", "optimizer", *OnlineProbe.option_names)
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
        calibrate: bool = False,
        min_confidence: float = 0.0,
    ) -> None:
        super().__init__(calibrate=calibrate, min_confidence=min_confidence)
        if optimizer not in get_args(OptimizerName):
            raise ConfigurationError(f"optimizer={optimizer!r}: expected one of {', '.join(map(repr, _RATES))}")
        if learning_rate is not None and not learning_rate > 0:
            raise ConfigurationError(f"learning_rate={learning_rate!r}: expected a number above 0")
        self.learning_rate = _RATES[optimizer] if learning_rate is None else learning_rate
        self.optimizer = optimizer
        self.dtype = _DTYPES[optimizer]

    def _allocate(self, features: int, device: torch.device) -> None:
        for name in _SHARED[self.optimizer]:  # the losses are of the weights and of their average
            setattr(self, name, torch.zeros(2 if name == "losses" else features, dtype=self.dtype, device=device))
        # The last column of the weights is the bias.
        for name in _ROWS[self.optimizer]:
            columns = 1 if name == "age" else features + 1
            setattr(self, name, torch.zeros(0, columns, dtype=self.dtype, device=device))

    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        features, row, w = rows.select(0, 0), classes[0], weights[0]  # one sample: `sequential`
        share = max(1.0 / (self.steps + 1), 1e-3)
        shift = features - self.mean
        self.var.addcmul_(shift, shift, value=share).mul_(1.0 - share)
        self.mean.add_(shift, alpha=share)
        z = self._standardised(rows).select(0, 0)
        log_p = torch.log_softmax(self.weight @ z, dim=0)
        if self.optimizer == "sgd":
            averaged = torch.log_softmax(self.average @ z, dim=0)
            self.losses.lerp_(-torch.stack([log_p.select(0, row), averaged.select(0, row)]), share)
        error = log_p.exp()
        error.select(0, row).sub_(1.0)
        if w != 1.0:
            error *= w
        # The gradient is their outer product, which is not laid out in memory.
        if self.optimizer == "adam":
            self._adam(error, z, self.steps + 1)
        else:
            self.weight.addr_(error.mul_(-self.learning_rate / z.dot(z)), z)
            self.age += 1
            self.average.lerp_(self.weight, ((1 + _EARLY) / (self.age + _EARLY)).clamp_(min=1 / _AVERAGED))

    def _adam(self, error: Tensor, z: Tensor, step: int) -> None:
        self.first_moment.addr_(error, z, beta=_BETA1, alpha=1.0 - _BETA1)
        self.second_moment.addr_(error.square(), z.square(), beta=_BETA2, alpha=1.0 - _BETA2)
        unbias = 1.0 - _BETA1**step, math.sqrt(1.0 - _BETA2**step)
        denominator = self.second_moment.sqrt().add_(_ADAM_EPS * unbias[1])
        self.weight.addcdiv_(self.first_moment, denominator, value=-self.learning_rate * unbias[1] / unbias[0])

    def _scores(self, rows: Tensor) -> Tensor:
        return self._standardised(rows) @ self._predicting().T

    def _affine(self) -> tuple[Tensor, Tensor]:
        scale = torch.rsqrt(self.var + _VAR_EPS)
        predicting = self._predicting()
        weight = predicting[:, :-1] * scale
        return weight, predicting[:, -1] - weight @ self.mean

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
            setattr(self, name, tensors[name].to(self.dtype))
        return features

    def _widen(self, features: int) -> None:
        self.mean = torch.nn.functional.pad(self.mean, (0, features))
        self.var = torch.nn.functional.pad(self.var, (0, features))
        for name in (name for name in _ROWS[self.optimizer] if name != "age"):
            rows = getattr(self, name)
            blank = rows.new_zeros(rows.shape[0], features)
            setattr(self, name, torch.cat([rows[:, :-1], blank, rows[:, -1:]], dim=1))

    def _add_row(self) -> None:
        for name in _ROWS[self.optimizer]:
            rows = getattr(self, name)
            setattr(self, name, torch.cat([rows, rows.new_zeros(1, rows.shape[1])]))

    def _remove_row(self, row: int) -> None:
        for name in _ROWS[self.optimizer]:
            rows = getattr(self, name)
            setattr(self, name, torch.cat([rows[:row], rows[row + 1 :]]))

    def _predicting(self) -> Tensor:
        if self.optimizer == "adam":
            return self.weight
        return torch.where(self.losses.select(0, 0) < self.losses.select(0, 1), self.weight, self.average)

    def _standardised(self, rows: Tensor) -> Tensor:
        z = (rows - self.mean) * torch.rsqrt(self.var + _VAR_EPS)
        return torch.cat([z, z.new_ones(len(z), 1)], dim=1)
