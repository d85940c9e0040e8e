"""What a `SoftHebbTransformer` is shown: numbers by name, and frames that are found again by their content."""

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream._quote import quote
from hebbstream.adapters.river._columns import as_pandas, is_frame
from hebbstream.errors import InputError
from hebbstream.network._frames import LARGEST_VALUE


def finite_number(name: Hashable, value: Any) -> float:
    """Return the value of a feature as a float.

    Raises
    ------
    InputError
        If it is no finite number of at most 1e15 in magnitude.
    """
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"feature {name!r} is {quote(value)}: expected a number") from None
    if not abs(number) <= LARGEST_VALUE:
        raise InputError(f"feature {name!r} is {quote(value)}: expected a finite number of at most {LARGEST_VALUE:g}")
    return number


def bare_image(x: Any) -> Any:
    """Return an image that is the only value of a dict; anything else as it is."""
    if isinstance(x, Mapping) and len(x) == 1 and getattr(next(iter(x.values())), "ndim", 0) >= 2:
        (x,) = x.values()
    return x


def samples_of(X: Any) -> list[Any]:
    """Return the samples of a mini-batch: the rows of a data frame, as dicts, or what it holds.

    Raises
    ------
    InputError
        If it holds no samples.
    """
    X = as_pandas(X)
    try:
        return X.to_dict("records") if is_frame(X) else list(X)
    except TypeError:
        raise InputError(f"mini-batch of type {type(X).__name__}: expected a data frame, rows or images") from None


def content(frame: Any) -> Hashable:
    """Return what is equal for equal frames: cameras reuse their memory, so that its address says nothing."""
    if isinstance(frame, Tensor):
        if frame.device.type != "cpu":
            return _Held(frame), frame._version
        frame = frame.numpy()
    data = np.ascontiguousarray(frame)
    return data.shape, data.dtype.str, hashlib.blake2b(data.tobytes(), digest_size=16).digest()


class _Held:
    """A tensor that equals itself only; held, so that no other can have its address."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self._tensor is other._tensor

    def __hash__(self) -> int:
        return id(self._tensor)
