"""`Projection`: many features to a bounded number, by a fixed random sketch."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream.errors import ConfigurationError

_Bits = npt.NDArray[np.uint64]


class Projection:
    """The count sketch: every feature is added, with a random sign, to one of a few sums chosen at random.

    It keeps inner products in expectation (Weinberger et al. 2009, *Feature Hashing for Large Scale Multitask
    Learning*), costs one addition for each feature, and is computed from the features' numbers, so that it needs no
    memory, and further features leave the sums of the present ones alone.

    Parameters
    ----------
    dimensions
        Sums; fewer features than that are left as they are.
    seed
        What the choice is drawn by; the same seed gives the same.

    Examples
    --------
    >>> projection = Projection(2, seed=0)
    >>> projection(torch.ones(1, 2)), projection(torch.ones(1, 9)).shape
    (tensor([[1., 1.]]), torch.Size([1, 2]))
    """

    def __init__(self, dimensions: int, seed: int) -> None:
        if not isinstance(seed, int | np.integer):
            raise ConfigurationError(f"seed={seed!r}: expected an integer")
        self.dimensions, self.seed = dimensions, int(seed)
        self._place = torch.zeros(0, dtype=torch.int64, device="cpu")
        self._sign = torch.zeros(0, dtype=torch.float64, device="cpu")
        self._members = torch.zeros(0, 0, dtype=torch.int64, device="cpu")

    def __call__(self, rows: Tensor) -> Tensor:
        """(n, F) to (n, min(F, dimensions))."""
        if rows.shape[1] <= self.dimensions:
            return rows
        place, sign = self._choice(rows)
        if rows.is_cpu:
            return rows.new_zeros(len(rows), self.dimensions).index_add_(1, place, rows * sign)
        # A card would add in another order each time.
        members = F.pad(rows * sign, (0, 1)).index_select(1, self._members.flatten())
        return members.view(len(rows), *self._members.shape).sum(dim=2)

    def transposed(self, weight: Tensor, features: int) -> Tensor:
        """(n, min(F, dimensions)), for instance weights of the sums, to (n, F): weights of F features."""
        if features <= self.dimensions:
            return weight
        place, sign = self._choice(weight.new_empty(0, features))
        return weight[:, place] * sign

    def _choice(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        if len(self._place) != rows.shape[1] or self._sign.device != rows.device or self._sign.dtype != rows.dtype:
            mixed = _mixed(np.arange(rows.shape[1], dtype=np.uint64), self.seed)
            place = (mixed >> np.uint64(1)) % np.uint64(self.dimensions)
            self._place = torch.from_numpy(place.astype(np.int64)).to(rows.device)
            self._sign = torch.from_numpy(1.0 - 2.0 * (mixed & np.uint64(1))).to(rows)
            if not rows.is_cpu:
                self._members = torch.from_numpy(_members(place.astype(np.int64), self.dimensions)).to(rows.device)
        return self._place, self._sign


def _members(place: npt.NDArray[np.int64], dimensions: int) -> npt.NDArray[np.int64]:
    """Return the features of each sum, and for places that are left over the number after the last feature.

    Examples
    --------
    >>> _members(np.array([1, 0, 1]), 2)
    array([[1, 3],
           [0, 2]])
    """
    counts, order = np.bincount(place, minlength=dimensions), np.argsort(place, kind="stable")
    members = np.full((dimensions, counts.max()), len(place))
    members[place[order], np.arange(len(place)) - (np.cumsum(counts) - counts)[place[order]]] = order
    return members


def _mixed(numbers: _Bits, seed: int) -> _Bits:
    """Return 64 random bits for each number: splitmix64 (Steele et al. 2014), the same on every machine."""
    x = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
