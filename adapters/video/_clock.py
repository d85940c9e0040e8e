"""`Clock`: seconds that only rise, from the time stamps of a video, whatever is wrong with them."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

_REORDERED = 4  # frames that reordering lets overtake another one
_REMEMBERED = 16  # stamps, as many as codecs reorder at most
_LEAP = 4.5  # steps: a stamp this far ahead may be a wrong one
_MINIMAL = 1 / 16  # of a step
_ROUNDING = 1e-6  # seconds

Stamped = tuple[float | None, Any]


class Clock:
    """From time stamps, which may be missing, repeated, swapped or start anew, to seconds from 0 on.

    A frame whose stamp is not later than the time reached waits for one that is later, and its time then lies between:
    stamps were repeated or swapped. Where none comes, or the stamps rise once more through those just seen, they have
    started anew, and time goes on from where it was. A stamp far ahead of its neighbours on both sides is left out.

    Parameters
    ----------
    step
        Seconds from a frame to the next where its stamp does not tell.
    origin
        Stamp at 0 seconds; ``None`` takes the first one.
    patience
        Frames that may wait; 0, for a live source, never lets one wait.
    """

    def __init__(self, step: float, origin: float | None = None, patience: int = _REMEMBERED) -> None:
        self.origin, self.latest = origin, -step
        self._step, self._patience = step, patience
        self._recent: deque[float] = deque(maxlen=_REMEMBERED)
        self._former: float | None = None  # the origin before stamps fell back, in case those were wrong
        self._trust = 0  # stamps that have risen since

    def times(self, frames: Iterable[Any]) -> Iterator[tuple[float, Any]]:
        """Yield frames, each with its time in seconds, later than the one before."""
        waiting: list[Stamped] = []
        for stamped in self._plausible(frames):
            waiting.append(stamped)
            while waiting and (placed := self._settled(waiting)):
                yield from placed
        for _, frame in waiting:
            yield self._reach(self.latest + self._step, None), frame

    def _plausible(self, frames: Iterable[Any]) -> Iterator[Stamped]:
        """Pair frames with their stamps. One far ahead waits for the next: if that falls back, it was wrong."""
        held: Any = None
        for frame in frames:
            if held is not None:
                wrong = frame.time is not None and frame.time < held.time
                yield (None if wrong else held.time), held
            held = frame if self._patience and self._leaps(frame.time) else None
            if held is None:
                yield frame.time, frame
        if held is not None:
            yield held.time, held

    def _leaps(self, stamp: float | None) -> bool:
        if stamp is None or self.origin is None or self.latest < 0:
            return False
        return stamp - self.origin > self.latest + _LEAP * self._step

    def _settled(self, waiting: list[Stamped]) -> list[tuple[float, Any]]:
        """Take those that can be given their times out of the ones that wait."""
        first, last = waiting[0][0], waiting[-1][0]
        found = self._found(last)
        if found is not None and found > self.latest + _ROUNDING * len(waiting):
            between = min(self._step, (found - self.latest) / len(waiting))
            placed = [(self._reach(self.latest + between, stamp), frame) for stamp, frame in waiting[:-1]]
            placed.append((self._reach(found, last), waiting[-1][1]))
            waiting.clear()
            return placed
        if first is None:
            return [(self._reach(self.latest + self._step, None), waiting.pop(0)[1])]
        overtaken = sum(stamp >= first for stamp in self._recent)
        if self._anew(waiting, overtaken):
            self._former = self.origin if self._former is None else self._former
            self._trust = 0
            self.origin = first - self.latest - self._step
            return [(self._reach(self.latest + self._step, first), waiting.pop(0)[1])]
        if len(waiting) > self._patience:
            return [(self._reach(self.latest + _MINIMAL * self._step, first), waiting.pop(0)[1])]
        return []

    def _anew(self, waiting: list[Stamped], overtaken: int) -> bool:
        """Tell whether stamps that have fallen back have started anew."""
        if not self._patience:
            return not 0 < overtaken <= _REORDERED
        stamps = [stamp for stamp, _ in waiting if stamp is not None]
        rising = len(stamps) > _REORDERED and all(one < other for one, other in pairwise(stamps))
        return len(waiting) > self._patience or (rising and overtaken > _REORDERED)

    def _found(self, stamp: float | None) -> float | None:
        """Return the seconds that a stamp stands for."""
        if stamp is None:
            return None
        if self.origin is None or (self.latest < 0 and stamp < self.origin):
            self.origin = stamp
        if self._former is not None and stamp - self._former > self.latest + _ROUNDING:
            self.origin, self._former = self._former, None
        return stamp - self.origin

    def _reach(self, seconds: float, stamp: float | None) -> float:
        self.latest = seconds
        if stamp is not None:
            self._recent.append(stamp)
            self._trust += 1
            if self._trust > 2 * _REMEMBERED:
                self._former = None
        return seconds
