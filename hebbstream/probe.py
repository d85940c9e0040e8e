"""`SoftmaxProbe`: a linear classifier on features, learned one labelled sample at a time."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError, NonFiniteError, RankError

_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8
_VAR_EPS = 1e-5
_ROWS = ("weight", "first_moment", "second_moment")  # tensors with a row for each class


class SoftmaxProbe:
    """Softmax regression by Adam, one sample at a time; classes appear as their first label arrives.

    Features are standardised by their running mean and variance, so one learning rate suits every network. Nothing
    flows back into the network that gave the features.

    Parameters
    ----------
    learning_rate
        Of Adam.

    Examples
    --------
    >>> probe = SoftmaxProbe()
    >>> for _ in range(20):
    ...     probe.learn_one(np.array([1.0, 0.0]), "left")
    ...     probe.learn_one(np.array([0.0, 1.0]), "right")
    >>> probe.predict_one(np.array([0.9, 0.1]))
    'left'
    """

    def __init__(self, learning_rate: float = 1e-3) -> None:
        if not learning_rate > 0:
            raise ConfigurationError(f"learning_rate={learning_rate!r}: expected a number above 0")
        self.learning_rate = learning_rate
        self.classes: list[Hashable] = []
        """Labels in the order of their first appearance, which is the order of the rows of `weight`."""
        self.steps = 0
        self._row: dict[Hashable, int] = {}
        self._allocated = False

    def _allocate(self, features: int, device: torch.device) -> None:
        self.mean = torch.zeros(features, device=device)
        self.var = torch.zeros(features, device=device)
        # The last column of the weights is the bias.
        self.weight = torch.zeros(0, features + 1, device=device)
        self.first_moment = torch.zeros_like(self.weight)
        self.second_moment = torch.zeros_like(self.weight)
        self._allocated = True

    @property
    def n_features(self) -> int | None:
        """Length of the feature vectors, ``None`` before the first."""
        return self.mean.numel() if self._allocated else None

    def learn_one(self, x: Any, y: Hashable) -> None:
        """Take one step towards the label `y`.

        Parameters
        ----------
        x
            Features, 1-D, tensor or array, of the same length every time.
        y
            Label; a new one becomes a new class.

        Raises
        ------
        RankError
            If `x` has another length than before.
        NonFiniteError
            If `x` on the CPU holds NaN or infinity.
        """
        features = self._checked(x)
        if not self._allocated:
            self._allocate(features.numel(), features.device)
        if y not in self._row:
            self._add_class(y)
        self.steps += 1
        weight = max(1.0 / self.steps, 1e-3)
        shift = features - self.mean
        self.var.add_(weight * shift * shift).mul_(1.0 - weight)
        self.mean.add_(shift, alpha=weight)
        z = self._standardised(features)
        error = torch.softmax(self.weight @ z, dim=0)
        error[self._row[y]] -= 1.0
        gradient = torch.outer(error, z)
        self.first_moment.lerp_(gradient, 1.0 - _BETA1)
        self.second_moment.mul_(_BETA2).addcmul_(gradient, gradient, value=1.0 - _BETA2)
        unbias = 1.0 - _BETA1**self.steps, 1.0 - _BETA2**self.steps
        denominator = (self.second_moment / unbias[1]).sqrt_().add_(_ADAM_EPS)
        self.weight.addcdiv_(self.first_moment, denominator, value=-self.learning_rate / unbias[0])

    def predict_proba_one(self, x: Any) -> dict[Hashable, float]:
        """Return the probability of every class seen so far (float64; they sum to 1), or ``{}`` before the first."""
        features = self._checked(x)
        if not self.classes:
            return {}
        scores = self.weight @ self._standardised(features)
        return dict(zip(self.classes, torch.softmax(scores.double(), dim=0).tolist(), strict=True))

    def predict_one(self, x: Any) -> Hashable | None:
        """Return the likeliest class, or ``None`` before the first label."""
        features = self._checked(x)
        if not self.classes:
            return None
        return self.classes[int((self.weight @ self._standardised(features)).argmax())]

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return scores as one affine map of raw features, standardisation included: (classes, F) and (classes,).

        Examples
        --------
        >>> probe = SoftmaxProbe()
        >>> probe.learn_one(np.array([1.0, 2.0]), "a")
        >>> weight, bias = probe.affine()
        >>> weight.shape, bias.shape
        (torch.Size([1, 2]), torch.Size([1]))
        """
        scale = torch.rsqrt(self.var + _VAR_EPS)
        weight = self.weight[:, :-1] * scale
        return weight, self.weight[:, -1] - weight @ self.mean

    def tensors(self) -> dict[str, Tensor]:
        """Return everything learned, by name, for a checkpoint; empty before the first sample."""
        if not self._allocated:
            return {}
        return {name: getattr(self, name) for name in ("mean", "var", *_ROWS)}

    def load(self, tensors: dict[str, Tensor], classes: list[Hashable], steps: int) -> None:
        """Take over what `tensors` returned, with the classes and the number of steps.

        Raises
        ------
        ValueError
            If they do not belong together.
        """
        if tensors:
            rows = (len(classes), tensors["mean"].numel() + 1)
            if tensors["var"].shape != tensors["mean"].shape or any(tensors[name].shape != rows for name in _ROWS):
                raise ValueError(f"probe tensors that are not {rows[0]} classes by {rows[1] - 1} features and a bias")
        self.classes = list(classes)
        self._row = {label: row for row, label in enumerate(classes)}
        self.steps = steps
        for name in ("mean", "var", *_ROWS) if tensors else ():
            setattr(self, name, tensors[name])
        self._allocated = bool(tensors)

    def grow(self, features: int) -> None:
        """Append features, so far always zero, at the end of the vectors this probe reads."""
        if not self._allocated or not features:
            return
        self.mean = torch.nn.functional.pad(self.mean, (0, features))
        self.var = torch.nn.functional.pad(self.var, (0, features))
        for name in _ROWS:
            rows = getattr(self, name)
            blank = rows.new_zeros(rows.shape[0], features)
            setattr(self, name, torch.cat([rows[:, :-1], blank, rows[:, -1:]], dim=1))

    def _add_class(self, label: Hashable) -> None:
        self._row[label] = len(self.classes)
        self.classes.append(label)
        for name in _ROWS:
            rows = getattr(self, name)
            setattr(self, name, torch.cat([rows, rows.new_zeros(1, rows.shape[1])]))

    def _standardised(self, features: Tensor) -> Tensor:
        z = (features - self.mean) * torch.rsqrt(self.var + _VAR_EPS)
        return torch.cat([z, z.new_ones(1)])

    def _checked(self, x: Any) -> Tensor:
        features = torch.as_tensor(np.asarray(x) if not isinstance(x, Tensor) else x).to(torch.float32)
        if features.ndim != 1 or (self._allocated and features.numel() != self.n_features):
            expected = f"({self.n_features},)" if self._allocated else "one dimension"
            raise RankError(f"features of shape {tuple(features.shape)}: expected {expected}")
        if features.device.type == "cpu" and not bool(torch.isfinite(features).all()):
            raise NonFiniteError(f"features with NaN or infinity: {int((~torch.isfinite(features)).sum())} values")
        return features
