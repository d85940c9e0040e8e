"""Rows of sensors, as they come: numbers, arrays, or values by name; and what is known about each."""

import logging
import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, InputError, RankError
from hebbstream.network._frames import LARGEST_VALUE
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.streams")
Values = np.ndarray[Any, np.dtype[np.float32]]
_NO_VALUE = ("None", "NULL", "null", "N/A", "n/a")  # as databases and programs write it; a label may be called so
_PLAIN = frozenset((float, int, str))
_DATED = "expected seconds or a date and time such as 2026-01-31 23:59"
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


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
    captured
        As of `Sample`.
    """

    values: Values
    y: Hashable = None
    t: float | None = None
    source: str | None = None
    key: Hashable = None
    captured: float | None = None

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
    valid_range
        Least and greatest value; one beyond is missing.

    Examples
    --------
    >>> reader = RowReader(None, label="activity")
    >>> reader({"x": 1.0, "y": None, "activity": "rest"})
    Row(values=array([ 1., nan], dtype=float32), y='rest', t=None, source=None, key=None, captured=None)
    >>> reader.columns
    ('x', 'y')
    """

    def __init__(
        self,
        columns: Sequence[Hashable] | None = None,
        label: Hashable = None,
        time: Hashable = None,
        group: Hashable = None,
        valid_range: tuple[float, float] | None = None,
    ) -> None:
        self.columns: tuple[Hashable, ...] | None = None if columns is None else checked_columns(columns)
        for option, name in (("label", label), ("time", time), ("group", group)):
            if not isinstance(name, Hashable):
                raise ConfigurationError(f"{option}={quote(name)}: expected the name of a column")
        self._label, self._time, self._group = label, time, group
        self._valid_range = None if valid_range is None else _checked_range(valid_range)
        self._zoned: bool | None = None
        """Whether dates say their zone; of some that do and some that do not, nobody knows which came first."""

    def __call__(self, item: Any) -> Row:
        """Read one.

        Raises
        ------
        InputError
            If a value is no number, there are not as many as in the first row, or none, or the signal's key cannot be
            hashed.
        """
        sample = Sample.of(item)
        x, y, t, key = sample.x, sample.y, sample.t, None
        if isinstance(x, Mapping):
            if self.columns is None:
                columns = self._channels_of(x)
                if not columns:
                    names = ", ".join(map(str, x)) or "nothing"
                    raise InputError(f"row of {names}: expected a channel besides label, time and group")
                self.columns = columns
            values = np.array([number(name, x.get(name)) for name in self.columns], np.float32)
            y = y if self._label is None else Sample.of((None, x.get(self._label))).y
            t = t if self._time is None else self._seconds(x.get(self._time))
            key = None if self._group is None else self._key(x.get(self._group))
        else:
            values = self._positional(x)
        if self._valid_range is not None:
            least, greatest = self._valid_range
            values = np.where((values >= least) & (values <= greatest), values, np.float32(np.nan))
        y, t = None if _has_none(y) else y, None if _has_none(t) else t
        return Row(values, y, t, sample.source, key, sample.captured)

    def check(self, names: Collection[Hashable]) -> None:
        """Refuse to read rows that lack a name.

        Raises
        ------
        ConfigurationError
            If one that was given is not among the `names` of a row.
        """
        for name in (*(self.columns or ()), self._label, self._time, self._group):
            if name is not None and name not in names:
                raise ConfigurationError(f"no column {name!r}: found {', '.join(map(str, names))}")

    def options(self, names: Collection[Hashable] | None) -> str:
        """Return what was given, for rows of these `names`, as it is written in a call; all channels are the default."""
        columns = None if names is not None and self.columns == self._channels_of(names) else self.columns
        given = {"columns": columns, "label": self._label, "time": self._time, "group": self._group}
        given["valid_range"] = self._valid_range
        return "".join(f", {name}={value!r}" for name, value in given.items() if value is not None)

    def _channels_of(self, names: Collection[Hashable]) -> tuple[Hashable, ...]:
        return tuple(name for name in names if name not in (self._label, self._time, self._group))

    def _positional(self, x: Any) -> Values:
        try:
            masked = isinstance(x, np.ma.MaskedArray)
            found = x if masked else np.asarray(x.numpy(force=True) if isinstance(x, Tensor) else x)
            if found.dtype.kind in "cmM":
                raise TypeError(found.dtype)  # NumPy would take the real part, or a count of some unit
            values = np.atleast_1d(np.ma.filled(found.astype(np.float32, copy=False), np.nan))
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise InputError(f"row {quote(x)}: expected numbers, an array of them, or a dict") from None
        if values.ndim != 1 or not len(values):
            raise RankError(f"row of shape {np.shape(x)}: expected one moment, a number or an array of shape (C,)")
        if self.columns is None:
            self.columns = tuple(range(len(values)))
        if len(values) != len(self.columns):
            raise InputError(f"row of {len(values)} values: expected {len(self.columns)}, as in the first")
        return np.where(np.abs(values) <= LARGEST_VALUE, values, np.float32(np.nan))

    def _seconds(self, value: Any) -> float | None:
        """Read a time: seconds, or a date and time, which counts from 1970, so that those of several sensors agree."""
        given = value
        if is_missing(value):  # pandas' NaT is a date, too
            return None
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value) if not reads_as_number(value) else float(value)
            except ValueError:
                raise InputError(f"time {self._time!r} is {quote(value)}: {_DATED}") from None
        if isinstance(value, np.datetime64 | np.timedelta64):
            value = value.astype(f"{value.dtype.kind}8[us]").item()  # of nanoseconds Python has no kind
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, date):  # a datetime is one
            when = value if isinstance(value, datetime) else datetime.combine(value, time())
            zoned = when.utcoffset() is not None
            if self._zoned not in (None, zoned):
                expected = f"one with{'' if self._zoned else 'out'} a time zone, as in the rows before"
                raise InputError(f"time {self._time!r} is {quote(str(given))}: expected {expected}")
            self._zoned = zoned
            passed: timedelta = (when if zoned else when.replace(tzinfo=UTC)) - _BEGIN
            return passed.total_seconds()
        if isinstance(value, time):  # of a day that it does not tell
            raise InputError(f"time {self._time!r} is {quote(str(value))}: {_DATED}")
        seconds = number(self._time, value)
        if math.isnan(seconds) and math.isfinite(float(value)):  # nanoseconds since 1970, of which no gap would be seen
            raise InputError(f"time {self._time!r} is {quote(value)}: {_DATED}")
        return None if math.isnan(seconds) else seconds

    def _key(self, value: Any) -> Hashable:
        try:
            hash(value)
        except TypeError:
            raise InputError(f"group {self._group!r} is {quote(value)}: expected a hashable value") from None
        found: Hashable = None if _has_none(value) else value
        return found


