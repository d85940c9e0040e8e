"""`windows`: pieces of a signal, as samples that a network for signals learns from."""

import logging
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from math import inf, ulp
from typing import Any
from weakref import WeakKeyDictionary

from hebbstream._numbers import as_index, quantity
from hebbstream._quote import printable, quote
from hebbstream.errors import ConfigurationError, InputError
from hebbstream.network._spec import LARGEST_SIZE
from hebbstream.streams._composed import Composed
from hebbstream.streams._doubts import FarOff, Measured, Stuck
from hebbstream.streams._rows import Row, RowReader
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream, as_stream
from hebbstream.streams._trail import Trail

log = logging.getLogger("hebbstream.streams")
MOST_SIGNALS = 1000
"""Kept at a time; the one that was silent for longest makes room."""


def windows(
    rows: Iterable[Any],
    size: int,
    hop: int | None = None,
    *,
    columns: Sequence[Hashable] | None = None,
    label: Hashable = None,
    time: Hashable = None,
    group: Hashable = None,
    gap: float | None = None,
    valid_range: tuple[float, float] | None = None,
) -> "Windows":
    """Cut a signal into windows, each of the latest `size` rows.

    ==========================================  ==========================================================================
    what comes                                  what becomes of it
    ==========================================  ==========================================================================
    a missing value: ``None``, NaN, NA, also    the column's last value takes its place; before its first value, that
    as text, as are NULL, null, N/A and n/a;
    an infinity, a number beyond 1e15 or out
    of `valid_range`, an empty text, a name
    that a row has not
    values of a window that lie a hundred       learned as they are; the log of ``hebbstream.streams`` warns once of each such
    times further apart than usual              column
    a column without a value in all of a        the window is left out, and counted in ``stats.corrupt``; the log of
    window                                      ``hebbstream.streams`` warns once of each such column
    a name that `columns`, or the first row,    is passed over
    has not
    time that goes back, or a step longer than  the next window begins there: none reaches across; the log warns once where
    `gap`                                       time goes back
    rows of several sources                     each source has windows of its own
    a column that stays the same for ten        learned as it is; the log of ``hebbstream.streams`` warns once
    windows, while others change
    labels that differ at each row of a         the label of its last row; the log warns once
    window, ten times in a row
    rows at the end that fill no window         are left out; if there was none at all, the log says how many came
    ==========================================  ==========================================================================

    Parameters
    ----------
    rows
        One for each moment: a number, an array of shape (C,), or a dict of numbers by name as river has them; bare, in
        a pair (row, label), or in a `Sample` with its time. An array of shape (T, C), or (T,), is T rows.
    size
        Rows in a window, T.
    hop
        Rows from one window's start to the next one's; ``None`` takes `size`, so that none overlap.
    columns
        Names of the channels in rows by name, in their order. ``None`` takes all of the first row, in its order.
    label, time, group
        Names in such rows, of its label, of its time (in seconds, or a date and time, of which seconds are counted from
        1970, as if in UTC where it has no zone), and of the key of its signal: rows of many signals may come in any
        order, each has windows of its own. Of more than 1,000 the one that was silent for longest is forgotten. A
        missing label, time or key is none.
    gap
        Longest step between rows, in seconds, and on average over rows without a time; ``None`` for any.
    valid_range
        Least and greatest value that a sensor can have measured, of all columns; another one, such as -9999, is a
        missing value. ``None`` takes all.

    Returns
    -------
    Stream
        Of `Sample` with ``x`` of shape (C, T), float32; ``y`` the label of most of its rows that have one; ``t`` the time
        of its first row; ``source`` that of the rows, or the signal's key as text; ``captured`` that of its last row, with
        which it came in whole. Its attribute ``columns`` has the names of the channels.

    Raises
    ------
    ConfigurationError
        If an option cannot work; if `rows` are a data frame; if a table has no column of a name that was given.
    InputError
        While iterating, if a value is no number, a time is a number beyond 1e15, such as nanoseconds since 1970, or no
        column is left for a channel.

    Examples
    --------
    >>> rows = [({"x": t, "y": -t}, "up") for t in range(10)]
    >>> with windows(rows, size=4, hop=3) as samples:
    ...     found = list(samples)
    >>> found[1], found[1].x[0].tolist(), samples.columns
    (Sample(x=float32 (2, 4), y='up'), [3.0, 4.0, 5.0, 6.0], ('x', 'y'))
    """
    size = row_count("size", size)
    hop = size if hop is None else row_count("hop", hop)
    if gap is not None and not quantity(gap) > 0:
        raise ConfigurationError(f"gap={quote(gap)}: expected a positive number of seconds, or None")
    if hasattr(rows, "columns") and hasattr(rows, "shape"):  # a data frame, whose items are its columns
        raise ConfigurationError(
            f"rows of type {type(rows).__name__}: expected one by one, such as its .to_dict('records') or .to_numpy()"
        )
    return Windows(as_stream(rows), size, hop, RowReader(columns, label, time, group, valid_range), gap)


def row_count(name: str, value: Any) -> int:
    """Return a number of rows as Python's own; a `ConfigurationError` quotes what is none."""
    count = as_index(value)
    if not 1 <= count < LARGEST_SIZE:
        raise ConfigurationError(f"{name}={quote(value)}: expected a positive number of rows, below 2**31")
    return count


