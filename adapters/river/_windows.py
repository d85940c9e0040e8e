"""Windows of rows, for a transformer that is asked at every row."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from hebbstream.errors import ChannelError, ConfigurationError, InputError
from hebbstream.network._presets import get_preset
from hebbstream.network._spec import LayerSpec, are_one_dimensional
from hebbstream.streams._rows import Row, RowReader, Values
from hebbstream.streams._windows import Trails, row_count


class RowWindows:
    """The window that ends with each row, before it is taken and after.

    Parameters
    ----------
    size
        Rows in a window.
    hop
        Rows from one that is to be learned to the next.
    group
        Name of the column that tells signals apart; ``None`` for a single signal.
    columns
        Names of the channels, in their order. ``None`` takes those that are `learned`, or else those of the first row: in
        its order, if `channels` of a network have one already; else sorted, so that the order of a dict changes nothing,
        as river asks.
    channels
        How many the network has; ``None`` if it is yet to be made.
    learned
        What the network's channels are called, if it knows. Rows that have other names are another sensor's.
    valid_range
        Least and greatest value; one beyond is missing.

    Raises
    ------
    ConfigurationError
        If a number is not positive, a range is none, or `columns` are not as many as `channels`.

    Examples
    --------
    >>> windows = RowWindows(3, hop=2, group=None)
    >>> [windows.take({"x": value}) for value in (1.0, 2.0)]
    [(array([[1., 1., 1.]], dtype=float32), False), (array([[1., 1., 2.]], dtype=float32), True)]
    >>> windows.seen({"x": 3.0})
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(
        self,
        size: int,
        hop: int,
        group: Hashable,
        columns: Sequence[Hashable] | None = None,
        channels: int | None = None,
        learned: Sequence[str] | None = None,
        valid_range: tuple[float, float] | None = None,
    ) -> None:
        self._size, self._hop = row_count("window", size), row_count("hop", hop)
        self._reader = RowReader(columns, group=group, valid_range=valid_range)
        named = self._reader.columns
        if named is not None and len(named) != (channels or len(named)):
            raise ConfigurationError(f"{len(named)} columns: expected {channels}, the channels of the network")
        self._group, self._channels, self._learned = group, channels, tuple(learned or ())
        self._trails = Trails(self._size)
        # A mini-batch, and the windows taken since it was announced.
        self._many: tuple[str, int, list[Values]] | None = None

    def take(self, x: Any) -> tuple[Values, bool]:
        """Take a row; return its window, and whether it is to be learned."""
        self._reader, row = self._read(self._reader, x)
        trail = self._trails.of(row)
        trail.push(row)
        frame = trail.window()
        if self._many is not None:
            _, count, frames = self._many
            if len(frames) < count:
                frames.append(frame)
            else:
                self._many = None
        return frame, trail.rows % self._hop == 0

    def seen(self, x: Any, *, taken: bool = False) -> Values:
        """Return a row's window, and take nothing; `taken` if it may be the row that was taken last.

        Only its values tell that row from another: a pipeline makes a new dict of it each time that it asks.
        """
        _, row = self._read(self._reader, x)
        trail = self._trails.look(row)
        if taken and trail.newest is not None and _same(trail.newest, row):
            return trail.window()
        return trail.window(row)

    def take_many(self, rows: Sequence[Any]) -> None:
        """Keep the windows of a mini-batch that is about to be taken, for whoever asks for them after it.

        Raises
        ------
        InputError
            If one of the rows cannot be taken.
        """
        reader = self._reader
        for x in rows:
            reader, _ = self._read(reader, x)
        self._many = repr(rows), len(rows), []

    def taken_many(self, rows: Sequence[Any], *, again: bool) -> list[Values] | None:
        """Return the windows of a mini-batch that was just taken; ``None`` if it was not. Once, or `again` and again."""
        known, self._many = self._many, self._many if again else None
        return known[2] if known is not None and known[0] == repr(rows) else None

    def features(self, layers: Sequence[LayerSpec]) -> int:
        """Return the number of features of a window."""
        height, width = 1, self._size
        for spec in layers:
            height, width = spec.output_size(height, width)
        if min(height, width) < 1:
            raise ConfigurationError(f"window={self._size}: too small for {len(layers)} layers of this network")
        return layers[-1].channels * height * width

    def _read(self, reader: RowReader, x: Any) -> tuple[RowReader, Row]:
        """Return a row, and a reader that knows the columns: what is refused must not decide on them."""
        if not isinstance(x, Mapping):
            raise InputError(f"sample of type {type(x).__name__}: expected a dict of numbers, a row of a signal")
        reader = copy.copy(reader)
        if reader.columns is None:
            reader.columns = self._columns_of(x)
        return reader, reader(x)

    def _columns_of(self, x: Mapping[Hashable, Any]) -> tuple[Hashable, ...]:
        names = [name for name in x if name != self._group]
        if not names:
            raise InputError("row without columns: expected a number for each channel of a signal")
        if self._learned and {*self._learned} <= {*names}:
            return self._learned
        if self._channels is None:
            return tuple(sorted(names, key=repr))
        if len(names) != self._channels:
            raise ChannelError(f"first row of {len(names)} columns: expected {self._channels}, as the network reads")
        return tuple(names)


def signal_layers(preset: str | None, layers: Sequence[LayerSpec] | None, width: int | None) -> list[LayerSpec]:
    """Return the layers that learn from windows.

    Raises
    ------
    ConfigurationError
        If they are not for signals.
    """
    found = list(layers) if layers is not None else get_preset(preset or "signal").resolve(width=width)
    if not are_one_dimensional(found):
        raise ConfigurationError("a window of rows for layers that look beyond a row: expected kernels of (1, k)")
    return found


def _same(one: Row, other: Row) -> bool:
    return one.key == other.key and np.array_equal(one.values, other.values, equal_nan=True)
