"""`Trail`: the latest rows of one signal, in memory of a fixed size."""

from collections import Counter, deque
from collections.abc import Hashable

import numpy as np

from hebbstream.streams._rows import Row, Values


class Trail:
    """The latest `size` rows; a value that is missing is the column's last one, and before its first that.

    Parameters
    ----------
    size
        Rows, T.
    channels
        C.

    Examples
    --------
    >>> trail = Trail(3, 1)
    >>> for value in (float("nan"), 1.0, float("nan"), 4.0):
    ...     trail.push(Row(np.array([value], np.float32)))
    >>> trail.window()
    array([[1., 1., 4.]], dtype=float32)
    """

    def __init__(self, size: int, channels: int) -> None:
        self.size = size
        self._values = np.empty((2 * size, channels), np.float32)
        self._real = np.empty((2 * size, channels), bool)
        self._about: deque[tuple[Hashable, float | None]] = deque(maxlen=size)
        self._last = np.full(channels, np.nan, np.float32)
        self._end = 0
        self.rows = 0
        """Taken since the start, or since `clear`."""
        self.newest: Row | None = None

    def push(self, row: Row) -> None:
        """Take a row."""
        if self._end == len(self._values):  # the latest rows always lie in one piece
            kept = self.size - 1
            for part in (self._values, self._real):
                part[:kept] = part[self._end - kept :]
            self._end = kept
        real = np.isfinite(row.values)
        self._last = np.where(real, row.values, self._last)
        self._values[self._end], self._real[self._end] = self._last, real
        self._end += 1
        self.rows += 1
        self._about.append((row.y, row.t))
        self.newest = row

    def clear(self) -> None:
        """Forget all rows."""
        self._end = self.rows = 0
        self._about.clear()
        self._last[:] = np.nan

    def window(self, after: Row | None = None) -> Values:
        """Return the latest rows, and one that is not taken `after` them, as (C, T); the oldest stands for those before it.

        A column without a value is 0 throughout.
        """
        known = self._values[max(0, self._end - self.size) : self._end]
        if after is not None:
            last = np.where(np.isfinite(after.values), after.values, self._last)
            known = np.concatenate([known, last[None]])[-self.size :]
        first = np.isfinite(known).argmax(axis=0)
        known = np.where(np.isfinite(known), known, known[first, np.arange(known.shape[1])])
        before = np.repeat(known[:1], self.size - len(known), axis=0)
        return np.ascontiguousarray(np.nan_to_num(np.concatenate([before, known]).T, nan=0.0))

    def absent(self) -> list[int]:
        """Return the columns without a value in the latest `size` rows."""
        found: list[int] = np.flatnonzero(~self._real[max(0, self._end - self.size) : self._end].any(axis=0)).tolist()
        return found

    @property
    def time(self) -> float | None:
        """Of the oldest row."""
        return self._about[0][1] if self._about else None

    @property
    def label(self) -> Hashable:
        """Of most rows that have one; of several, the one seen last."""
        labels = self.labels
        return Counter(labels).most_common(1)[0][0] if labels else None

    @property
    def labels(self) -> list[Hashable]:
        """Of the rows that have one, the latest first."""
        return [y for y, _ in reversed(self._about) if y is not None]
