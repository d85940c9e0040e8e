"""`MediaDecoder`: what the decoders of video and of sound have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from hebbstream.adapters._media._ending import extent, has_end
from hebbstream.adapters._media._options import Connection, Cut
from hebbstream.adapters._media._origin import origin
from hebbstream.adapters._media._source import MediaSource
from hebbstream.streams._stats import StreamStats


class MediaDecoder(ABC):
    """One track of an opened file, device or stream.

    Parameters
    ----------
    source
        What to open.
    stats
        Counts go there.
    connection
        How.
    """

    def __init__(self, source: MediaSource, stats: StreamStats, connection: Connection) -> None:
        self.source, self.stats = source, stats
        self._connection = connection
        self._container: Any
        self._track: Any
        self._connect()

    @abstractmethod
    def _connect(self) -> None:
        """Open the source."""

    @abstractmethod
    def frames(self, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, Any]]:
        """Yield what is decoded between two times, with its time in seconds."""

    @property
    @abstractmethod
    def frame_seconds(self) -> float:
        """Time from a frame to the next."""

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel by its height; 1 of sound."""
        return 1.0

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        self._container.close()

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not it is read: a device or network stream, but not a file over HTTP."""
        return self.source.may_break_off and not (self.source.over_http and has_end(self._container))

    @property
    def extent(self) -> str:
        """What tells a recording from another at its address; empty where that tells, or where it is a file."""
        return extent(self._container) if self.source.over_http and not self.live else ""

    @property
    def thread_type(self) -> str:
        """How FFmpeg's threads share the work: of frames decoded side by side, each comes late by as many as there are."""
        return "SLICE" if self.live else "AUTO"

    @property
    def seconds(self) -> float:
        """Duration that the header declares of the track; 0 where it declares none."""
        declared = self._track.duration
        return float(declared * self._track.time_base) if declared and self._track.time_base else 0.0

    @property
    def delay(self) -> float:
        """Seconds from the file's beginning to the track's; 0 where its header does not tell."""
        first, base = self._track.start_time, self._track.time_base
        if self.live or first is None or base is None:
            return 0.0
        own = float(first * base)
        return own - origin(self._container, own)

    def seconds_of(self, cut: Cut) -> float:
        """Duration that the header declares of a part; 0 where it declares none."""
        end = self.delay + self.seconds
        end = end if cut.end is None else min(end, cut.end)
        return max(0.0, end - max(cut.start, self.delay)) if self.seconds else 0.0
