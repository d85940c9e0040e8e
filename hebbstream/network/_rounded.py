"""`RoundedWeights`: a copy of a layer's weights in bfloat16, of which only what changed is written again."""

import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream.rule._workspace import aligned


class RoundedWeights:
    """Knows by the tensor's version whether its copy is still right.

    A change that torch does not see, through a NumPy view of the weights, does not reach the copy. A copy, or a pickle, of
    this is an empty one.
    """

    def __init__(self) -> None:
        self._copy: Any = None
        self._of: Any = lambda: None
        self._stamp: tuple[int, int] = (0, 0)

    def of(self, weights: Tensor, kernels: Any) -> Any:
        """Return the copy, shape (K, N), as bits in uint16; make it anew if the weights have changed otherwise."""
        if self._of() is not weights or self._stamp != _stamp(weights):
            if self._copy is None or self._copy.shape != tuple(weights.shape):
                self._copy = aligned(tuple(weights.shape), torch.uint16)
            rows = np.arange(len(weights))
            kernels.round_rows(weights.numpy(), self._copy, rows, len(rows))
            self._of, self._stamp = weakref.ref(weights), _stamp(weights)
        return self._copy

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return 0 if self._copy is None else int(self._copy.nbytes)

    def written(self, weights: Tensor) -> None:
        """Note that the changed rows were written to the copy too."""
        self._stamp = _stamp(weights)

    def __reduce__(self) -> tuple[type["RoundedWeights"], tuple[()]]:
        return RoundedWeights, ()


def mark_changed(weights: Tensor) -> None:
    """Tell torch that a kernel has changed a tensor."""
    torch.autograd.graph.increment_version(weights)


def _stamp(weights: Tensor) -> tuple[int, int]:
    return weights.data_ptr(), weights._version
