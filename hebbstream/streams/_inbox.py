"""`Inbox`: samples that a callback hands over, as a live stream."""

import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

from hebbstream._numbers import check_number
from hebbstream.streams._item import owned
from hebbstream.streams._prefetch import SIGNAL_SECONDS
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream


class Inbox(Stream[Sample]):
    """A live stream of the samples that callbacks put in, as of a driver of cameras or of a robot's messages.

    `put` may be called from any thread and never waits for learning. Where learning is slower, the sample that has
    waited longest is dropped; `stats` counts it. `close` ends a run that waits for the next one.

    Parameters
    ----------
    ahead
        Samples held at most.

    Raises
    ------
    ConfigurationError
        If `ahead` is not a positive integer.

    Examples
    --------
    >>> import numpy as np
    >>> inbox, frame = Inbox(ahead=2), np.zeros((48, 64, 3), np.uint8)
    >>> for number in range(3):  # in your callback
    ...     _ = inbox.put((frame, number))
    >>> next(inbox).y, next(inbox).y, inbox.stats.dropped
    (1, 2, 1)
    """

    def __init__(self, ahead: int = 2) -> None:
        check_number("ahead", ahead)
        self._ahead = ahead
        self._held: deque[Sample] = deque()
        self._changed = threading.Condition()
        # No generator: Ctrl-C in a wait would end it, and the next run could not go on.
        super().__init__(iter(self._wait, None), name=f"Inbox(ahead={ahead})", live=True, stats=StreamStats())

    @property
    def ready(self) -> bool:
        """Whether a sample is there."""
        return bool(self._held)

    def put(self, item: Any) -> bool:
        """Hand over a sample, and return whether it is taken: after `close` none is.

        Parameters
        ----------
        item
            A frame, a pair (frame, label) or a `Sample`. The frame is copied, so its memory may be used again at once.
            Unless it has one, its time of capture is now.

        Raises
        ------
        LabelError, InputError
            As of `Sample.of`.

        Examples
        --------
        >>> inbox = Inbox()
        >>> inbox.put("frame"), inbox.close(), inbox.put("too late")
        (True, None, False)
        """
        sample = owned(Sample.of(item))
        if sample.captured is None:
            sample = replace(sample, captured=time.monotonic())
        with self._changed:
            if self._closed:
                return False
            if len(self._held) == self._ahead:
                self._held.popleft()
                self._stats.dropped += 1
            self._held.append(sample)
            self._changed.notify()
        return True

    def _wait(self) -> Sample | None:
        """Return the next sample, or ``None`` once it is closed."""
        with self._changed:
            while not self._held and not self._closed:
                self._changed.wait(SIGNAL_SECONDS)
            return None if self._closed else self._held.popleft()

    def _release(self) -> None:
        super()._release()
        with self._changed:
            self._held.clear()
            self._changed.notify_all()
