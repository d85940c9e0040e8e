"""`LearnedTensors`: what a probe has learned, as tensors by name, some with a row for each class."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor

from hebbstream._turns import in_turn
from hebbstream.probe._inputs import feature_rows
from hebbstream.probe._state import OfOneTime, fitted, ordinary

Shapes = dict[str, tuple[int, ...]]


class LearnedTensors(OfOneTime, ABC):
    """Makes them, takes them from a state, and gives classes and features room in them."""

    dtype: torch.dtype
    """The dtype of all its tensors."""
    n_features: int | None = None
    """Length of the feature vectors, ``None`` before the first."""
    _center: ClassVar[str]
    """Name of the tensor that holds one number for each feature."""
    _shared: dict[str, Tensor]
    _per_class: dict[str, Tensor]  # with a row for each class

    @abstractmethod
    def _shapes(self, features: int) -> tuple[Shapes, Shapes]:
        """Return the shapes of tensors without rows for classes, and of one class's row of the others."""

    @abstractmethod
    def _widen(self, features: int) -> None:
        """Append features, so far always zero."""

    @abstractmethod
    def _replaced(self) -> None:
        """Drop what was made from tensors that others have taken the place of."""

    @in_turn
    @ordinary
    def grow(self, features: int) -> None:
        """Append features, so far always zero, at the end of the vectors this reads."""
        if self.n_features is not None and features:
            self._widen(features)
            self._replaced()
            self.n_features += features

    def _rows(self, x: Any, *, single: bool) -> Tensor:
        rows = feature_rows(x, single=single, features=self.n_features, dtype=self.dtype)
        return rows if self.n_features is None else rows.to(self._shared[self._center].device)

    @ordinary
    def _allocate(self, features: int, classes: int, device: torch.device) -> None:
        shared, rows = self._shapes(features)
        rows = {name: (classes, *shape) for name, shape in rows.items()}
        self._shared, self._per_class = (
            {name: torch.zeros(shape, dtype=self.dtype, device=device) for name, shape in shapes.items()}
            for shapes in (shared, rows)
        )
        self.n_features = features
        self._replaced()

    def _restore(self, tensors: dict[str, Tensor], classes: int) -> None:
        """Take tensors out of those of a state; `fitted` raises where they do not fit."""
        # On this device nothing is asked for that the state does not have.
        self._allocate(tensors[self._center].numel(), classes, torch.device("meta"))
        for held in (self._shared, self._per_class):
            held |= {name: fitted(name, tensors.pop(name), blank) for name, blank in held.items()}

    @ordinary
    def _add_row(self) -> None:
        for name, rows in self._per_class.items():
            self._per_class[name] = _one_longer(rows)
        self._replaced()

    @ordinary
    def _cut_rows(self, count: int) -> None:
        # Copies: the memory behind the rows is for others, which begin with zeros.
        self._per_class = {name: rows.narrow(0, 0, count).clone() for name, rows in self._per_class.items()}
        self._replaced()

    @ordinary
    def _remove_row(self, row: int) -> None:
        for name, rows in self._per_class.items():
            self._per_class[name] = torch.cat([rows[:row], rows[row + 1 :]])
        self._replaced()


def _one_longer(rows: Tensor) -> Tensor:
    """Return rows with one of zeros at their end, in memory with room for as many again: each is seldom copied.

    Examples
    --------
    >>> _one_longer(_one_longer(torch.ones(1, 2)))
    tensor([[1., 1.],
            [0., 0.],
            [0., 0.]])
    """
    count, shape = len(rows), rows.shape[1:]
    if not rows.is_cpu:
        return torch.cat([rows, rows.new_zeros(1, *shape)])
    size = shape.numel()
    if rows.untyped_storage().nbytes() < (count + 1) * size * rows.element_size():
        wider = rows.new_zeros(max(2 * count, 4), *shape)
        wider[:count] = rows
        rows = wider
    return rows.as_strided((count + 1, *shape), rows.stride())
