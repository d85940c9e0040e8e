"""How much was learned of which stream."""

import logging
from collections.abc import Mapping
from typing import Any

from hebbstream.streams._stream import Stream

log = logging.getLogger("hebbstream.checkpoint")
TOGETHER = "learn_together"
"""Stands among the recordings for all that several ranks learned, of which they keep a table of their own."""


def samples_to_pass(stream: Stream[Any], recordings: Mapping[str, int], position: int) -> int:
    """Return how many samples of a stream to pass over, to go on where it was left.

    Parameters
    ----------
    stream
        What is to be learned. Nothing is passed over of one that is new, nor of recordings behind what is known; the log says so.
    recordings
        How many samples of each stream were learned, by its fingerprint.
    position
        How many were learned of all. A stream without a fingerprint passes over as many, but for those learned together.

    Examples
    --------
    >>> samples_to_pass(Stream("abcdefgh"), {}, position=3)
    3
    """
    fingerprint = stream.fingerprint
    if fingerprint is None:
        position = max(0, position - recordings.get(TOGETHER, 0))
        if position and not stream.live:
            log.warning(
                "%r: its first %d samples are skipped, as they may be what was learned before", stream, position
            )
        return position
    # Of sources one after another the first may be known, and more have come since.
    known = {part: taken for part, taken in recordings.items() if f"{fingerprint}+".startswith(f"{part}+")}
    covered = max((part.count("+") + 1 for part in known), default=0)
    learned = {part for other in recordings for part in other.split("+") if "loop" not in part}
    again = not learned.isdisjoint(fingerprint.split("+")[covered:])
    if position and not known:
        but = ", though recordings in it were learned before" if again else ""
        log.warning("%r is new, or has changed: what was learned is kept, and all of it is learned%s", stream, but)
    elif again:
        log.warning("%r: recordings in it that were learned before, but not as a part of it, are learned again", stream)
    return max(0, max(known.values(), default=0) - stream.taken)
