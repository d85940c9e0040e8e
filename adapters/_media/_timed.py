"""What decoding hands on."""

from typing import Any, NamedTuple


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
