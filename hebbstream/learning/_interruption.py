"""`Interruption`: signals that ask a run to stop, or to save."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Windows lacks the last two.
_STOP = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_HANG_UP = getattr(signal, "SIGHUP", None)
_SAVE = getattr(signal, "SIGUSR1", None)


class StopWaiting(BaseException):
    """Raised by the first signal out of a wait for the next sample, which may be long in coming."""


class Interruption:
    """Whether a signal has asked to stop, or to save.

    A signal to stop that arrives while a sample is learned only sets `requested`; one that arrives inside `waiting` also
    raises `StopWaiting` there; the second raises `KeyboardInterrupt` wherever it finds the program. SIGUSR1 sets
    `to_save`, and inside `waiting` calls `save`, which only a second signal to stop breaks off.

    Parameters
    ----------
    save
        Saves, if it can.
    """

    def __init__(self, save: Callable[[], None]) -> None:
        self.requested = self.to_save = False
        self.forced = False
        """Whether a second signal to stop has broken off whatever was being done."""
        self.grace = 0.0
        """Seconds in which a second signal to stop counts as the first: a terminal and what started us may both send one."""
        self._save = save
        self._waiting = False
        self._asked = 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Mark a wait that a signal may break off."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # what signal.signal calls
        """Handle a signal."""
        if number == _SAVE:
            self.to_save = True
            if self._waiting:
                self._save_now()
        elif not self.requested:
            self.requested, self._asked = True, time.monotonic()
            if self._waiting:
                raise StopWaiting
        # A shell and its terminal both hang up when they close.
        elif number != _HANG_UP and time.monotonic() - self._asked >= self.grace:
            self.forced = True
            raise KeyboardInterrupt

    def _save_now(self) -> None:
        self._waiting = False  # signals that come meanwhile are answered afterwards
        try:
            self._save()
        finally:
            self._waiting = True
        if self.requested:
            raise StopWaiting


@contextmanager
def interruption(save: Callable[[], None] | None = None) -> Iterator[Interruption]:
    """Handle signals for as long as the block runs; in any but the main thread they never arrive.

    SIGINT and SIGTERM always; SIGHUP, which `nohup` ignores, and with `save` SIGUSR1, where nobody else handles them.
    """
    handler = Interruption(save or (lambda: None))
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    previous = {number: signal.getsignal(number) for number in _STOP}
    if _HANG_UP in previous and previous[_HANG_UP] is not signal.SIG_DFL:
        del previous[_HANG_UP]
    unclaimed = (signal.SIG_DFL, signal.SIG_IGN)
    if save is not None and _SAVE is not None and (present := signal.getsignal(_SAVE)) in unclaimed:
        previous[_SAVE] = present
    for number in previous:
        signal.signal(number, handler.on_signal)
    try:
        yield handler
    finally:
        for number, action in previous.items():
            signal.signal(number, action)
