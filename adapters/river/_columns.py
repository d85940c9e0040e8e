"""`Columns`: from river's features by name, whichever of them a sample has, to dense vectors and matrices."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream.adapters.river._transformer import Features
from hebbstream.errors import DtypeError, InputError


class Columns(dict[Hashable, int]):
    """The column of each name learned so far. Features that come as a tensor or an array have none, and stay as they are.

    Examples
    --------
    >>> columns = Columns()
    >>> new = columns.unknown({"a": 1.0, "b": 2.0})
    >>> columns.vector({"b": 2.0}, new)
    array([0., 2.])
    """

    def unknown(self, x: Any) -> dict[Hashable, int]:
        """Return the columns that the names seen for the first time would get."""
        # A tensor first: to find out that it is none of the others takes long beside a step.
        if isinstance(x, Tensor | Features) or not (isinstance(x, Mapping) or is_frame(x)):
            return {}
        names = x.columns if is_frame(x) else x
        new = [name for name in names if name not in self]
        if any(name != name for name in new):  # NaN: each would be another feature
            raise InputError("feature name that does not equal itself: expected one that can be found again")
        return {name: len(self) + offset for offset, name in enumerate(new)}

    def vector(self, x: Any, new: Mapping[Hashable, int] | None = None) -> Any:
        """Return the features of one sample, those of `new` names at the end; other names have no weight yet."""
        if isinstance(x, Features):
            return x.tensor
        if not isinstance(x, Mapping):
            return x
        column = {**self, **(new or {})}
        known = [name for name in x if name in column]
        vector = np.zeros(len(column))
        vector[[column[name] for name in known]] = _real_numbers([x[name] for name in known], ndim=1)
        return vector

    def matrix(self, X: Any, new: Mapping[Hashable, int] | None = None) -> Any:
        """Return the features of a mini-batch, as `vector` does those of a sample."""
        if not is_frame(X):
            return X
        if not X.columns.is_unique:
            raise InputError("data frame with two columns of one name: expected each name once")
        column = {**self, **(new or {})}
        known = [name for name in X.columns if name in column]
        matrix = np.zeros((len(X), len(column)))
        matrix[:, [column[name] for name in known]] = _real_numbers(X[known].to_numpy(), ndim=2)
        return matrix


def is_frame(x: Any) -> bool:
    """Return whether it is a data frame, without importing pandas."""
    return hasattr(x, "columns")


def _real_numbers(values: Any, *, ndim: int) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Return numbers of any kind as float64; text that reads as a number is none."""
    try:
        array = np.asarray(values if len(values) else np.zeros(np.shape(values)))
        text = array.dtype.kind not in "biufO" or any(isinstance(value, str | bytes) for value in array.flat)
        if text or array.ndim != ndim:
            raise TypeError(f"found {array.dtype} of {array.ndim} dimensions")
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise DtypeError(f"features by name: expected a real number for each ({error})") from None
