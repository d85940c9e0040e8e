"""From what a user hands over to checked features, labels and weights."""

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.errors import DtypeError, LabelError, NonFiniteError, RankError, ValueRangeError

_SQUARED = torch.finfo(torch.float32).max ** 2
_HEAVIEST = 1e12  # weight of a sample; the lightest is its inverse
_LONGEST = 2048  # bits of a label that is an integer: all settings of Python write those
_SCALARS = (np.bool_, np.number, np.str_)  # not dates, of which Python's hold less
_BORROWED = (np.dtype(np.float32), np.dtype(np.float64))


def feature_rows(x: Any, *, single: bool, features: int | None, dtype: torch.dtype) -> Tensor:
    """Check features and return them as (n, F), float32 or `dtype`; it may be the caller's own memory.

    Parameters
    ----------
    x
        Tensor, array or nested sequence of numbers: (F,) if `single`, else (n, F). Finite in float32.
    single
        Whether `x` is one vector; it comes back as (1, F).
    features
        F, or ``None`` where it is not known yet.
    dtype
        float32 or float64; where it is float64, float32 features stay what they are, being exact in it.

    Raises
    ------
    DtypeError, RankError, NonFiniteError

    Examples
    --------
    >>> feature_rows([1, 2], single=True, features=2, dtype=torch.float64)
    tensor([[1., 2.]], dtype=torch.float64)
    """
    rows = _dense(x, dtype)
    shape = rows.shape
    if len(shape) != 2 - single or features not in (None, shape[-1]):
        length = "F" if features is None else features
        raise RankError(f"features of shape {tuple(shape)}: expected {f'({length},)' if single else f'(n, {length})'}")
    # On an accelerator this look would make every step wait for it.
    if rows.is_cpu:
        values = rows if single else rows.reshape(-1)
        # Quicker than a look at each; the squares of finite values may be too large, too.
        if not values.dot(values).item() <= _SQUARED and (lost := int((~torch.isfinite(rows.float())).sum())):
            raise NonFiniteError(f"features with NaN or infinity: {lost} values")
    return rows.unsqueeze(0) if single else rows


def checked_label(y: Any) -> Hashable:
    """Return a label as a class's name: a scalar of NumPy as Python's, which JSON knows, and a tensor as what it holds.

    Raises
    ------
    LabelError
        If it is not hashable, ``None``, not equal to itself, or an integer of more than 2,048 bits.

    Examples
    --------
    >>> checked_label(torch.tensor(3)), checked_label(np.str_("cat"))
    (3, 'cat')
    """
    if (isinstance(y, Tensor) and y.ndim == 0) or isinstance(y, _SCALARS):
        y = y.item()
    try:
        hash(y)
    except TypeError:
        raise LabelError(f"label of type {type(y).__name__}: expected a hashable value") from None
    if y is None or isinstance(y, Tensor) or not equals_itself(y):
        raise LabelError(
            f"label {y!r} is a missing value: expected a class (a sample without a label is not for a probe)"
        )
    if isinstance(y, int) and y.bit_length() > _LONGEST:
        raise LabelError(f"label of {y.bit_length():,} bits: expected an integer of at most {_LONGEST:,}, or text")
    label: Hashable = y
    return label


def checked_labels(y: Any) -> list[Hashable]:
    """Return the labels of several samples, each as `checked_label` does.

    Raises
    ------
    LabelError
        If one is no label, or they are not several: a text would be taken for its letters.

    Examples
    --------
    >>> checked_labels(["left", np.int64(2)])
    ['left', 2]
    """
    if isinstance(y, str | bytes) or not isinstance(y, Iterable):
        raise LabelError(f"labels of type {type(y).__name__}: expected one for each row, in a list")
    return [checked_label(label) for label in y]


def checked_weight(w: Any) -> float:
    """Return a sample's weight as a float.

    Raises
    ------
    ValueRangeError
        If it is not a number above 0, or so large or small that sums over samples would overflow.

    Examples
    --------
    >>> checked_weight(2)
    2.0
    """
    weight = quantity(w)
    if not 1 / _HEAVIEST <= weight <= _HEAVIEST:
        raise ValueRangeError(f"sample weight {quote(w)}: expected a number from {1 / _HEAVIEST:g} to {_HEAVIEST:g}")
    return weight


def equals_itself(y: Any) -> bool:
    """Whether a label is none of the values that stand for a missing one: NaN, and those of pandas."""
    try:
        return bool(y == y)
    except TypeError:  # of pandas' NA
        return False
    except ValueError:  # of a data frame
        return True


def _dense(x: Any, dtype: torch.dtype) -> Tensor:
    if isinstance(x, Tensor):
        if x.layout != torch.strided or x.is_meta or x.is_complex() or x.is_quantized:
            raise DtypeError(f"features as a tensor of {x.dtype}, {x.layout}: expected dense real numbers")
        return _as(x.detach().resolve_neg() if x.requires_grad or x.is_neg() else x, dtype)
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise NonFiniteError("features with masked values: expected all of them, such as their .filled(0)")
    if isinstance(x, np.ndarray) and x.dtype in _BORROWED and x.flags.c_contiguous and x.flags.writeable:
        return _as(torch.from_numpy(x), dtype)
    try:
        array = np.asarray(x)
    except ValueError as error:  # rows of different lengths
        raise RankError(f"features that are no array ({error}): expected numbers of one shape") from None
    if array.dtype.kind not in "biuf":
        raise DtypeError(f"features of dtype {array.dtype}: expected numbers")
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        copy = np.array(array, dtype=np.float32 if dtype == torch.float32 else np.float64, order="C")
    return torch.from_numpy(copy)


def _as(x: Tensor, dtype: torch.dtype) -> Tensor:
    return x if x.dtype == torch.float32 else x.to(dtype)
