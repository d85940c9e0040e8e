"""`Decoder`: the frames of one opened file, camera or stream, whatever is wrong with it."""

import logging
import math
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from hebbstream._credentials import mask_credentials
from hebbstream.adapters.video._options import Connection
from hebbstream.adapters.video._source import VideoSource
from hebbstream.errors import (
    ConfigurationError,
    ConnectionLostError,
    HebbstreamError,
    NotAVideoError,
    SourceNotFoundError,
    SourcePermissionError,
    StalledStreamError,
    StreamError,
    TruncatedVideoError,
)
from hebbstream.streams._stats import StreamStats

log = logging.getLogger("hebbstream.video")
_ROUNDING = 1e-6  # seconds
_SLACK_SECONDS = 0.5
_SLACK_FRAMES = 2
_STALLED = 0.9  # of the timeout: FFmpeg reports a stall in many ways, so the clock tells too
_NOUNS = {"file": "file", "camera": "camera", "network": "stream", "synthetic": "filter"}
_REFUSED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError)


class TimedFrame(NamedTuple):
    """A frame on its way through a stream."""

    frame: av.VideoFrame
    t: float
    """Seconds from the start of the stream."""
    own_time: float
    """Seconds from the start of its own file."""
    source: str


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
        self._container = _open(source, connection)
        self.video: Any = self._container.streams.video[0]
        if self.video.codec_context is None:
            self.close()
            raise NotAVideoError(f"{source.shown}: FFmpeg here has no decoder for its video")
        self.video.thread_type = "AUTO"

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        self._container.close()

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not it is read: a camera or network stream, but not a file over HTTP."""
        over_http = self.source.url.lower().startswith(("http://", "https://"))
        return self.source.kind in ("camera", "network") and not (over_http and self._container.duration)

    @property
    def seconds(self) -> float:
        """Duration that the header declares; 0 where it declares none."""
        if self.video.duration and self.video.time_base:
            return float(self.video.duration * self.video.time_base)
        alone = len(self._container.streams) == 1  # otherwise the longest may be the sound
        return float(Fraction(self._container.duration, av.time_base)) if self._container.duration and alone else 0.0

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
        if isinstance(damage, av.error.ExitError) or waited > _STALLED * self._read_timeout:
            raise StalledStreamError(f"{self.source.shown}: no frame for {self._read_timeout:g} s") from None
        if damage is not None:
            raise ConnectionLostError(f"{self.source.shown}: broke off ({_reason(damage)})") from None

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


def _open(source: VideoSource, connection: Connection) -> Any:
    hardware = connection.hardware
    if hardware is not None:
        available = hwdevices_available()
        if hardware != "auto" and hardware not in available:
            raise ConfigurationError(f"hardware={hardware!r}: expected 'auto' or one of {', '.join(available)}")
        for kind in available if hardware == "auto" else [hardware]:
            try:
                return _opened(source, connection, HWAccel(kind))
            except (StreamError, OSError, RuntimeError) as error:
                log.info("%s: %s cannot decode it (%s)", source.shown, kind, error)
        log.warning("%s: no hardware decodes it (asked for %r); the CPU does", source.shown, hardware)
    return _opened(source, connection, None)


def _opened(source: VideoSource, connection: Connection, acceleration: HWAccel | None) -> Any:
    live = source.kind in ("camera", "network")
    options = dict(source.options)
    if "listen" in options.get("rtsp_flags", ""):
        options.setdefault("listen_timeout", str(math.ceil(connection.open_timeout)))  # FFmpeg's own default fails
    began = time.monotonic()
    try:
        container = av.open(
            source.url,
            format=source.format,
            options=options,
            timeout=(connection.open_timeout, connection.read_timeout) if live else None,
            hwaccel=acceleration,
        )
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        # Where credentials may be in FFmpeg's message, it is not shown.
        raise _explained(source, error, time.monotonic() - began, connection) from None if live else error
    # FFmpeg "plays" text files as a terminal recording.
    if container.format.name == "tty" or not container.streams.video:
        nothing = not container.streams.audio  # a sound file is whole, and no video
        container.close()
        if nothing and _begins_as_video(source):
            raise TruncatedVideoError(f"{source.shown}: begins as a video, but is cut before its index")
        raise NotAVideoError(f"{source.shown}: it holds no video")
    return container


def _explained(source: VideoSource, error: Exception, waited: float, connection: Connection) -> HebbstreamError:
    """Return what it means that FFmpeg could not open a source."""
    shown, reason = source.shown, _reason(error)
    if isinstance(error, _REFUSED):
        return SourcePermissionError(f"{shown}: no permission to read it ({reason})")
    if isinstance(error, FileNotFoundError | av.error.HTTPNotFoundError):
        return SourceNotFoundError(f"no {_NOUNS[source.kind]} at {shown}")
    if isinstance(error, IsADirectoryError):
        return NotAVideoError(f"{shown} is a folder: expected a file, or a glob such as '*.mp4'")
    if source.kind in ("camera", "network"):
        if waited > _STALLED * connection.open_timeout:
            return StalledStreamError(f"{shown}: no answer for {connection.open_timeout:g} s")
        return ConnectionLostError(f"{shown}: cannot connect ({reason})")
    if source.kind == "synthetic":
        return ConfigurationError(f"{shown}: not a picture FFmpeg can make ({reason})")
    if _begins_as_video(source):
        return TruncatedVideoError(f"{shown}: begins as a video, but is cut before its index ({reason})")
    return NotAVideoError(f"{shown}: not a video ({reason})")


def _reason(error: Exception) -> str:
    return mask_credentials(getattr(error, "strerror", None) or str(error))


def _begins_as_video(source: VideoSource) -> bool:
    """Tell an MP4 or QuickTime, Matroska or AVI file by its first bytes."""
    if source.kind != "file":
        return False
    with Path(source.url).open("rb") as file:
        head = file.read(12)
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4], head[8:]) == (b"RIFF", b"AVI ")
