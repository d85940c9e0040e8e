"""`FadingSums`: what is solved from sums over the stream, in which earlier samples may fade."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._numbers import check_number, plain_number, quantity
from hebbstream.errors import ConfigurationError
from hebbstream.probe._projection import Projection
from hebbstream.probe._state import ordinary
from hebbstream.probe._tensors import LearnedTensors

_QUICK = 256  # features for which to solve takes no longer than a step of a network
_SHARE, _MOST = 100, 32  # of samples that wait for a new solution: one in so many, and at most


class FadingSums(LearnedTensors):
    """Keeps sums of products of features, from one of the samples as origin, and solves when it is asked."""

    dtype = torch.float64
    steps: int
    _center: ClassVar[str] = "origin"
    _one: ClassVar[int]
    """Place of the 1 in every vector that is summed, and so of weights in each row of sums."""
    _newest = 0
    """Samples learned when the newest class came."""

    def _set_options(self, dimensions: int, seed: int, solve_every: int | None, half_life: float | None) -> None:
        """Take the options that `MomentProbe` explains."""
        check_number("dimensions", dimensions)
        if solve_every is not None and not quantity(solve_every) >= 1:
            raise ConfigurationError(f"solve_every={solve_every!r}: expected a positive integer, or None")
        if half_life is not None and not quantity(half_life) > 0:
            raise ConfigurationError(f"half_life={half_life!r}: expected a number above 0, or None")
        self.dimensions, self.seed = dimensions, seed
        self.solve_every, self.half_life = plain_number(solve_every), plain_number(half_life)
        self._keeps = 1.0 if half_life is None else 0.5 ** (1 / self.half_life)  # of everything, at each sample
        self._project = Projection(dimensions, seed)
        self._solution: tuple[Tensor, Tensor] | None = None
        self._pending = 0  # samples learned since then

    @abstractmethod
    def _solve(self) -> tuple[Tensor, Tensor]:
        """Return weights (d,) and a bias, or (C, d) and (C,) of C classes, of features from the origin."""

    @abstractmethod
    def _widened(self, rows: Tensor, features: int) -> Tensor:
        """Return rows of sums with columns for so many features."""

    def _next_origin(self, samples: int) -> int | None:
        """Return which of so many samples to learn becomes the origin: the first of all, and one in each half-life.

        Products of features far from the origin lose their digits. A sample that has faded may lie any distance away;
        one that has not is among what the features vary by.
        """
        if self.half_life is None:
            return None if self.steps else 0
        passed = (self.steps + samples) // self.half_life != self.steps // self.half_life
        return samples - 1 if passed or not self.steps else None

    @ordinary
    def _move_origin(self, origin: Tensor, before: Sequence[Tensor] = (), after: Sequence[Tensor] = ()) -> Tensor:
        """Sum from another origin; return by how much the vectors that are summed get less, numbers beside features as given."""
        by = self._project((origin - self._shared["origin"]).unsqueeze(0)).select(0, 0)
        shift = torch.cat([*before, by, *after])
        gram = self._shared["gram"]
        gram = gram - torch.outer(gram.select(1, self._one), shift)
        gram = gram - torch.outer(shift, gram.select(0, self._one))
        self._shared |= {"origin": origin, "gram": gram}
        if self._solution is not None:
            weight, bias = self._solution
            self._solution = weight, bias + weight @ by
        return shift

    def _projected_origin(self) -> Tensor:
        return self._project(self._shared["origin"].unsqueeze(0)).select(0, 0)

    def _latest(self) -> tuple[Tensor, Tensor]:
        """Return the solution to predict with."""
        if self._solution is None or self._pending >= (self.solve_every or self._may_wait()):
            self._solution, self._pending = self._solve(), 0
        return self._solution

    def _may_wait(self) -> int:
        """Return how many samples may wait for a new solution where the user does not say: few after a new class has come."""
        if self._is_quick():
            return 1
        return max(1, min(_MOST, (self.steps - self._newest) // _SHARE))

    def _is_quick(self) -> bool:
        return min(self.n_features or 0, self.dimensions) <= _QUICK

    def _add_row(self) -> None:
        super()._add_row()
        self._newest = self.steps

    def _widen(self, features: int) -> None:
        before = len(self._shared["origin"])
        self._shared["origin"] = F.pad(self._shared["origin"], (0, features))
        if before <= self.dimensions:  # otherwise the new features are added to sums that exist
            gram = self._widened(self._shared["gram"], before + features).T.contiguous()
            self._shared["gram"] = self._widened(gram, before + features)

    def _replaced(self) -> None:
        self._solution, self._pending = None, 0
