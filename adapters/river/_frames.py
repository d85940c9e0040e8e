"""What a `SoftHebbTransformer` is shown: numbers by name, and frames that are found again by their content."""

import hashlib
from collections.abc import Hashable
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream.errors import InputError

_LARGEST = 1e15  # as of frames without a range


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
        raise InputError(f"feature {name!r} is {value!r}: expected a number") from None
    if not abs(number) <= _LARGEST:
        raise InputError(f"feature {name!r} is {value!r}: expected a finite number of at most {_LARGEST:g}")
    return number


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
