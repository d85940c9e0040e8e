"""`FadingSums`: what is solved from sums over the stream, in which earlier samples may fade."""

from abc import abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._numbers import check_number, quantity
from hebbstream.errors import ConfigurationError
from hebbstream.probe._projection import Projection
from hebbstream.probe._tensors import LearnedTensors


class FadingSums(LearnedTensors):
    """Keeps sums of products of features, from the first sample as origin, and solves when it is asked."""

    dtype = torch.float64
    _center: ClassVar[str] = "origin"

    def _set_options(self, dimensions: int, seed: int, solve_every: int, half_life: float | None) -> None:
        """Take the options that `MomentProbe` explains."""
        check_number("dimensions", dimensions)
        if not quantity(solve_every) >= 1:
            raise ConfigurationError(f"solve_every={solve_every!r}: expected a positive integer")
        if half_life is not None and not quantity(half_life) > 0:
            raise ConfigurationError(f"half_life={half_life!r}: expected a number above 0, or None")
        self.dimensions, self.seed, self.solve_every, self.half_life = dimensions, seed, solve_every, half_life
        self._keeps = 1.0 if half_life is None else 0.5 ** (1 / half_life)  # of everything, at each sample
        self._project = Projection(dimensions, seed)
        self._solution: tuple[Tensor, Tensor] | None = None
        self._pending = 0  # samples learned since then

    @abstractmethod
    def _solve(self) -> tuple[Tensor, Tensor]:
        """Return weights (d,) and a bias, or (C, d) and (C,) of C classes, of features from the origin."""

    @abstractmethod
    def _widened(self, rows: Tensor, features: int) -> Tensor:
        """Return rows of sums with columns for so many features."""

    def _latest(self) -> tuple[Tensor, Tensor]:
        """Return the solution to predict with."""
        if self._solution is None or self._pending >= self.solve_every:
            self._solution, self._pending = self._solve(), 0
        return self._solution

    def _widen(self, features: int) -> None:
        before = len(self._shared["origin"])
        self._shared["origin"] = F.pad(self._shared["origin"], (0, features))
        if before <= self.dimensions:  # otherwise the new features are added to sums that exist
            gram = self._widened(self._shared["gram"], before + features).T.contiguous()
            self._shared["gram"] = self._widened(gram, before + features)

    def _replaced(self) -> None:
        self._solution, self._pending = None, 0
