"""How the softmax probe steps: `AveragedSgd` and `Adam`, on the tensors that hold all it has learned."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from hebbstream.probe._state import ordinary
from hebbstream.probe._tensors import Shapes

_BETA1, _BETA2, _ADAM_EPS = 0.9, 0.999, 1e-8
_VAR_EPS = 1e-5
_EARLY = 8  # weight of late samples in the average of the first ones
_NEW = 30  # samples after which half as much is added to a class's share for being new
_TINY = 1e-12  # before the first sample, a logarithm of zero would be a warning


class Descent(ABC):
    """Changes a probe's tensors in place, and scores with them.

    On the CPU most of a step would go on getting torch's operations on few numbers started, and NumPy's start several times
    as fast. So these are done on arrays that share the tensors' memory; elsewhere the arrays are the tensors themselves. The
    code is the same: operators, and the functions that both modules have.

    Parameters
    ----------
    tensors
        Everything learned, by name; the last column of the weights is the bias.
    average_over
        Recent samples over which weights are averaged, where they are.
    """

    rate: ClassVar[float]
    """Learning rate where none is given."""

    @staticmethod
    @abstractmethod
    def shapes(features: int) -> tuple[Shapes, Shapes]:
        """Return the shapes of tensors without rows for classes, and of one class's row of the others."""

    @ordinary
    def __init__(self, tensors: dict[str, Tensor], average_over: int) -> None:
        self.tensors, self.average_over = tensors, average_over
        self.on_host = tensors["mean"].is_cpu
        self.xp: Any = np if self.on_host else torch
        features = len(tensors["mean"])
        self._mean, self._var = self.array(tensors["mean"]), self.array(tensors["var"])
        self._deviation = torch.empty_like(tensors["var"])
        self._deviation_array = self.array(self._deviation)
        self._deviate()
        self.prior = tensors["weight"].new_zeros(len(tensors["weight"]))
        """What the scores are before the features are looked at, (classes,)."""
        self._z = tensors["mean"].new_ones(features + 1)  # of the sample that is learned; the last is the bias's
        self._z_array = self.array(self._z.narrow(0, 0, features))

    def array(self, tensor: Tensor) -> Any:
        """Return the array that shares a tensor's memory."""
        return tensor.numpy() if self.on_host else tensor

    def learn(self, rows: Tensor, row: int, w: float, step: int, rate: float) -> None:
        """Take one sample (1, F), of weight `w` and of the class with this row, as the one of this number from 1."""
        share = _share(step)
        shift = self.array(rows).ravel() - self._mean
        change = share * shift
        self._mean += change
        change *= shift
        self._var += change
        self._var *= 1.0 - share
        self._deviate()
        shift *= 1.0 - share  # from the mean as it is now
        self.xp.divide(shift, self._deviation_array, out=self._z_array)
        self._step(self._z, row, w, step, rate)

    def scores(self, rows: Tensor) -> Tensor:
        """Return the scores (n, classes) of (n, F) features."""
        weight = self.predicting()
        if self.on_host and rows.shape[0] == 1:  # for more, torch has threads
            # Not `_z`, as another thread may be learning; torch's, as rounding depends on how memory is aligned.
            sample = torch.empty_like(self._z)
            array = sample.numpy()
            array[-1] = 1.0
            inner = array[:-1]
            np.subtract(rows.numpy().ravel(), self._mean, out=inner)
            inner /= self._deviation_array
            return torch.addmv(self.prior, weight, sample).unsqueeze(0)
        z = (rows - self.tensors["mean"]) / self._deviation
        return torch.addmm(self.prior, torch.cat([z, z.new_ones(z.shape[0], 1)], dim=1), weight.T)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return the scores as an affine map of raw features: (classes, F) and (classes,)."""
        predicting = self.predicting()
        weight = predicting[:, :-1] / self._deviation
        return weight, self.prior + predicting[:, -1] - weight @ self.tensors["mean"]

    def predicting(self) -> Tensor:
        """Return the weights to predict with, (classes, F + 1)."""
        return self.tensors["weight"]

    def take_over(self, weight: Tensor, bias: Tensor) -> None:
        """Score as an affine map of raw features does: the inverse of `affine`."""
        own = bias + weight @ self.tensors["mean"] - self.prior
        taken = torch.cat([weight * self._deviation, own.unsqueeze(1)], dim=1)
        for name in ("weight", "average"):
            if name in self.tensors:
                self.tensors[name].copy_(taken)

    def _deviate(self) -> None:
        self.xp.sqrt(self._var + _VAR_EPS, out=self._deviation_array)

    @abstractmethod
    def _step(self, z: Tensor, row: int, w: float, step: int, rate: float) -> None:
        """Change the weights by a standardised sample (F + 1,)."""


class AveragedSgd(Descent):
    """Normalised steps from the log of each class's share, and the average of the weights over recent samples.

    Among hundreds of weights, the bias gets hundredths of a step. Had it to learn which labels are common, most of a stream
    would go by, and a probe would name rare ones too often. So shares are counted, and weights learn what is beyond them.
    A new class begins with the mean share, for it would hardly be found with its own; that fades with its age.
    """

    rate: ClassVar[float] = 3.0

    @staticmethod
    def shapes(features: int) -> tuple[Shapes, Shapes]:
        """Return also the shapes of the losses, of the weights and their average, and of each class's age and count."""
        weight = (features + 1,)
        shared: Shapes = {"mean": (features,), "var": (features,), "losses": (2,)}
        return shared, {"weight": weight, "average": weight, "age": (1,), "count": ()}

    @ordinary
    def __init__(self, tensors: dict[str, Tensor], average_over: int) -> None:
        super().__init__(tensors, average_over)
        weight = tensors["weight"]
        classes = len(weight)
        self._losses, self._age = self.array(tensors["losses"]), self.array(tensors["age"])
        self._count, self._prior_array = self.array(tensors["count"]), self.array(self.prior)
        self._scores = weight.new_empty(2, classes)
        self._current, self._averaged = self._scores
        self._error, self._pace = weight.new_empty(classes), weight.new_empty(classes, 1)
        self._error_array, self._pace_array = self.array(self._error), self.array(self._pace)
        self._slowest = self.array(torch.full_like(self._pace, 1.0 / self.average_over))
        self._expect()

    def predicting(self) -> Tensor:
        """Return whichever of the weights and their average had the smaller loss on recent samples."""
        weight, average, losses = (self.tensors[name] for name in ("weight", "average", "losses"))
        if self.on_host:  # where to look costs nothing, and a copy of all weights much
            return weight if self._losses[0] < self._losses[1] else average
        return torch.where(losses.select(0, 0) < losses.select(0, 1), weight, average)

    def _step(self, z: Tensor, row: int, w: float, step: int, rate: float) -> None:
        weight, average = self.tensors["weight"], self.tensors["average"]
        self._age += 1.0
        count = self._of_class(self._count, row)
        count += w
        self._expect()
        self._averaged.addmv_(average, z, beta=0.0)
        self._current.addmv_(weight, z, beta=0.0)  # last: wanted again below, the weights are then still in the cache
        self._scores += self.prior
        log_p = self.array(torch.log_softmax(self._scores, dim=1))
        share = _share(step)
        self._losses *= 1.0 - share
        self._losses -= share * self._of_class(log_p, row)
        current, _ = log_p
        self.xp.exp(current, out=self._error_array)
        own = self._of_class(self._error_array, row)
        own -= 1.0
        # The gradient is their outer product, which is not laid out in memory.
        weight.addr_(self._error.div_(z.dot(z)), z, alpha=-rate * w)
        self.xp.divide(1.0 + _EARLY, self._age + _EARLY, out=self._pace_array)
        self.xp.maximum(self._pace_array, self._slowest, out=self._pace_array)
        average.lerp_(weight, self._pace)

    def _expect(self) -> None:
        new = _NEW / (self._age.ravel() + _NEW) * ((self._count.sum() + _TINY) / max(len(self._count), 1))
        new += self._count
        self.xp.log(new, out=self._prior_array)

    def _of_class(self, array: Any, row: int) -> Any:
        return array[..., row] if self.on_host else array.select(-1, row)