def checked_columns(columns: Any) -> tuple[Any, ...]:
    """Return names of columns in their order: a set has another one in each run, and an iterator none the next time.

    A stream is told from others by its names as they are written, and NumPy's are written otherwise.

    Raises
    ------
    ConfigurationError
        If there are none, or it is no list of names.

    Examples
    --------
    >>> checked_columns(np.array(["x", "y"])) == ("x", "y")
    True
    """
    ordered = isinstance(columns, Iterable) and not isinstance(columns, str | bytes | set | frozenset | Iterator)
    names = tuple(columns.tolist() if isinstance(columns, np.ndarray) else columns) if ordered else ()
    if not names or not all(isinstance(name, Hashable) for name in names):
        raise ConfigurationError(f"columns={quote(columns)}: expected a list of names")
    return names


def _checked_range(given: Any) -> tuple[float, float]:
    least, greatest = map(quantity, given) if isinstance(given, Sequence) and len(given) == 2 else (0.0, 0.0)
    if not least < greatest:
        raise ConfigurationError(f"valid_range={quote(given)}: expected (least, greatest), two numbers")
    return least, greatest


def number(name: Hashable, value: Any) -> float:
    """Return a value by name as a float; NaN where it is missing, as `windows` says.

    Raises
    ------
    InputError
        If it is something else.

    Examples
    --------
    >>> number("x", None), number("x", "2.5")
    (nan, 2.5)
    """
    if type(value) in _PLAIN:  # to ask first whether one is missing takes longer than to read it
        try:
            found = float(value)
            return found if abs(found) <= LARGEST_VALUE else math.nan
        except (ValueError, OverflowError):
            pass
    if is_missing(value):
        return math.nan
    try:
        if isinstance(value, np.complexfloating | np.datetime64 | np.timedelta64):
            raise TypeError(type(value))
        found = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        pointed = value.replace(",", ".") if isinstance(value, str) else ""
        such = f" such as {pointed}" if reads_as_number(pointed) else ""
        # A whole picture would fill the screen.
        shown = f"of type {type(value).__name__}" if isinstance(value, bytes | dict | list) else quote(value)
        raise InputError(f"column {name!r} is {shown}: expected a number{such}, or columns without it") from None
    return found if abs(found) <= LARGEST_VALUE else math.nan


def is_missing(value: Any) -> bool:
    """Whether a number or a time is missing, as `windows` says."""
    return _has_none(value) or (isinstance(value, str) and value in _NO_VALUE)


def _has_none(value: Any) -> bool:
    try:
        return value is None or value is np.ma.masked or value == "" or value == "NA" or bool(value != value)
    except TypeError:  # pandas' NA, of which nothing can be asked
        return True
    except (ValueError, RuntimeError):  # an array or a tensor of several values
        return False


def reads_as_number(text: str) -> bool:
    """Whether Python reads a text as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True
