"""Opening a video with FFmpeg."""

import errno
import logging
from typing import Any

import av
from av.codec.hwaccel import HWAccel, hwdevices_available

from hebbstream.adapters._media._opening import Medium, ask, open_source, reason
from hebbstream.adapters._media._options import Connection
from hebbstream.adapters._media._source import MediaSource
from hebbstream.adapters.video._choice import choose_video
from hebbstream.errors import ConfigurationError, NotAVideoError, StreamError, TruncatedVideoError

log = logging.getLogger("hebbstream.video")
_VIDEO = Medium("a video", NotAVideoError, "*.mp4")


def open_container(source: MediaSource, connection: Connection) -> tuple[Any, Any]:
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


def _opened(source: MediaSource, connection: Connection, acceleration: HWAccel | None) -> tuple[Any, Any]:
    return open_source(
        source,
        connection,
        _VIDEO,
        lambda: _connected(source, connection, acceleration),
        lambda container: _chosen(source, container, connection.stream),
        lambda error: _cut(source, f" ({reason(error)})") if _begins_as_video(source) else None,
    )


def _chosen(source: MediaSource, container: Any, number: int | None) -> Any:
    # FFmpeg "plays" text files as a terminal recording.
    if container.format.name == "tty" or not container.streams.video:
        if not container.streams.audio and _begins_as_video(source):  # a sound file is whole, and no video
            raise _cut(source)
        raise NotAVideoError(f"{source.shown}: it holds no video")
    return choose_video(container, source.shown, number)


def _cut(source: MediaSource, why: str = "") -> TruncatedVideoError:
    return TruncatedVideoError(f"{source.shown}: begins as a video, but is cut before its index{why}")


def _connected(source: MediaSource, connection: Connection, acceleration: HWAccel | None) -> Any:
    """Open it, if need be as the bare pictures of a camera that leaves out the boundary before the first."""
    if source.format is not None or not source.over_http:
        return ask(source, connection, acceleration)
    try:
        container = ask(source, connection, acceleration)
        if container.format.name != "mpjpeg" or container.streams.video[0].width:
            return container
        container.close()
        failure: Exception = NotAVideoError(f"{source.shown}: it holds no video")
    except av.error.FFmpegError as error:
        if not isinstance(error, av.error.InvalidDataError) and error.errno != errno.EIO:
            raise
        failure = error
    log.info("%s: not in a form that FFmpeg knows; trying JPEG pictures one after another", source.shown)
    container = ask(source, connection, acceleration, "mjpeg")
    # What has a length is no camera, but a file that is damaged.
    if container.size <= 0 and container.streams.video and container.streams.video[0].width:
        return container
    container.close()
    raise failure


def _begins_as_video(source: MediaSource) -> bool:
    """Tell an MP4 or QuickTime, Matroska or AVI file by its first bytes."""
    head = source.head(12)
    return head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3" or (head[:4], head[8:]) == (b"RIFF", b"AVI ")
