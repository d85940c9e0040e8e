"""Iterators that work ahead: `Prefetch` in a thread of its own, `Bursts` without one while items cost little."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from queue import Empty, Full, Queue, SimpleQueue
from typing import Generic, Literal, Self, TypeVar, get_args

from hebbstream._choices import check_choice
from hebbstream._numbers import check_number
from hebbstream.errors import StreamError

Item = TypeVar("Item")
Overflow = Literal["block", "drop_oldest"]
_POLL_SECONDS = 0.05
SIGNAL_SECONDS = 0.5
_BURST, _BURST_SECONDS = 32, 0.01  # items of a burst, at most, and when none is added any more
_WORTH_A_THREAD, _SLOW_BURSTS = 5e-4, 3  # seconds an item; and for how many bursts, one after another


class Prefetch(Iterator[Item], Generic[Item]):
    """Takes items from a source a few ahead of whoever asks for them, so that producing and using them overlap.

    Order, and where an error comes in it, are the source's. The thread starts with the first item asked for. It ends
    when the source does, by `close`, by leaving a ``with`` block, or when nobody holds this any more.

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
        check_number("ahead", ahead)
        check_choice("overflow", overflow, get_args(Overflow))
        self._worker: _Worker[Item] = _Worker(source, ahead, drops=overflow == "drop_oldest")
        self._thread: threading.Thread | None = None
        self._ended, self._taken = False, 0
        # The thread holds the worker alone, so that it ends when nobody holds this any more.
        weakref.finalize(self, self._worker.stop.set)

    @property
    def dropped(self) -> int:
        """Items that nobody asked for in time."""
        return self._worker.dropped

    @property
    def held(self) -> int:
        """Items that the source has given and nobody has got."""
        return self._worker.made - self._worker.dropped - self._taken

    def __next__(self) -> Item:
        self._begin()
        return self._given(*next_of(self._worker.queue))

    def next_within(self, seconds: float) -> Item | None:
        """Return the next item, or ``None`` if there is none after so many seconds; raise what `next` would."""
        self._begin()
        try:
            return self._given(*self._worker.queue.get(timeout=seconds))
        except Empty:
            return None

    def _begin(self) -> None:
        if self._ended:
            raise StopIteration
        if self._thread is None:
            self._thread = threading.Thread(target=self._worker.work, name="hebbstream-prefetch", daemon=True)
            self._thread.start()

    def _given(self, item: Item | None, error: BaseException | None) -> Item:
        if error is not None:
            if not self._ended:  # by another thread, which does the waiting
                self.close()
            raise error
        self._taken += 1
        return item  # type: ignore[return-value]  # without an error there is an item

    def close(self, timeout: float | None = None) -> bool:
        """Stop the thread and wait for it; iterating afterwards ends at once.

        A source that waits for something from outside may keep the thread from ending. After `timeout` seconds it is
        left alone: it ends as soon as its source lets it. Returns whether it has ended.
        """
        self._ended = True
        self._worker.stop.set()
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while self._thread is not None and self._thread.is_alive():
                if deadline is not None and time.monotonic() > deadline:
                    return False
                with suppress(Empty):
                    self._worker.queue.get(timeout=_POLL_SECONDS)  # it may be waiting to hand one over
            return True
        finally:
            with suppress(Full):
                self._worker.queue.put_nowait((None, StopIteration()))  # another thread may be waiting for an item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Worker(Generic[Item]):
    """What runs in the thread."""

    def __init__(self, source: Iterable[Item], ahead: int, *, drops: bool) -> None:
        self._source, self._drops, self.dropped, self.made = source, drops, 0, 0
        # What the thread hands over: items, then the exception that ended it (StopIteration at the end).
        self.queue: Queue[tuple[Item | None, BaseException | None]] = Queue(ahead)
        self.stop = threading.Event()

    def work(self) -> None:
        error: BaseException = StopIteration()
        try:
            for item in self._source:
                self.made += 1
                if not self._hand_over(item, None):
                    return
        except BaseException as failure:
            error = failure
        finally:
            if isinstance(self._source, Generator):
                self._source.close()  # what it holds open is let go by the thread that used it
        self._hand_over(None, error)

    def _hand_over(self, item: Item | None, error: BaseException | None) -> bool:
        while not self.stop.is_set():
            try:
                self.queue.put((item, error), timeout=0 if self._drops and error is None else _POLL_SECONDS)
            except Full:
                if self._drops and error is None:
                    self._drop_one()
                continue
            return True
        return False

    def _drop_one(self) -> None:
        with suppress(Empty):
            self.queue.get_nowait()
            self.dropped += 1


