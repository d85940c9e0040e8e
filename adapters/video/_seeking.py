"""Where a pass through an opened source begins."""

from typing import Any, NamedTuple

import av

from hebbstream.adapters._media._origin import origin
from hebbstream.adapters._media._reading import Reading, is_indexed, is_steady
from hebbstream.adapters.video._clock import Clock

_REORDERING = 16  # frames around a key frame that may need the one before it
_ROUNDING = 1e-6  # seconds
_UNTOLD = ("avi", "nut")  # containers whose start may not be that of the first picture: it tells by itself

Pass = tuple[Reading, Clock]


class Opened(NamedTuple):
    """An opened source."""

    container: Any
    video: Any
    timeout: float
    """Seconds for which one that has no frame yet is asked again."""
    step: float
    """Mean seconds between frames."""
    live: bool
    local: bool
    """Whether reading it twice costs little."""


def begin(opened: Opened) -> Pass:
    """Return how to read from the start, where the source must stand."""
    first, base = opened.video.start_time, opened.video.time_base
    told = first is not None and base is not None and opened.container.format.name not in _UNTOLD
    zero = float(first * base) if told else None
    if zero is not None and not opened.live:
        zero = origin(opened.container, zero)
    patience = {"patience": 0} if opened.live else {}  # what is live does not wait for a better time stamp
    reading = Reading(opened.container, opened.video, opened.timeout, live=opened.live)
    return reading, Clock(opened.step, zero, **patience)


def seek(opened: Opened, start: float) -> Pass | None:
    """Return how to read from a place well before `start`, with the times of a pass that reads from the beginning.

    Frames that are shown around a key frame may need the one before it, so the place is at least a second too early.
    Returns ``None`` where that cannot be found for sure; then the source stands anywhere, or could not be asked.
    """
    reading, clock = begin(opened)
    next(clock.times(reading), None)  # tells the origin
    least = max(1.0, _REORDERING * opened.step)
    margins = [margin for margin in (least, 4 * least, 16 * least) if margin < start]
    if clock.origin is None or not margins:
        return None
    limit = None
    if opened.local and not is_indexed(opened.container):
        if not is_steady(reading, start + clock.origin):
            return None
        limit = reading.progress.position
    for margin in margins:
        if found := _sought(opened, start - margin, clock.origin, limit):
            return found
    return None


def _sought(opened: Opened, goal: float, zero: float, limit: int | None) -> Pass | None:
    """Return how to read from a place at or before `goal` and before the byte `limit`, if seeking finds it."""
    try:
        opened.container.seek(int((goal + zero) / opened.video.time_base), stream=opened.video)
    except (av.error.FFmpegError, OSError, OverflowError):
        return None
    reading = Reading(opened.container, opened.video, opened.timeout, live=opened.live, from_start=False)
    first = reading.peek()
    late = first is None or first.time is None or first.time - zero > goal + _ROUNDING
    if late or (limit is not None and reading.progress.position > limit):
        return None
    return reading, Clock(opened.step, zero)
