"""What decoding hands on."""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from hebbstream.adapters._media._source import MediaSource


class TimedFrame(NamedTuple):
    """A frame, or a piece of sound, on its way through a stream."""

    frame: Any
    t: float
    """Seconds from the start of the stream."""
    own_time: float
    """Seconds from the start of its own file."""
    source: str
    pixel_aspect: float = 1.0
    """Width of a pixel by its height."""


class Decodes(Protocol):
    """An opened source; see `hebbstream.adapters.video._decoding.Decoder`."""

    source: MediaSource

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel by its height; 1 of sound."""
        ...

    @property
    def frame_seconds(self) -> float:
        """Mean time from a frame to the next."""
        ...

    def frames(self, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, Any]]:
        """Yield every frame between two times with its time in seconds."""
        ...

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        ...