def next_of(queue: Queue[Item] | SimpleQueue[Item]) -> Item:
    """Return the next item of a queue, waited for in pieces: before Python 3.14, Windows lets no Ctrl-C into a wait.

    Examples
    --------
    >>> queue = Queue()
    >>> queue.put("frame")
    >>> next_of(queue)
    'frame'
    """
    while True:
        with suppress(Empty):
            return queue.get(timeout=SIGNAL_SECONDS)


class Bursts(Iterator[Item], Generic[Item]):
    """Takes items from a source a few ahead, in the thread of whoever asks; in one of its own once they turn out slow.

    A thread for items that cost little costs more than it saves: both ask for Python's lock, and push each other's data out
    of the caches, at each of them. Where a source works at many in a row, that happens once for all of them.

    Parameters
    ----------
    source
        An iterator that never waits for anything from outside: the program could not be interrupted meanwhile.
    ahead
        Most items held once there is a thread.

    Examples
    --------
    >>> list(Bursts(iter("abc"), ahead=2))
    ['a', 'b', 'c']
    """

    def __init__(self, source: Iterator[Item], ahead: int) -> None:
        self._source = source
        self._elsewhere: Prefetch[Item] | None = None
        self._ahead, self._slow, self._closed = ahead, 0, False
        self._ready: deque[Item] = deque()
        self._error: Exception | None = None
        self._lock = threading.RLock()  # it may be closed by another thread than the one that asks

    @property
    def held(self) -> int:
        """Items that the source has given and nobody has got."""
        return len(self._ready) + (0 if self._elsewhere is None else self._elsewhere.held)

    def __next__(self) -> Item:
        with self._lock:
            if not self._ready and self._error is None and self._elsewhere is None:
                self._fill()
            if self._closed:
                raise StopIteration
            if self._ready:
                return self._ready.popleft()
            if self._error is not None:
                error, self._error = self._error, StopIteration()
                raise error
            assert self._elsewhere is not None  # noqa: S101  # a burst gives an item or an error
        return next(self._elsewhere)

    def _fill(self) -> None:
        began = time.perf_counter()
        taken = 0.0
        try:
            while len(self._ready) < _BURST and taken < _BURST_SECONDS and not self._closed:
                self._ready.append(next(self._source))
                taken = time.perf_counter() - began
        except Exception as error:
            self._error = error  # after what was ready
            return
        except BaseException:
            # It has ended the source, if that is a generator. What was not read must not look like the end.
            self._error = StreamError("interrupted while it was read: open the stream again to go on")
            raise
        # One slow burst alone may be a file's beginning, or another program's doing.
        self._slow = self._slow + 1 if taken > _WORTH_A_THREAD * len(self._ready) else 0
        if self._slow == _SLOW_BURSTS:
            self._elsewhere = Prefetch(self._source, self._ahead)

    def close(self, timeout: float | None = None) -> bool:
        """Close the source once a burst has ended; iterating afterwards ends at once. See `Prefetch.close`."""
        self._closed = True
        with self._lock:
            if self._elsewhere is not None and not self._elsewhere.close(timeout):
                return False
            if isinstance(self._source, Generator):
                self._source.close()  # also where the thread was never asked for an item
        return True
