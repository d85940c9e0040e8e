"""`Solver`: what one way to learn has to give, so that `OnlineProbe` can do the rest."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class Solver(ABC):
    """Learns from checked features, and classes as numbers: rows of whatever it holds for each class."""

    solver: ClassVar[str]
    """Name of the method."""
    dtype: torch.dtype
    """Of the features it computes with."""
    sequential: ClassVar[bool]
    """Whether what is learned depends on the order of the samples."""
    option_names: ClassVar[tuple[str, ...]] = ("calibrate", "min_confidence")
    """Arguments that, with equal values, make an equal probe before it has learned."""

    steps: int
    """Labelled samples learned."""

    @abstractmethod
    def _allocate(self, features: int, device: torch.device) -> None:
        """Make room for vectors of that length, and for no class yet."""

    @abstractmethod
    def _add_row(self) -> None:
        """Make room for one more class, the last."""

    @abstractmethod
    def _remove_row(self, row: int) -> None:
        """Remove a class."""

    @abstractmethod
    def _widen(self, features: int) -> None:
        """Append features, so far always zero."""

    @abstractmethod
    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        """Learn from (n, F) features, float32 or `dtype`, of the classes with these rows."""

    @abstractmethod
    def _scores(self, rows: Tensor) -> Tensor:
        """Return the scores (n, classes) of (n, F) features, float32 or `dtype`."""

    @abstractmethod
    def _affine(self) -> tuple[Tensor, Tensor]:
        """Return the scores as an affine map of raw features: (classes, F) and (classes,)."""

    @abstractmethod
    def _tensors(self) -> dict[str, Tensor]:
        """Return everything learned, by name."""

    @abstractmethod
    def _load(self, tensors: dict[str, Tensor], classes: int) -> int:
        """Take tensors over and return the number of features."""
