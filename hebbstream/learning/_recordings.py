"""How much was learned of which stream."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from hebbstream.streams._stream import Stream

log = logging.getLogger("hebbstream.checkpoint")
_MOST_CHARACTERS = 1 << 22  # of all fingerprints; safetensors refuses a header of more than 100 MB
_NAMES = re.compile(r"#([0-9]+):[0-9a-f]+")  # how many more names of files a folder is known by, and their hash
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
    known = {part: taken for part, taken in recordings.items() if _goes_on_with(part, stream, fingerprint)}
    covered = max((part.count("+") + 1 for part in known), default=0)
    learned = {part for other in recordings for part in other.split("+") if "loop" not in part}
    again = not learned.isdisjoint(fingerprint.split("+")[covered:])
    if position and not known:
        but = ", though recordings in it were learned before" if again else ""
        log.warning("%r is new, or has changed: what was learned is kept, and all of it is learned%s", stream, but)
    elif again:
        log.warning("%r: recordings in it that were learned before, but not as a part of it, are learned again", stream)
    return max(0, max(known.values(), default=0) - stream.taken)


def _goes_on_with(known: str, stream: Stream[Any], fingerprint: str) -> bool:
    """Whether a stream begins with what was known, all of a folder's names among it, to which others may have come behind them."""
    before = stream.fingerprint_of(names_in(known))
    return is_start_of(known, fingerprint) or (before is not None and is_start_of(known, before))


def names_in(known: str) -> int:
    """Return how many names of files a folder was known by.

    Examples
    --------
    >>> names_in("aa+bb#12:cc"), names_in("aa+bb")
    (12, 0)
    """
    names = _NAMES.search(known)
    return int(names[1]) if names else 0


def is_start_of(known: str, fingerprint: str) -> bool:
    """Whether a stream begins with all of what was known by a fingerprint, the last file of which may have grown since.

    Of several files, one that may grow is known by all of it and, after a ``~``, by how it begins.

    Examples
    --------
    >>> is_start_of("aa~a+bb~b", "aa~a+bc~b+cc~c"), is_start_of("aa~a+bb~b", "ab~a+bb~b")
    (True, False)
    """
    before = known.split("+")
    parts = fingerprint.split("+")[: len(before)]
    alike = len(parts) == len(before) and parts[:-1] == before[:-1]
    return alike and _beginning(parts[-1]) == _beginning(before[-1])


def worth_knowing(recordings: Mapping[str, int], fingerprint: str) -> dict[str, int]:
    """Leave out of what was learned, before a stream is, what need not be known any more.

    That is what the stream was known by before its last file, or its folder, grew, as there would be one more each time. Likewise a folder
    that gets a file an hour would be known by all of its files as often as it was learned, until no file could hold that.
    Of more text than a checkpoint is to carry, what the stream begins with goes first, and then what was learned first.

    Examples
    --------
    >>> worth_knowing({"aa~a+bb~b": 3, "aa~a": 2}, "aa~a+bc~b")
    {'aa~a': 2}
    """
    files, grown = fingerprint.count("+"), _NAMES.sub("", fingerprint)
    kept = {
        known: taken
        for known, taken in recordings.items()
        if known == fingerprint or known.count("+") != files or not is_start_of(_NAMES.sub("", known), grown)
    }
    characters = len(fingerprint) + sum(map(len, kept.keys() - {fingerprint}))
    for known in sorted(kept, key=lambda known: not is_start_of(known, fingerprint)):
        if characters <= _MOST_CHARACTERS:
            break
        if known not in (fingerprint, TOGETHER):
            del kept[known]
            characters -= len(known)
    return kept


def _beginning(part: str) -> str:
    return re.sub(r"[0-9a-f]+~", "", part)
