"""`SoftmaxProbe`: softmax regression by Adam."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.probe.base import OnlineProbe

_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8
_VAR_EPS = 1e-5
_ROWS = ("weight", "first_moment", "second_moment")  # tensors with a row for each class


class SoftmaxProbe(OnlineProbe):
    """Softmax regression by Adam, one sample at a time; classes appear as their first label arrives.

    Features are standardised by their running mean and variance, so one learning rate suits every network. It follows a
    stream that changes, and for the same reason forgets what the stream no longer shows.

    Parameters
    ----------
    learning_rate
        Of Adam.
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
    dtype: ClassVar[torch.dtype] = torch.float32
    sequential: ClassVar[bool] = True
    option_names: ClassVar[tuple[str, ...]] = ("learning_rate", *OnlineProbe.option_names)
    mean: Tensor
    var: Tensor
    weight: Tensor
    first_moment: Tensor
    second_moment: Tensor

    def __init__(self, learning_rate: float = 1e-3, *, calibrate: bool = False, min_confidence: float = 0.0) -> None:
        super().__init__(calibrate=calibrate, min_confidence=min_confidence)
        if not learning_rate > 0:
            raise ConfigurationError(f"learning_rate={learning_rate!r}: expected a number above 0")
        self.learning_rate = learning_rate

    def _allocate(self, features: int, device: torch.device) -> None:
        self.mean = torch.zeros(features, device=device)
        self.var = torch.zeros(features, device=device)
        # The last column of the weights is the bias.
        self.weight = torch.zeros(0, features + 1, device=device)
        self.first_moment = torch.zeros_like(self.weight)
        self.second_moment = torch.zeros_like(self.weight)

    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        features, row, w, step = rows[0], classes[0], weights[0], self.steps + 1  # one sample: `sequential`
        share = max(1.0 / step, 1e-3)
        shift = features - self.mean
        self.var.addcmul_(shift, shift, value=share).mul_(1.0 - share)
        self.mean.add_(shift, alpha=share)
        z = self._standardised(rows)[0]
        error = torch.softmax(self.weight @ z, dim=0)
        error.select(0, row).sub_(1.0)
        if w != 1.0:
            error *= w
        # The gradient is their outer product, and its square that of their squares: neither is laid out in memory.
        self.first_moment.addr_(error, z, beta=_BETA1, alpha=1.0 - _BETA1)
        self.second_moment.addr_(error.square(), z.square(), beta=_BETA2, alpha=1.0 - _BETA2)
        unbias = 1.0 - _BETA1**step, math.sqrt(1.0 - _BETA2**step)
        denominator = self.second_moment.sqrt().add_(_ADAM_EPS * unbias[1])
        self.weight.addcdiv_(self.first_moment, denominator, value=-self.learning_rate * unbias[1] / unbias[0])

    def _scores(self, rows: Tensor) -> Tensor:
        return self._standardised(rows) @ self.weight.T

    def _affine(self) -> tuple[Tensor, Tensor]:
        scale = torch.rsqrt(self.var + _VAR_EPS)
        weight = self.weight[:, :-1] * scale
        return weight, self.weight[:, -1] - weight @ self.mean

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in ("mean", "var", *_ROWS)}

    def _load(self, tensors: dict[str, Tensor], classes: int) -> int:
        features = tensors["mean"].numel()
        rows = (classes, features + 1)
        if tensors["var"].shape != tensors["mean"].shape or any(tensors[name].shape != rows for name in _ROWS):
            raise ValueError(f"probe tensors that are not {classes} classes by {features} features and a bias")
        for name in ("mean", "var", *_ROWS):
            setattr(self, name, tensors[name])
        return features

    def _widen(self, features: int) -> None:
        self.mean = torch.nn.functional.pad(self.mean, (0, features))
        self.var = torch.nn.functional.pad(self.var, (0, features))
        for name in _ROWS:
            rows = getattr(self, name)
            blank = rows.new_zeros(rows.shape[0], features)
            setattr(self, name, torch.cat([rows[:, :-1], blank, rows[:, -1:]], dim=1))

    def _add_row(self) -> None:
        for name in _ROWS:
            rows = getattr(self, name)
            setattr(self, name, torch.cat([rows, rows.new_zeros(1, rows.shape[1])]))

    def _remove_row(self, row: int) -> None:
        for name in _ROWS:
            rows = getattr(self, name)
            setattr(self, name, torch.cat([rows[:row], rows[row + 1 :]]))

    def _standardised(self, rows: Tensor) -> Tensor:
        z = (rows - self.mean) * torch.rsqrt(self.var + _VAR_EPS)
        return torch.cat([z, z.new_ones(len(z), 1)], dim=1)
