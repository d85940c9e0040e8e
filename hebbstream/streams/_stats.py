"""`StreamStats`: what has happened to a stream so far."""

from dataclasses import astuple, dataclass


@dataclass(slots=True)
class StreamStats:
    """What has happened to a stream so far; those of several add up.

    Parameters
    ----------
    frames
        Read from the source; of a video, decoded, those left out by `stride` or `rate` included, those before `start` not.
    dropped
        Of a live source: thrown away because learning was slower.
    corrupt
        Damaged packets, frames and images that were left out.
    skipped
        Left out by `hebbstream.streams.novel`, as they showed nothing new.
    reconnects
        Times that a live source broke off and came back.
    failed
        Files of several that could not be read, or not to their end.

    Examples
    --------
    >>> (StreamStats(frames=30, dropped=7) + StreamStats(frames=20)).frames
    50
    """

    frames: int = 0
    dropped: int = 0
    corrupt: int = 0
    skipped: int = 0
    reconnects: int = 0
    failed: int = 0

    def __add__(self, other: "StreamStats") -> "StreamStats":
        return StreamStats(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))
