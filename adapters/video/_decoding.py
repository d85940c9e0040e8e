"""`Decoder`: the frames of one opened file, camera or stream, whatever is wrong with it."""

import logging
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av

from hebbstream.adapters.video._opening import STALLED, open_container, reason
from hebbstream.adapters.video._options import Connection
from hebbstream.adapters.video._source import VideoSource
from hebbstream.errors import ConnectionLostError, NotAVideoError, StalledStreamError, TruncatedVideoError
from hebbstream.streams._stats import StreamStats

log = logging.getLogger("hebbstream.video")
_ROUNDING = 1e-6  # seconds
_SLACK_SECONDS = 0.5
_SLACK_FRAMES = 2
_THINNEST = 20.0


class TimedFrame(NamedTuple):
    """A frame on its way through a stream."""

    frame: av.VideoFrame
    t: float
    """Seconds from the start of the stream."""
    own_time: float
    """Seconds from the start of its own file."""
    source: str
    pixel_aspect: float = 1.0
    """Width of a pixel by its height."""


class Decoder:
    """An opened source.

    Parameters
    ----------
    source
        What to open.
    stats
        Counts go there.
    connection
        How.

    Raises
    ------
    StreamError
        A subclass that tells what is wrong, if the source cannot be opened.
    """

    def __init__(
        self,
        source: VideoSource,
        stats: StreamStats,
        connection: Connection,
    ) -> None:
        self.source, self.stats = source, stats
        self._read_timeout = connection.read_timeout
        self._container, self.video = open_container(source, connection)
        self.video.thread_type = "AUTO"

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        self._container.close()

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not it is read: a camera or network stream, but not a file over HTTP."""
        return self.source.kind in ("camera", "network") and not (self.source.over_http and self._container.duration)

    @property
    def seconds(self) -> float:
        """Duration that the header declares; 0 where it declares none."""
        if self.video.duration and self.video.time_base:
            return float(self.video.duration * self.video.time_base)
        alone = len(self._container.streams) == 1  # otherwise the longest may be the sound
        return float(Fraction(self._container.duration, av.time_base)) if self._container.duration and alone else 0.0

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel by its height; 1 where nothing credible is declared."""
        aspect = float(self.video.sample_aspect_ratio or 1.0)
        return aspect if 1 / _THINNEST < aspect < _THINNEST else 1.0

    @property
    def frame_seconds(self) -> float:
        """Mean time between frames that the header declares; 1/25 where it declares none."""
        return 1.0 / float(self.video.average_rate or 25)

    def frames(self, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield every frame between two times with its time in seconds, from 0 and always rising.

        Raises
        ------
        TruncatedVideoError
            After the last good frame, if a file ends before the length that its header declares.
        ConnectionLostError, StalledStreamError
            If a camera or network stream breaks off, or sends nothing.
        """
        clock = _Clock(self.frame_seconds, self.video.start_time, self.video.time_base)
        if start:
            self._seek(start, clock)
        index = packets = 0
        damage: Exception | None = None
        waiting_since = time.monotonic()
        try:
            for packet in self._container.demux(self.video):
                packets += packet.size > 0
                for frame in self._decoded(packet):
                    seconds = clock.seconds(frame.time)
                    if end is not None and seconds >= end - _ROUNDING:
                        return
                    index += 1
                    self.stats.frames += 1
                    if seconds >= start - _ROUNDING:
                        yield seconds, frame
                waiting_since = time.monotonic()
        except (av.error.FFmpegError, EOFError, OSError) as error:
            damage = error
        if self.source.kind in ("camera", "network"):
            self._end_of_stream(damage, time.monotonic() - waiting_since)
        else:
            self._end_of_file(damage, index, packets, clock.latest, whole=not start)

    def _decoded(self, packet: Any) -> list[Any]:
        try:
            frames: list[Any] = packet.decode()
        except (av.error.FFmpegError, EOFError, ValueError):
            self.stats.corrupt += 1
            return []
        good = [frame for frame in frames if not frame.is_corrupt]
        self.stats.corrupt += len(frames) - len(good)
        return good

    def _seek(self, start: float, clock: "_Clock") -> None:
        origin = clock.origin or 0.0
        try:
            self._container.seek(int((start + origin) / self.video.time_base), stream=self.video)
        except (av.error.FFmpegError, OSError, OverflowError):
            log.warning("%s: cannot seek, reading up to %g s", self.source.shown, start)

    def _end_of_stream(self, damage: Exception | None, waited: float) -> None:
        if isinstance(damage, av.error.ExitError) or waited > STALLED * self._read_timeout:
            raise StalledStreamError(f"{self.source.shown}: no frame for {self._read_timeout:g} s") from None
        if damage is not None:
            raise ConnectionLostError(f"{self.source.shown}: broke off ({reason(damage)})") from None

    def _end_of_file(self, damage: Exception | None, index: int, packets: int, latest: float, *, whole: bool) -> None:
        if not index:
            raise NotAVideoError(f"{self.source.shown}: no frame of it can be decoded")
        declared = self.video.frames
        missing_frames = whole and declared > 0 and packets < declared - _SLACK_FRAMES
        ended = latest + self.frame_seconds
        if damage is not None or missing_frames or ended < self.seconds - _SLACK_SECONDS:
            expected = f"{declared} frames" if declared else f"{self.seconds:.1f} s"
            raise TruncatedVideoError(
                f"{self.source.shown}: truncated or damaged after {index} frames ({ended:.1f} s);"
                f" its header declares {expected}"
            ) from damage


class _Clock:
    """From time stamps, which may be missing, fall back or start anew, to seconds that only rise."""

    def __init__(self, step: float, start: int | None, base: Fraction | None) -> None:
        self.origin = None if start is None or base is None else float(start * base)
        self.latest = -step
        self._step = step

    def seconds(self, stamp: float | None) -> float:
        if stamp is not None and self.origin is None:
            self.origin = stamp
        found = None if stamp is None or self.origin is None else stamp - self.origin
        if found is None:
            found = self.latest + self._step
        elif self.latest >= 0 and found <= self.latest:
            self.origin = stamp - self.latest - self._step  # type: ignore[operator]  # found came from a stamp
            found = self.latest + self._step
        self.latest = max(found, 0.0)
        return self.latest
