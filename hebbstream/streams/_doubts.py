"""What looks wrong in windows of a sensor, and is told once: `Stuck` columns, values that are `FarOff`, labels that are `Measured`."""

import logging
from collections.abc import Hashable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from hebbstream.streams._rows import Values
from hebbstream.streams._trail import Trail

log = logging.getLogger("hebbstream.streams")
_STUCK = 10  # windows without a change
_LARGE = 1e6  # from here on float32 rounds to sixteenths, and to 128 seconds of those since 1970
_KNOWN, _FAR = 10, 100  # windows that tell what is usual, and how many times further a value has to be


class Stuck:
    """Warns of a column that stays the same while others change."""

    def __init__(self) -> None:
        # Of each signal: its latest row, and for how many windows each column has stayed the same.
        self._seen: WeakKeyDictionary[Trail, tuple[Values, Any]] = WeakKeyDictionary()
        self._told: set[Hashable] = set()

    def look(self, trail: Trail, x: Values, columns: tuple[Hashable, ...], where: str = "") -> None:
        """Look at the next window of a signal, shape (C, T); a warning begins with `where`."""
        before, counts = self._seen.get(trail, (x[:, 0], 0))
        still = (x == x[:, :1]).all(axis=1) & (x[:, 0] == before)
        counts = np.where(still & ~still.all(), counts + 1, 0)
        self._seen[trail] = x[:, -1].copy(), counts
        for name, count, value in zip(columns, counts, x[:, -1], strict=True):
            if count == _STUCK and name not in self._told:
                self._told.add(name)
                large = abs(value) >= _LARGE
                log.warning(
                    "%scolumn %r has not changed for %d windows: is the sensor stuck%s?",
                    *(
                        where,
                        name,
                        _STUCK,
                        ", or its number so large that float32 rounds its changes away" if large else "",
                    ),
                )


class Measured:
    """Warns of labels that differ at each row, as a number does that is to be predicted."""

    def __init__(self) -> None:
        self._windows = 0

    def look(self, labels: list[Hashable], where: str = "") -> None:
        """Look at the labels of the next window's rows; a warning begins with `where`."""
        if self._windows == _KNOWN or not labels:
            return
        differ = len(labels) > 2 and len(set(labels)) == len(labels)  # two do where one activity follows another
        self._windows = self._windows + 1 if differ else 0
        if self._windows == _KNOWN:
            log.warning(
                "%slabels differ at each row of %d windows, such as %r, and a window takes that of its last row as its"
                " class: to predict a number, use LinearRegressorProbe of hebbstream.adapters.river",
                *(where, _KNOWN, labels[0]),
            )


class FarOff:
    """Warns of a column with a value that is far from the others, as one that stands for a missing value."""

    def __init__(self) -> None:
        self._windows = 0
        self._usual: Any = 0.0  # how far a window's least and greatest value are apart, on average
        self._told: set[Hashable] = set()

    def look(self, x: Values, columns: tuple[Hashable, ...], where: str = "") -> None:
        """Look at the next window, shape (C, T); a warning begins with `where`."""
        apart = x.max(axis=1) - x.min(axis=1)
        if self._windows >= _KNOWN:
            for row in np.flatnonzero((apart > _FAR * self._usual) & (self._usual > 0)).tolist():
                self._tell(where, columns[row], x[row], apart[row] / self._usual[row])
        self._windows += 1
        self._usual += (apart - self._usual) / self._windows

    def _tell(self, where: str, name: Hashable, values: Values, times: float) -> None:
        if name not in self._told:
            self._told.add(name)
            furthest = np.abs(values - np.median(values)).argmax()
            log.warning(
                "%scolumn %r has %g in a window whose values lie %d times further apart than usual: if that was not"
                " measured, give the valid_range (--valid-range)",
                *(where, name, values[furthest], times),
            )
