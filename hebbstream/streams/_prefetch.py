"""`Prefetch`: an iterator that works ahead in a thread of its own."""

import threading
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue
from typing import Generic, Literal, Self, TypeVar, get_args

from hebbstream.errors import ConfigurationError

Item = TypeVar("Item")
Overflow = Literal["block", "drop_oldest"]
_POLL_SECONDS = 0.05


class Prefetch(Iterator[Item], Generic[Item]):
    """Takes items from a source a few ahead of whoever asks for them, so that producing and using them overlap.

    Order, and where an error comes in it, are the source's. The thread starts with the first item asked for. It must
    be ended: by reading to the end, by `close`, or by leaving a ``with`` block.

    Parameters
    ----------
    source
        Is iterated in the thread.
    ahead
        Most items held.
    overflow
        What happens to a new item when that many are held: ``"block"`` makes the source wait, ``"drop_oldest"`` drops
        the one that has waited longest, which suits a source that cannot wait. `dropped` counts them.

    Raises
    ------
    ConfigurationError
        If `ahead` is not positive, or `overflow` is neither.

    Examples
    --------
    >>> with Prefetch(iter("abc"), ahead=2) as letters:
    ...     list(letters)
    ['a', 'b', 'c']
    """

    def __init__(self, source: Iterable[Item], ahead: int = 4, overflow: Overflow = "block") -> None:
        if ahead < 1:
            raise ConfigurationError(f"ahead={ahead}: expected a positive integer")
        if overflow not in get_args(Overflow):
            raise ConfigurationError(f"overflow={overflow!r}: expected one of {get_args(Overflow)}")
        self.dropped = 0
        self._source, self._drops = source, overflow == "drop_oldest"
        # What the thread hands over: items, then the exception that ended it (StopIteration at the end).
        self._queue: Queue[tuple[Item | None, BaseException | None]] = Queue(ahead)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._ended = False

    def __next__(self) -> Item:
        if self._ended:
            raise StopIteration
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="hebbstream-prefetch", daemon=True)
            self._thread.start()
        item, error = self._queue.get()
        if error is not None:
            self.close()
            raise error
        return item  # type: ignore[return-value]  # without an error there is an item

    def close(self, timeout: float | None = None) -> bool:
        """Stop the thread and wait for it; iterating afterwards ends at once.

        A source that waits for something from outside may keep the thread from ending. After `timeout` seconds it is
        left alone: it ends as soon as its source lets it. Returns whether it has ended.
        """
        self._ended = True
        self._stop.set()
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._thread is not None and self._thread.is_alive():
            if deadline is not None and time.monotonic() > deadline:
                return False
            with suppress(Empty):
                self._queue.get(timeout=_POLL_SECONDS)  # it may be waiting to hand one over
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _work(self) -> None:
        error: BaseException = StopIteration()
        try:
            for item in self._source:
                if not self._hand_over(item, None):
                    return
        except BaseException as failure:
            error = failure
        finally:
            if isinstance(self._source, Generator):
                self._source.close()  # what it holds open is let go by the thread that used it
        self._hand_over(None, error)

    def _hand_over(self, item: Item | None, error: BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put((item, error), timeout=0 if self._drops and error is None else _POLL_SECONDS)
            except Full:
                if self._drops and error is None:
                    self._drop_one()
                continue
            return True
        return False

    def _drop_one(self) -> None:
        with suppress(Empty):
            self._queue.get_nowait()
            self.dropped += 1