class Adam(Descent):
    """Kingma and Ba 2015."""

    rate: ClassVar[float] = 1e-3

    @staticmethod
    def shapes(features: int) -> tuple[Shapes, Shapes]:
        """Return also the shapes of the running moments of the gradient."""
        weight = (features + 1,)
        return {"mean": (features,), "var": (features,)}, dict.fromkeys(
            ("weight", "first_moment", "second_moment"), weight
        )

    def _step(self, z: Tensor, row: int, w: float, step: int, rate: float) -> None:
        weight, first, second = (self.tensors[name] for name in ("weight", "first_moment", "second_moment"))
        error = torch.softmax(weight @ z, dim=0)
        error.select(0, row).sub_(1.0)
        error *= w
        first.addr_(error, z, beta=_BETA1, alpha=1.0 - _BETA1)
        second.addr_(error.square(), z.square(), beta=_BETA2, alpha=1.0 - _BETA2)
        unbias = 1.0 - _BETA1**step, math.sqrt(1.0 - _BETA2**step)
        denominator = second.sqrt().add_(_ADAM_EPS * unbias[1])
        weight.addcdiv_(first, denominator, value=-rate * unbias[1] / unbias[0])


def _share(step: int) -> float:
    """Return the weight of a sample in the running means: 1 / n, and from then on that of the last thousand or so."""
    return max(1.0 / step, 1e-3)
