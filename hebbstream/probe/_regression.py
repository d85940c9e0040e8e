"""`RidgeRegression`: least squares for a number, from sums over the stream."""

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._numbers import plain_number, quantity
from hebbstream._quote import quote
from hebbstream._turns import in_turn
from hebbstream.errors import ConfigurationError, InputError, ValueRangeError
from hebbstream.probe._fading import FadingSums
from hebbstream.probe._inputs import checked_weight
from hebbstream.probe._sums import Moments, least_squares
from hebbstream.probe._tensors import Shapes

_NO_NUMBERS = (str, bytes, bytearray, np.datetime64, np.timedelta64, np.complexfloating)  # which `float` takes for some
_LARGEST = 1e100  # target: its products with weights, features and itself are finite


class RidgeRegression(FadingSums):
    """Ridge regression of a number on standardised features: the exact solution for all samples so far.

    Keeps Σ w v vᵀ of v = (1, y, x), in float64: no order of the samples changes it but for rounding.

    Parameters
    ----------
    l2, dimensions, seed, solve_every, half_life
        See `RidgeProbe` and `MomentProbe`.

    Examples
    --------
    >>> model = RidgeRegression(l2=1e-6)
    >>> for x in range(10):
    ...     model.learn_one([float(x), 1.0], 3.0 * x + 2.0)
    >>> round(model.predict_one([100.0, 1.0]), 3)
    302.0
    """

    _one: ClassVar[int] = 0

    def __init__(
        self,
        l2: float = 1.0,
        *,
        dimensions: int = 1024,
        seed: int = 0,
        solve_every: int | None = None,
        half_life: float | None = None,
    ) -> None:
        self._set_options(dimensions, seed, solve_every, half_life)
        if not quantity(l2) > 0:
            raise ConfigurationError(f"l2={l2!r}: expected a number above 0")
        super().__init__()
        self.l2 = plain_number(l2)
        self.columns: dict[Any, int] = {}
        """Index of each feature in the vectors, by its name; empty where features have no names."""
        self.steps = 0
        """Samples learned."""
        self._shared, self._per_class = {}, {}

    @in_turn
    def learn_one(self, x: Any, y: float, w: float = 1.0) -> None:
        """Learn from features (F,) and their number `y`; errors as of `OnlineProbe.learn_one`."""
        self._take(self._rows(x, single=True), [checked_target(y)], [checked_weight(w)])

    @in_turn
    def learn_many(self, X: Any, y: Any, w: Any) -> None:
        """Learn from features (n, F), n numbers and n weights, to the same effect as one after another."""
        rows, targets = self._rows(X, single=False), [checked_target(value) for value in y]
        weights = [checked_weight(weight) for weight in w]
        if not len(rows) == len(targets) == len(weights):
            raise InputError(
                f"{len(rows)} rows, {len(targets)} numbers, {len(weights)} weights: expected as many of each"
            )
        if targets:
            self._take(rows, targets, weights)

    @in_turn
    def predict_one(self, x: Any) -> float:
        """Return the number expected; 0 before the first sample."""
        return self._predicted(self._rows(x, single=True))[0]

    @in_turn
    def predict_many(self, X: Any) -> list[float]:
        """Return the number expected for each row."""
        return self._predicted(self._rows(X, single=False))

    def _predicted(self, rows: Tensor) -> list[float]:
        if not self.steps:
            return [0.0] * len(rows)
        weight, bias = self._latest()
        found: list[float] = (self._project(rows - self._shared["origin"]) @ weight + bias).tolist()
        return found

    def _shapes(self, features: int) -> tuple[Shapes, Shapes]:
        d = min(features, self.dimensions) + 2
        return {"origin": (features,), "target": (), "gram": (d, d)}, {}

    def _take(self, rows: Tensor, targets: list[float], weights: list[float]) -> None:
        if self.n_features is None:
            self._allocate(rows.shape[1], 0, rows.device)
        if (first := self._next_origin(len(rows))) is not None:
            origin, target = rows.select(0, first).to(self.dtype, copy=True), self._shared["target"]
            shift = (targets[first] - target).unsqueeze(0)
            self._move_origin(origin, before=[torch.zeros_like(shift), shift])
            target.fill_(targets[first])
        x = self._project(rows - self._shared["origin"])
        y = torch.tensor(targets, dtype=self.dtype, device="cpu").to(x.device) - self._shared["target"]
        v = torch.cat([torch.ones_like(y).unsqueeze(1), y.unsqueeze(1), x], dim=1)
        age = torch.arange(len(targets) - 1, -1, -1, dtype=self.dtype, device="cpu")
        faded = torch.tensor(weights, dtype=self.dtype, device="cpu") * self._keeps**age
        self._shared["gram"].addmm_(v.T, v * faded.to(x.device).unsqueeze(1), beta=self._keeps ** len(targets))
        self.steps += len(targets)
        self._pending += len(targets)

    def _solve(self) -> tuple[Tensor, Tensor]:
        """Return the weights (d,) and the bias, of features from the origin."""
        gram = self._shared["gram"]
        weight, of_y, total = gram[0, 0], gram[:1, 1], gram[0, 2:]
        moments = Moments(self._projected_origin(), gram[2:, 2:], total, weight, gram[1:2, 2:], of_y, of_y)
        solved = least_squares(moments, float(self.l2))
        rows = solved.weight / solved.scale
        return rows[0], of_y[0] / weight - rows[0] @ (total / weight) + self._shared["target"]

    def _widened(self, rows: Tensor, features: int) -> Tensor:
        padded = F.pad(rows[:, 2:], (0, features + 2 - rows.shape[1]))
        return torch.cat([rows[:, :2], self._project(padded)], dim=1)


def checked_target(y: Any) -> float:
    """Return the number that is to be predicted as a float.

    Raises
    ------
    ValueRangeError
        If it is no number, or so large that sums over samples would overflow.

    Examples
    --------
    >>> checked_target(torch.tensor(2))
    2.0
    """
    try:
        target = float(y) if not isinstance(y, _NO_NUMBERS) else None
    except (TypeError, ValueError, OverflowError, RuntimeError):
        target = None
    if target is None or not abs(target) <= _LARGEST:
        raise ValueRangeError(f"target {quote(y)}: expected a finite number of at most {_LARGEST:g}")
    return target
