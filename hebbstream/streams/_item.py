"""Reading and rewriting the items of a stream, whatever their kind, layout and library."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, InputError, RankError
from hebbstream.network._frames import check_frames
from hebbstream.network._spec import LARGEST_SIZE
from hebbstream.streams._sample import Sample

T = TypeVar("T")


def with_frame(item: Any, frame: Any) -> Any:
    """Return an item of the same kind with another frame; label, time and source stay.

    Examples
    --------
    >>> with_frame(("before", 3), "after")
    ('after', 3)
    >>> with_frame(Sample("before", t=0.5), "after")
    Sample(x=str, t=0.5)
    """
    if isinstance(item, Sample):
        return replace(item, x=frame)
    return (frame, item[1]) if isinstance(item, tuple) and len(item) == 2 else frame


def owned(item: T) -> T:
    """Return an item whose frame lies in memory of its own: its source may fill the same with the next one.

    Examples
    --------
    >>> frame = np.zeros((48, 64, 3), dtype=np.uint8)
    >>> kept, _ = owned((frame, "cat"))
    >>> frame[:] = 255
    >>> int(kept.max())
    0
    """
    pair = isinstance(item, tuple) and len(item) == 2
    frame: Any = item.x if isinstance(item, Sample) else item[0] if pair else item  # type: ignore[index]  # a pair
    copied = frame.copy() if isinstance(frame, np.ndarray) else frame.clone() if isinstance(frame, Tensor) else frame
    return item if copied is frame else cast(T, with_frame(item, copied))


def time_of(sample: Sample) -> float:
    """Return a sample's time in seconds.

    Raises
    ------
    InputError
        If it has none, or one that is not finite.
    """
    if sample.t is None or not math.isfinite(sample.t):
        raise InputError(f"sample with t={sample.t}: expected its time in seconds")
    return sample.t


def planes(frame: Any, *, input_range: tuple[float, float] | None = None) -> Tensor:
    """View a frame as planes (C, H, W), of its own dtype and on its own device.

    Parameters
    ----------
    frame
        NumPy array or tensor, uint8 or floating point, (H, W), (C, H, W) or (H, W, C). The channels are the shorter of
        the first and the last axis; the first where both are alike.
    input_range
        Least and greatest value allowed in a floating-point frame, or ``None`` for any finite value.

    Raises
    ------
    RankError, DtypeError, NonFiniteError, ValueRangeError, ImageSizeError

    Examples
    --------
    >>> planes(np.zeros((48, 64, 3), dtype=np.uint8)).shape
    torch.Size([3, 48, 64])
    """
    shape = tuple(getattr(frame, "shape", (1, 1)))
    if len(shape) not in (2, 3):
        raise RankError(f"frame of shape {shape}: expected (H, W), (C, H, W) or (H, W, C)")
    channels = 1 if len(shape) == 2 else min(shape[0], shape[2])
    return check_frames(frame, single=True, in_channels=channels, input_size=None, input_range=input_range)[0]


def like(frame: Any, planes: Tensor) -> Any:
    """Return planes (C, H, W) in a frame's layout and library, in memory of their own.

    A view would keep the whole frame alive for as long as a buffer holds a crop of it.

    Examples
    --------
    >>> frame = np.zeros((48, 64, 3), dtype=np.uint8)
    >>> like(frame, planes(frame)[:, :8, :8]).shape
    (8, 8, 3)
    """
    if len(frame.shape) == 2:
        planes = planes[0]
    elif frame.shape[0] > frame.shape[2]:
        planes = planes.permute(1, 2, 0)
    planes = planes.clone(memory_format=torch.contiguous_format)
    return planes.numpy() if isinstance(frame, np.ndarray) else planes


def size_of(size: int | tuple[int, int]) -> tuple[int, int]:
    """Read (height, width), or one number for both.

    Raises
    ------
    ConfigurationError
        If they are not positive, or 2**31 or more.

    Examples
    --------
    >>> size_of(32)
    (32, 32)
    """
    sides = [*map(as_index, size if isinstance(size, Iterable) else (size, size))]
    if len(sides) != 2 or not all(1 <= side < LARGEST_SIZE for side in sides):
        raise ConfigurationError(f"size={quote(size)}: expected a positive number of pixels, or (height, width)")
    return sides[0], sides[1]
