"""Windows of rows, for a transformer that is asked at every row."""

import copy
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from hebbstream.errors import ConfigurationError, InputError
from hebbstream.network._presets import get_preset
from hebbstream.network._spec import LayerSpec, are_one_dimensional
from hebbstream.streams._rows import Row, RowReader, Values
from hebbstream.streams._windows import Trails


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

    Raises
    ------
    ConfigurationError
        If a number is not positive.

    Examples
    --------
    >>> windows = RowWindows(3, hop=2, group=None)
    >>> [windows.take({"x": value}) for value in (1.0, 2.0)]
    [(array([[1., 1., 1.]], dtype=float32), False), (array([[1., 1., 2.]], dtype=float32), True)]
    >>> windows.seen({"x": 3.0})
    array([[1., 2., 3.]], dtype=float32)
    """

    def __init__(self, size: int, hop: int, group: Hashable) -> None:
        for name, value in (("window", size), ("hop", hop)):
            if not isinstance(value, int) or value < 1:
                raise ConfigurationError(f"{name}={value!r}: expected a positive number of rows")
        self._size, self._hop, self._group = size, hop, group
        self._reader = RowReader(group=group)
        self._trails = Trails(size)
        self._many: tuple[str, int, list[Values]] | None = (
            None  # a mini-batch, and the windows taken since it was announced
        )

    def take(self, x: Any) -> tuple[Values, bool]:
        """Take a row; return its window, and whether it is to be learned."""
        row = self._read(self._reader, x)
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
        """Return a row's window, and take nothing; `taken` if it may be the row that was taken last."""
        row = self._read(copy.copy(self._reader), x)
        trail = self._trails.look(row)
        if taken and trail.newest is not None and _same(trail.newest, row):
            return trail.window()
        return trail.window(row)

    def take_many(self, rows: Sequence[Any]) -> None:
        """Keep the windows of a mini-batch that is about to be taken, for whoever asks for them after it."""
        self._many = repr(rows), len(rows), []

    def taken_many(self, rows: Sequence[Any]) -> list[Values] | None:
        """Return, once, the windows of a mini-batch that was just taken; ``None`` if it was not."""
        known, self._many = self._many, None
        return known[2] if known is not None and known[0] == repr(rows) else None

    def features(self, layers: Sequence[LayerSpec]) -> int:
        """Return the number of features of a window."""
        height, width = 1, self._size
        for spec in layers:
            height, width = spec.output_size(height, width)
        if min(height, width) < 1:
            raise ConfigurationError(f"window={self._size}: too small for {len(layers)} layers of this network")
        return layers[-1].channels * height * width

    def _read(self, reader: RowReader, x: Any) -> Row:
        if not isinstance(x, Mapping):
            raise InputError(f"sample of type {type(x).__name__}: expected a dict of numbers, a row of a signal")
        if reader.columns is None:  # in an order that does not depend on that of the first row
            reader.columns = tuple(sorted((name for name in x if name != self._group), key=repr))
        return reader(x)


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
