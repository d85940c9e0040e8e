"""Whether a source goes on by itself, and what it means that one has ended."""

import av

from hebbstream.adapters._media._opening import STALLED, reason
from hebbstream.adapters._media._reading import Reading
from hebbstream.adapters._media._source import MediaSource
from hebbstream.errors import ConnectionLostError, StalledStreamError

_LISTS = ("hls", "dash", "mpjpeg")


def has_end(container: av.container.InputContainer) -> bool:
    """Tell whether a source over HTTP has an end, as a file has."""
    listed = container.format.name in _LISTS  # what has a size is the list
    return bool(container.duration) or (not listed and container.size > 0)


def check_end(reading: Reading, source: MediaSource, timeout: float, *, live: bool, what: str) -> None:
    """Raise what it means that nothing more comes, if that is the connection's fault.

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
    if source.may_break_off and damage is not None and (live or isinstance(damage, ConnectionError)):
        raise ConnectionLostError(f"{shown}: broke off ({reason(damage)})") from None
