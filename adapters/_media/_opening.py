"""Opening a source with FFmpeg, and what it means when that fails."""

import errno
import math
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import av

from hebbstream._credentials import mask_credentials
from hebbstream.adapters._media._options import Connection
from hebbstream.adapters._media._source import MediaSource
from hebbstream.errors import (
    ConfigurationError,
    ConnectionLostError,
    HebbstreamError,
    SourceNotFoundError,
    SourcePermissionError,
    StalledStreamError,
    StreamError,
)

STALLED = 0.9  # of the timeout: FFmpeg reports a stall in many ways, so the clock tells too
_NOUNS = {"file": "file", "camera": "camera", "microphone": "microphone", "network": "stream", "synthetic": "filter"}
_REFUSED = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, PermissionError)
_NO_SUCH_NAME = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP)


class Medium(NamedTuple):
    """What is looked for in a source."""

    called: str
    """"a video" or "sound"."""
    error: type[StreamError]
    """Raised where there is none."""
    example: str
    """A glob."""


def open_source(
    source: MediaSource,
    connection: Connection,
    medium: Medium,
    ask: Callable[[], Any],
    choose: Callable[[Any], Any],
    explain: Callable[[Exception], StreamError | None] = lambda _: None,
) -> tuple[Any, Any]:
    """Return an open container, and the stream in it that is to be read.

    Parameters
    ----------
    source, connection, medium
        What, how, and what for.
    ask
        Opens it.
    choose
        Returns the stream of a container.
    explain
        Returns what an error means that says nothing of what FFmpeg knows, where it can tell.

    Raises
    ------
    StreamError
        A subclass that tells what is wrong, if that cannot be.
    """
    began = time.monotonic()
    try:
        container = ask()
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        meant = _explained(source, error, time.monotonic() - began, connection, medium)
        # Where credentials may be in FFmpeg's message, it is not shown.
        unknown = medium.error(f"{source.shown}: not {medium.called} ({reason(error)})")
        raise (meant or explain(error) or unknown) from None if source.may_break_off else error
    try:
        return container, choose(container)
    except HebbstreamError:
        container.close()
        raise


def ask(source: MediaSource, connection: Connection, acceleration: Any = None, form: str | None = None) -> Any:
    """Open a container, or raise what FFmpeg does."""
    options = dict(source.options)
    if "listen" in options.get("rtsp_flags", ""):
        options.setdefault("listen_timeout", str(math.ceil(connection.open_timeout)))  # FFmpeg's own default fails
    if source.kind == "file":
        options.setdefault("pattern_type", "none")  # a picture's name is its name, even img_%03d.jpg
    if source.content is not None:
        options.setdefault("protocol_whitelist", "file,crypto,data")  # what FFmpeg lets a playlist in a file open
    return av.open(
        source.target(),
        mode="r",
        format=form or source.format,
        options=options,
        timeout=(connection.open_timeout, connection.read_timeout) if source.may_break_off else None,
        hwaccel=acceleration,
    )


def _explained(
    source: MediaSource, error: Exception, waited: float, connection: Connection, medium: Medium
) -> HebbstreamError | None:
    """Return what it means that FFmpeg could not open a source; ``None`` if that is for the content to tell."""
    shown, why = source.shown, reason(error)
    if isinstance(error, _REFUSED):
        return SourcePermissionError(f"{shown}: no permission to read it ({why})")
    if isinstance(error, FileNotFoundError | av.error.HTTPNotFoundError):
        return SourceNotFoundError(f"no {_NOUNS[source.kind]} at {shown}")
    if isinstance(error, IsADirectoryError):
        return medium.error(f"{shown} is a folder: expected a file, or a glob such as {medium.example!r}")
    if isinstance(error, av.error.ProtocolNotFoundError):
        scheme = shown.partition(":")[0]
        return ConfigurationError(
            f"{shown}: the FFmpeg that PyAV uses does not know {scheme}; expected another protocol"
        )
    if source.may_break_off:
        if waited > STALLED * connection.open_timeout:
            return StalledStreamError(f"{shown}: no answer for {connection.open_timeout:g} s")
        if isinstance(error, av.error.InvalidDataError):  # perhaps a page that asks for a password
            return ConnectionLostError(f"{shown}: it answers, but what it sends is not {medium.called} ({why})")
        return ConnectionLostError(f"{shown}: cannot connect ({_without_host(source, error) or why})")
    if source.kind == "synthetic":
        made = "a picture" if medium.called == "a video" else "a sound"
        return ConfigurationError(f"{shown}: not {made} FFmpeg can make ({why})")
    if isinstance(error, OSError) and error.errno in _NO_SUCH_NAME:
        return SourceNotFoundError(f"no file at {shown:.200} ({why})")
    return None


def _without_host(source: MediaSource, error: Exception) -> str | None:
    """Return why a source's host has no address, which FFmpeg tells as any other error of input."""
    if getattr(error, "errno", None) != errno.EIO or (source.over_http and getproxies()):  # a proxy asks for itself
        return None
    try:
        host = urlsplit(source.shown).hostname  # of what is shown, as a part of an odd password could pass for it
        if host is not None:  # `udp://:1234` listens
            socket.getaddrinfo(host, None)
    except socket.gaierror as unknown:
        return f"no address of {host} is known: {unknown.strerror}"
    except ValueError:  # it cannot be a name
        return None
    return None


def reason(error: Exception) -> str:
    """Return in a few words, without credentials, what an error says."""
    return mask_credentials(getattr(error, "strerror", None) or str(error))
