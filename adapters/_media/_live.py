"""Cameras and network streams: what to do when they break off."""

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Generator

from hebbstream.adapters._media._decoder import MediaDecoder
from hebbstream.adapters._media._timed import TimedFrame
from hebbstream.errors import ConfigurationError, SourcePermissionError, StreamError
from hebbstream.streams._stats import StreamStats

log = logging.getLogger("hebbstream.video")
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
_LASTING = 5.0  # seconds after which a connection is one that works


def live_frames(
    decoder: MediaDecoder,
    connect: Callable[[], MediaDecoder],
    stats: StreamStats,
    *,
    duration: float | None = None,
    retry_for: float,
    closing: threading.Event,
) -> Generator[TimedFrame, None, None]:
    """Yield a live source's frames, and connect anew when it breaks off, stalls or ends.

    Waits between attempts double from half a second to 30 s, each shortened at random by up to a half so that many
    clients of one camera do not come back at once. They begin anew once a connection has lasted longer than the next
    wait would be, or five seconds.

    Parameters
    ----------
    decoder
        The source, opened.
    connect
        Opens it again.
    stats
        Counts go there.
    duration
        Seconds after which it ends, even while it is away.
    retry_for
        Seconds without a frame after which trying stops.
    closing
        Ends it when set, between two frames or while it waits to try again.

    Raises
    ------
    StreamError
        What was wrong last, when trying has stopped. A stream that ended in good order just ends.
    SourcePermissionError
        At once: asking again would not help.
    """
    source, patience = decoder.source, _Patience(retry_for)
    name = source.name
    opened = patience.last_frame
    ends = math.inf if duration is None else opened + duration
    reason: StreamError | None = None
    current: MediaDecoder | None = decoder
    while True:
        gave = False
        if current is not None:
            reason = None
            try:
                for _, frame in current.frames():
                    now, gave = patience.renew(), True
                    if closing.is_set() or now >= ends:
                        return
                    t = now - opened
                    yield TimedFrame(frame, t, t, name, current.pixel_aspect)
            except StreamError as error:
                reason = error
            finally:
                current.close()
            log.warning("%s", reason or f"{source.shown}: ended")
        # To notice a stall may have taken longer than it is to be tried again: once it is.
        if patience.left <= 0 and not (gave and retry_for):
            if reason is None or time.monotonic() >= ends:
                return
            raise reason
        log.info("%s: trying again, for %.0f s more", source.shown, max(0.0, patience.left))
        if patience.pause(closing, ends):
            return
        try:
            current = connect()
        except SourcePermissionError:
            raise
        except (StreamError, ConfigurationError) as error:  # the latter where it comes back with fewer tracks
            log.info("%s", error)
            failure = error if isinstance(error, StreamError) else StreamError(str(error))
            current, reason = None, reason and failure  # what ended in good order stays so
        else:
            patience.connected()
            stats.reconnects += 1
            since = time.monotonic() - patience.last_frame
            log.warning("%s: connected again, %.1f s after the last frame", source.shown, since)


class _Patience:
    """How long a source without a frame is tried again, and the growing pauses between."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._wait = seconds, _FIRST_WAIT
        self.connected()
        self.last_frame = self._since

    def connected(self) -> None:
        """Note that a connection begins."""
        self._since = time.monotonic()

    def renew(self) -> float:
        """Begin again, as a frame has come; return when."""
        self.last_frame = time.monotonic()
        if self.last_frame - self._since > min(
            self._wait, _LASTING
        ):  # one that breaks off at once is not asked again at once
            self._wait = _FIRST_WAIT
        return self.last_frame

    @property
    def left(self) -> float:
        return self.last_frame + self._seconds - time.monotonic()

    def pause(self, closing: threading.Event, ends: float) -> bool:
        """Wait a while; return whether it is over, by closing or as that time has come."""
        wait = min(self.left, self._wait * random.uniform(0.5, 1.0))  # noqa: S311  # not a secret
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        return closing.wait(min(wait, ends - time.monotonic())) or time.monotonic() >= ends