class Windows(Composed[Sample]):
    """A stream of windows; made by `windows`."""

    def __init__(self, rows: Stream[Any], size: int, hop: int, reader: RowReader, gap: float | None) -> None:
        names = getattr(rows, "columns", None)  # which a table has
        if names is not None:
            reader.check(names)
        options = reader.options(names) + ("" if gap is None else f", gap={gap}")
        self._size, self._hop, self._reader, self._gap = size, hop, reader, gap
        stats = StreamStats()
        super().__init__(
            self._cut(rows, stats),
            rows,
            name=f"windows({rows!r}, {size}, {hop}{options})",
            count=lambda count: max(0, (count - size) // hop + 1),
            stats=stats,
        )

    @property
    def columns(self) -> tuple[Hashable, ...] | None:
        """Names of the channels; ``None`` before the first row, where they were not given."""
        return self._reader.columns

    def _cut(self, rows: Stream[Any], stats: StreamStats) -> Iterator[Sample]:
        trails, stuck, far, measured = Trails(self._size), Stuck(), FarOff(), Measured()
        told, longest, back = set[int](), 0, False
        clocks: WeakKeyDictionary[Trail, _Clock] = WeakKeyDictionary()
        for item in rows:
            row = self._read(item, rows)
            trail = trails.of(row)
            clock = clocks.get(trail)
            if clock is None:
                clock = clocks[trail] = _Clock(self._gap)
            if clock.breaks(row.t):
                trail.clear()
                if clock.went_back and not back:
                    back = True
                    log.warning(
                        "%stime goes back to %s: a window begins there, and rows before it that fill none are left out",
                        *(_where(rows, row), row.t),
                    )
            trail.push(row)
            longest = max(longest, trail.rows)
            over = trail.rows - self._size
            if over < 0 or over % self._hop:
                continue
            absent = trail.absent()
            if absent:
                stats.corrupt += 1
                for place in sorted(set(absent) - told):
                    name = (self._reader.columns or ())[place]
                    log.warning(
                        "%scolumn %r has no value in a window: windows without one are left out",
                        *(_where(rows, row), name),
                    )
                told.update(absent)
                continue
            x = trail.window()
            where, columns = _where(rows, row), self._reader.columns or ()
            stuck.look(trail, x, columns, where)
            far.look(x, columns, where)
            measured.look(trail.labels, where)
            source = row.source if row.key is None else str(row.key)
            yield Sample(x, trail.label, trail.time, source, row.captured)
        if 0 < longest < self._size:
            log.warning(
                "%sno window of %d rows: at most %d came without a break", _where(rows, row), self._size, longest
            )

    def _read(self, item: Any, rows: Stream[Any]) -> Row:
        """Read the latest of some rows; an error says which, for whoever looks for it in a file."""
        try:
            return self._reader(item)
        except InputError as error:
            source = getattr(rows, "file", Sample.of(item).source)
            number = getattr(rows, "row", rows.taken + rows.stats.corrupt)
            of = "" if source is None else f" of {printable(source)}"
            raise type(error)(f"row {number:,}{of}: {error}") from error


def _where(rows: Stream[Any], row: Row) -> str:
    """Return what a message about a row begins with: the path of a table's file, or else the name of the row's source."""
    source = getattr(rows, "file", row.source)
    return "" if source is None else f"{printable(source)}: "


class Trails:
    """The latest rows of each signal, for as many signals as were heard of lately.

    Parameters
    ----------
    size
        Rows of each.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._trails: OrderedDict[Hashable, Trail] = OrderedDict()
        self._told = False

    def of(self, row: Row) -> Trail:
        """Return those of a row's signal, to take it."""
        trail = self._trails.get(row.signal)
        if trail is None:
            if len(self._trails) >= MOST_SIGNALS:
                _, forgotten = self._trails.popitem(last=False)
                if forgotten.rows < self.size and not self._told:
                    self._told = True
                    log.warning(
                        "more than %d signals at a time: one is forgotten after %d rows, before it fills a window of %d",
                        *(MOST_SIGNALS, forgotten.rows, self.size),
                    )
            trail = self._trails[row.signal] = Trail(self.size, len(row.values))
        self._trails.move_to_end(row.signal)
        return trail

    def look(self, row: Row) -> Trail:
        """Return those of a row's signal, to look at; nothing changes."""
        return self._trails.get(row.signal) or Trail(self.size, len(row.values))


class _Clock:
    """Notices that a signal breaks off, by the last time that is known of it."""

    def __init__(self, gap: float | None) -> None:
        self._most = inf if gap is None else gap
        self._last: float | None = None
        self._steps = 0  # since then
        self.went_back = False
        """Whether the latest time lies before the last one."""

    def breaks(self, t: float | None) -> bool:
        """Take a row's time, and return whether it lies before the last one, or so late that a step was too long."""
        self._steps += 1
        self.went_back = False
        if t is None:
            return False
        passed = 0 if self._last is None else t - self._last
        most = self._most * self._steps
        too_late = passed > most + ulp(most) + 2 * ulp(t)  # steps of a tenth are a little more or less
        self._last, self._steps, self.went_back = t, 0, passed < 0
        return too_late or self.went_back
