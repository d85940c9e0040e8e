"""Rows of sensors, as they come: numbers, arrays, or values by name; and what is known about each."""

import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from hebbstream._quote import quote
from hebbstream.errors import InputError, RankError
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.streams")
Values = np.ndarray[Any, np.dtype[np.float32]]
_LARGEST = 1e15  # as of frames without a range


@dataclass(frozen=True, slots=True)
class Row:
    """One moment of a signal.

    Parameters
    ----------
    values
        Of each channel, shape (C,); NaN where there is none.
    y, t, source
        As of `Sample`.
    key
        Of the signal that it belongs to.
    """

    values: Values
    y: Hashable = None
    t: float | None = None
    source: str | None = None
    key: Hashable = None

    @property
    def signal(self) -> Hashable:
        """What tells its signal from others."""
        return self.source, self.key


class RowReader:
    """Reads rows, all with the channels of the first.

    Parameters
    ----------
    columns
        Names of the channels in a row by name, in their order; ``None`` takes those of the first row.
    label, time, group
        Names in such a row, of its label, its time and the key of its signal.

    Examples
    --------
    >>> reader = RowReader(None, label="activity")
    >>> reader({"x": 1.0, "y": None, "activity": "rest"})
    Row(values=array([ 1., nan], dtype=float32), y='rest', t=None, source=None, key=None)
    >>> reader.columns
    ('x', 'y')
    """

    def __init__(
        self,
        columns: Sequence[Hashable] | None = None,
        label: Hashable = None,
        time: Hashable = None,
        group: Hashable = None,
    ) -> None:
        self.columns: tuple[Hashable, ...] | None = None if columns is None else tuple(columns)
        self._label, self._time, self._group = label, time, group
        self._begin: datetime | date | None = None

    def __call__(self, item: Any) -> Row:
        """Read one.

        Raises
        ------
        InputError
            If a value is no number, or there are not as many as in the first row.
        """
        sample = Sample.of(item)
        x = sample.x
        if not isinstance(x, Mapping):
            return Row(self._positional(x), sample.y, sample.t, sample.source)
        if self.columns is None:
            others = (self._label, self._time, self._group)
            self.columns = tuple(name for name in x if name not in others)
        values = np.array([number(name, x.get(name)) for name in self.columns], np.float32)
        y = sample.y if self._label is None else Sample.of((None, x.get(self._label))).y
        t = sample.t if self._time is None else self._seconds(x.get(self._time))
        key = None if self._group is None else x.get(self._group)
        return Row(values, None if y != y else y, t, sample.source, key)  # NaN, which a data frame has for no label

    def _positional(self, x: Any) -> Values:
        try:
            values = np.atleast_1d(np.asarray(x, np.float32))
        except (TypeError, ValueError):
            raise InputError(f"row {quote(x)}: expected numbers, an array of them, or a dict") from None
        if values.ndim != 1 or not len(values):
            raise RankError(f"row of shape {np.shape(x)}: expected one moment, a number or an array of shape (C,)")
        if self.columns is None:
            self.columns = tuple(range(len(values)))
        if len(values) != len(self.columns):
            raise InputError(f"row of {len(values)} values: expected {len(self.columns)}, as in the first")
        return np.where(np.abs(values) <= _LARGEST, values, np.float32(np.nan))

    def _seconds(self, value: Any) -> float | None:
        """Read a time: seconds, or a date and time, which counts from that of the first row."""
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value) if not _is_number(value) else float(value)
            except ValueError:
                raise InputError(
                    f"time {self._time!r} is {quote(value)}: expected seconds or a date and time"
                ) from None
        if isinstance(value, date):  # a datetime is one
            self._begin = value if self._begin is None else self._begin
            try:
                return (value - self._begin).total_seconds()
            except TypeError:
                raise InputError(f"time {self._time!r} is {quote(value)}: expected one like {self._begin}") from None
        seconds = number(self._time, value)
        return None if math.isnan(seconds) else seconds


def number(name: Hashable, value: Any) -> float:
    """Return a value by name as a float; NaN where there is none: ``None``, an empty text, NaN, an infinity.

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> number("x", None), number("x", "2.5")
    (nan, 2.5)
    """
    if value is None or value == "":
        return math.nan
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"column {name!r} is {quote(value)}: expected a number") from None
    return found if abs(found) <= _LARGEST else math.nan


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
