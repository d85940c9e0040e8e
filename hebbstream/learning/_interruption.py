"""`Interruption`: the first Ctrl-C or SIGTERM asks to stop, the second stops."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopWaiting(BaseException):
    """Raised by the first signal out of a wait for the next sample, which may be long in coming."""


class Interruption:
    """Whether a signal has asked to stop.

    A signal that arrives while a sample is learned only sets `requested`; one that arrives inside `waiting` also raises
    `StopWaiting` there; the second raises `KeyboardInterrupt` wherever it finds the program.
    """

    def __init__(self) -> None:
        self.requested = False
        self._waiting = False

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
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        if self._waiting:
            raise StopWaiting


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Handle SIGINT and SIGTERM for as long as the block runs; in any but the main thread signals never arrive."""
    handler = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield handler
        return
    previous = {number: signal.signal(number, handler.on_signal) for number in _SIGNALS}
    try:
        yield handler
    finally:
        for number, action in previous.items():
            signal.signal(number, action)
