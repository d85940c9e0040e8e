"""`Decoder`: the frames of one opened file, camera or stream, whatever is wrong with it."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from hebbstream._credentials import mask_credentials
from hebbstream.adapters.video._clock import Clock
from hebbstream.adapters.video._complete import is_whole
from hebbstream.adapters.video._options import Connection
from hebbstream.adapters.video._reading import Reading, can_seek
from hebbstream.adapters.video._seeking import Opened, Pass, begin, seek
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
_STALLED = 0.9  # of the timeout: FFmpeg reports a stall in many ways, so the clock tells too
_LISTS = ("hls", "dash", "mpjpeg")
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
        self._connection = connection
        self._connect()

    def _connect(self) -> None:
        self._container = _open(self.source, self._connection)
        self.video: Any = self._container.streams.video[0]
        if self.video.codec_context is None:
            self.close()
            raise NotAVideoError(f"{self.source.shown}: FFmpeg here has no decoder for its video")
        self.video.thread_type = "AUTO"

    def close(self) -> None:
        """Close it; closing twice is harmless."""
        self._container.close()

    @property
    def live(self) -> bool:
        """Whether it goes on whether or not it is read: a camera or network stream, but not a file over HTTP."""
        over_http = self.source.url.lower().startswith(("http://", "https://"))
        return self.source.kind in ("camera", "network") and not (over_http and self._ends())

    def _ends(self) -> bool:
        listed = self._container.format.name in _LISTS  # what has a size is the list
        return bool(self._container.duration) or (not listed and self._container.size > 0)

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
            After the last good frame, if bytes of a recording are missing.
        ConnectionLostError, StalledStreamError
            If a camera or network stream breaks off, or sends nothing.
        """
        reading, clock = self._place(start)
        progress, before, passed = reading.progress, self.stats.corrupt, 0
        with closing(reading):
            for seconds, frame in clock.times(reading):
                if end is not None and seconds >= end - _ROUNDING:
                    return
                self.stats.frames += 1
                if seconds >= start - _ROUNDING:
                    self.stats.corrupt = before + progress.corrupt - passed
                    yield seconds, frame
                else:
                    passed = progress.corrupt  # not in the part that is asked for
        self.stats.corrupt = before + progress.corrupt - passed
        self._end(reading, clock)

    def _place(self, start: float) -> Pass:
        """Return how to read from a place at or before `start`."""
        if start and self.source.kind != "synthetic" and can_seek(self._container):
            if found := seek(self._opened, start):
                return found
            log.info("%s: reading up to %g s", self.source.shown, start)
            self.close()
            self._connect()
        return begin(self._opened)

    @property
    def _opened(self) -> Opened:
        timeout, local = self._connection.read_timeout, self.source.kind == "file"
        return Opened(self._container, self.video, timeout, self.frame_seconds, self.live, local)

    def _end(self, reading: Reading, clock: Clock) -> None:
        damage, progress, shown = reading.damage, reading.progress, self.source.shown
        timeout = self._connection.read_timeout
        remote = self.source.kind in ("camera", "network")
        silent = remote and reading.waited > _STALLED * timeout
        if silent or isinstance(damage, av.error.ExitError | BlockingIOError):
            raise StalledStreamError(f"{shown}: no frame for {timeout:g} s") from None
        if damage is not None and (self.live or (remote and isinstance(damage, ConnectionError))):
            raise ConnectionLostError(f"{shown}: broke off ({_reason(damage)})") from None
        if self.live:
            return
        ended = clock.latest + self.frame_seconds
        if progress.end is not None and clock.origin is not None:
            # Most containers declare when the last frame ends, not how long it is from the first one's start to there.
            absolute = not self._container.format.flags & av.format.Flags.ts_discont.value
            origin = min(0.0, clock.origin) if absolute else clock.origin
            ended = max(ended, float(progress.end * self.video.time_base) - origin)
        path = Path(self.source.url) if self.source.kind == "file" else None
        whole = is_whole(progress, self._container, self.video, path, seconds=self.seconds, ended=ended)
        if not progress.frames and (whole or damage is not None):
            raise NotAVideoError(f"{shown}: no frame of it can be decoded")
        if damage is not None or not whole:
            declared = f"{self.video.frames} frames" if self.video.frames else f"{self.seconds:.1f} s"
            known = f"; its header declares {declared}" if self.video.frames or self.seconds > ended else ""
            raise TruncatedVideoError(
                f"{shown}: truncated or damaged after {progress.frames} frames ({ended:.1f} s){known}"
            ) from damage


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
