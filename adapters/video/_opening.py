"""Opening a source with FFmpeg, and what it means when that fails."""

import errno
import logging
import math
import time
from typing import Any

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from hebbstream._credentials import mask_credentials
from hebbstream.adapters.video._choice import choose_video
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

log = logging.getLogger("hebbstream.video")
STALLED = 0.9  # of the timeout: FFmpeg reports a stall in many ways, so the clock tells too
_NOUNS = {"file": "file", "camera": "camera", "network": "stream", "synthetic": "filter"}
_REFUSED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError)
_NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)


def open_container(source: VideoSource, connection: Connection) -> tuple[Any, Any]:
    """Return an open container of FFmpeg's, and the video in it that is to be read.

    Raises
    ------
    StreamError
        A subclass that tells what is wrong, if that cannot be.
    """
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


def _opened(source: VideoSource, connection: Connection, acceleration: HWAccel | None) -> tuple[Any, Any]:
    began = time.monotonic()
    try:
        container = _connected(source, connection, acceleration)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        # Where credentials may be in FFmpeg's message, it is not shown.
        hidden = source.kind in ("camera", "network")
        raise _explained(source, error, time.monotonic() - began, connection) from None if hidden else error
    try:
        # FFmpeg "plays" text files as a terminal recording.
        if container.format.name == "tty" or not container.streams.video:
            if not container.streams.audio and _begins_as_video(source):  # a sound file is whole, and no video
                raise TruncatedVideoError(f"{source.shown}: begins as a video, but is cut before its index")
            raise NotAVideoError(f"{source.shown}: it holds no video")
        return container, choose_video(container, source.shown, connection.stream)
    except HebbstreamError:
        container.close()
        raise


def _connected(source: VideoSource, connection: Connection, acceleration: HWAccel | None) -> Any:
    """Open it, if need be as the bare pictures of a camera that leaves out the boundary before the first."""
    if source.format is not None or not source.over_http:
        return _asked(source, connection, acceleration, source.format)
    try:
        container = _asked(source, connection, acceleration, None)
        if container.format.name != "mpjpeg" or container.streams.video[0].width:
            return container
        container.close()
        failure: Exception = NotAVideoError(f"{source.shown}: it holds no video")
    except av.error.FFmpegError as error:
        if not isinstance(error, av.error.InvalidDataError) and error.errno != errno.EIO:
            raise
        failure = error
    log.info("%s: not in a form that FFmpeg knows; trying JPEG pictures one after another", source.shown)
    container = _asked(source, connection, acceleration, "mjpeg")
    # What has a length is no camera, but a file that is damaged.
    if container.size <= 0 and container.streams.video and container.streams.video[0].width:
        return container
    container.close()
    raise failure


def _asked(source: VideoSource, connection: Connection, acceleration: HWAccel | None, form: str | None) -> Any:
    options = dict(source.options)
    if "listen" in options.get("rtsp_flags", ""):
        options.setdefault("listen_timeout", str(math.ceil(connection.open_timeout)))  # FFmpeg's own default fails
    if source.kind == "file":
        options.setdefault("pattern_type", "none")  # a picture's name is its name, even img_%03d.jpg
    live = source.kind in ("camera", "network")
    return av.open(
        source.target(),
        mode="r",
        format=form,
        options=options,
        timeout=(connection.open_timeout, connection.read_timeout) if live else None,
        hwaccel=acceleration,
    )


def _explained(source: VideoSource, error: Exception, waited: float, connection: Connection) -> HebbstreamError:
    """Return what it means that FFmpeg could not open a source."""
    shown, why = source.shown, reason(error)
    if isinstance(error, _REFUSED):
        return SourcePermissionError(f"{shown}: no permission to read it ({why})")
    if isinstance(error, FileNotFoundError | av.error.HTTPNotFoundError):
        return SourceNotFoundError(f"no {_NOUNS[source.kind]} at {shown}")
    if isinstance(error, IsADirectoryError):
        return NotAVideoError(f"{shown} is a folder: expected a file, or a glob such as '*.mp4'")
    if source.kind in ("camera", "network"):
        if waited > STALLED * connection.open_timeout:
            return StalledStreamError(f"{shown}: no answer for {connection.open_timeout:g} s")
        return ConnectionLostError(f"{shown}: cannot connect ({why})")
    if source.kind == "synthetic":
        return ConfigurationError(f"{shown}: not a picture FFmpeg can make ({why})")
    if isinstance(error, OSError) and error.errno in _NO_SUCH_NAME:
        return SourceNotFoundError(f"no file at {shown:.200} ({why})")
    if _begins_as_video(source):
        return TruncatedVideoError(f"{shown}: begins as a video, but is cut before its index ({why})")
    return NotAVideoError(f"{shown}: not a video ({why})")


def reason(error: Exception) -> str:
    """Return in a few words, without credentials, what an error says."""
    return mask_credentials(getattr(error, "strerror", None) or str(error))


def _begins_as_video(source: VideoSource) -> bool:
    """Tell an MP4 or QuickTime, Matroska or AVI file by its first bytes."""
    head = source.head(12)
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4], head[8:]) == (b"RIFF", b"AVI ")
