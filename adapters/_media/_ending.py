"""Whether a source goes on by itself, and what it means that one has ended."""

import errno

import av

from hebbstream.adapters._media._opening import STALLED, reason
from hebbstream.adapters._media._reading import Reading
from hebbstream.adapters._media._source import MediaSource
from hebbstream.errors import ConnectionLostError, StalledStreamError

_LISTS = ("hls", "dash", "mpjpeg")


def has_end(container: av.container.InputContainer) -> bool:
    """Tell whether a source over HTTP has an end, as a file has."""
    return bool(container.duration) or _size(container) > 0


def extent(container: av.container.InputContainer) -> str:
    """Return what tells a recording over HTTP from another that stands at its address before or after it."""
    return f" {_size(container)} {container.duration} "


def _size(container: av.container.InputContainer) -> int:
    listed = container.format.name in _LISTS  # what has a size is the list
    return 0 if listed else max(0, container.size)


def check_end(reading: Reading, source: MediaSource, timeout: float, *, live: bool, what: str) -> Exception | None:
    """Raise what it means that nothing more comes, if that is the connection's fault; else return what is damaged.

    Parameters
    ----------
    reading, source
        What has ended.
    timeout
        Seconds for which it was waited for.
    live
        Whether it goes on by itself.
    what
        It sends: ``"frame"`` or ``"sound"``.

    Raises
    ------
    ConnectionLostError, StalledStreamError
        If a device or network stream broke off, or sends nothing.
    """
    damage, shown = reading.damage, source.shown
    stalled = isinstance(damage, av.error.ExitError) or reading.waited > STALLED * timeout
    if isinstance(damage, BlockingIOError) or (source.may_break_off and stalled):
        raise StalledStreamError(f"{shown}: no {what} for {timeout:g} s") from None
    early = source.over_http and isinstance(damage, OSError) and damage.errno == errno.EIO
    if early and not live and reading.container.size <= 0:
        return None  # the server told no length, and FFmpeg takes each end for one that comes too early
    if source.may_break_off and damage is not None and (live or early or isinstance(damage, ConnectionError)):
        raise ConnectionLostError(f"{shown}: broke off ({reason(damage)})") from None
    return damage
