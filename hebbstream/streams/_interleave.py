"""`interleave`: many sources, one stream; a source that dies does not stop the others."""

import heapq
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from queue import SimpleQueue
from typing import Any, Literal

from hebbstream._numbers import check_number
from hebbstream.errors import ConfigurationError
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import owned, time_of
from hebbstream.streams._prefetch import next_of
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream, as_stream

_LOG = logging.getLogger("hebbstream.streams")
_SHOWN = 3  # sources
_GRACE_SECONDS = 2.0  # for a thread that is waiting for its source when the stream is closed

_Arrival = tuple[str, Sample | BaseException | None]  # a source's sample, or how it ended
_NOTHING: _Arrival = ("", None)


def interleave(
    streams: Mapping[str, Iterable[Any]],
    by: Literal["turn", "time", "arrival"] = "turn",
    *,
    ahead: int = 2,
    batch: int = 1,
) -> Stream[Sample]:
    """Merge several sources into one stream of samples, each tagged with its source's name.

    A source that ends is left out from then on. So is one that raises: that is logged once as a warning to the logger
    ``hebbstream.streams`` and kept in `Stream.failures`. The last error surfaces only when every source has failed.
    Each source is closed, where it has a ``close``, as soon as it is done, and all of them when the stream is closed.
    By "arrival", a thread that is still waiting for its source after two seconds closes it when its wait is over.

    ===========  =========================================  ============  ==============================
    `by`         order                                      the same      a slow source
                                                            every time
    ===========  =========================================  ============  ==============================
    "turn"       one from each in turn, as the mapping      yes           holds up the others
                 lists them
    "time"       by the samples' own times `Sample.t`;      yes           holds up the others
                 the first listed where they are equal
    "arrival"    as they come                               no            is passed over until it has one
    ===========  =========================================  ============  ==============================

    The first two are for files: an interrupted run goes on exactly by reading the same streams again. "arrival" is for
    live sources: each is read in a thread of its own, at most `ahead` samples in advance, so that none gets more than its
    turn while others have something.

    Parameters
    ----------
    streams
        From a name to an iterable of frames, pairs (frame, label) or samples.
    by
        As above. By "time", each source's samples are expected in order, and one is read ahead from each; a sample
        without a time counts as a failure of its source.
    ahead
        Samples held from each source at most, by "arrival"; more where a `batch` needs them to be full.
    batch
        Samples that `learn` makes one step of, at most: by "arrival" those that have come by the time a step begins, so
        that no step waits for a slow source. More frames a second, and fewer, larger updates.

    Returns
    -------
    Stream
        Of `Sample`, to be closed or used as a context manager.

    Raises
    ------
    ConfigurationError
        If there are no streams, one cannot be iterated, or an option cannot work.

    Examples
    --------
    >>> with interleave({"door": ["a", "b"], "yard": [Sample("c", t=0.5)]}) as samples:
    ...     [(sample.x, sample.source) for sample in samples]
    [('a', 'door'), ('c', 'yard'), ('b', 'door')]
    """
    if not isinstance(streams, Mapping) or not streams:
        found = "no streams" if isinstance(streams, Mapping) else f"streams of type {type(streams).__name__}"
        raise ConfigurationError(f"{found}: expected a mapping from names to at least one stream")
    check_number("ahead", ahead)
    check_number("batch", batch)
    if by not in ("turn", "time", "arrival"):
        raise ConfigurationError(f"by={by!r}: expected 'turn', 'time' or 'arrival'")
    return _Interleaved(streams, by, max(ahead, -(-batch // len(streams))), batch)


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown if len(shown) <= _SHOWN else [*shown[:_SHOWN], f"{len(shown) - _SHOWN} more"])


class _Interleaved(Composed[Sample]):
    def __init__(self, streams: Mapping[str, Iterable[Any]], by: str, ahead: int, batch: int) -> None:
        self._by, self._batch = by, batch
        self._arrived: SimpleQueue[_Arrival] = SimpleQueue()
        self._pending: deque[_Arrival] = deque()  # taken out of the queue to see whether there is a sample
        self._open = {name: as_stream(stream) for name, stream in streams.items()}
        merges = {"turn": self._by_turn, "time": self._by_time, "arrival": self._by_arrival}
        super().__init__(
            merges[by](),
            *self._open.values(),
            name=f"interleave({_listed(streams)}, by={by!r})",
            count=lambda n: n,
            in_order=False,  # whose turn it is depends on which sources have ended
        )
        self._died: dict[str, BaseException] = {}
        self._permits = {name: threading.Semaphore(ahead) for name in streams}
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        # The threads do not hold this, so that they end when nobody does.
        weakref.finalize(self, _stop, self._stopped, list(self._permits.values()))

    @property
    def batch(self) -> int:
        return max(self._batch, super().batch)

    @property
    def ready(self) -> bool:
        if self._by != "arrival":
            return super().ready
        while not (found := any(isinstance(item, Sample) for _, item in self._pending)) and not self._arrived.empty():
            self._pending.append(self._arrived.get())
        return found

    @property
    def failures(self) -> dict[str, BaseException]:
        return super().failures | self._died

    def _made_from(self, fingerprints: list[str | None]) -> str | None:
        return None if None in fingerprints else f"interleave({', '.join(map(str, fingerprints))}, by={self._by!r})"

    def _release(self) -> None:
        self._items, self._source = None, ()  # another thread may be inside: it ends when its sources do
        _stop(self._stopped, self._permits.values())
        self._arrived.put(_NOTHING)  # another thread may be waiting for a sample that never comes
        deadline = time.monotonic() + _GRACE_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if not self._threads:  # they close their own
            for name in list(self._open):
                self._done(name)

    def _surviving(self, name: str, stream: Stream[Any], *, timed: bool = False) -> Iterator[Sample]:
        """Yield a source's samples to its end, whether good or bad."""
        try:
            for sample in _tagged(name, stream):
                if timed:
                    time_of(sample)
                yield sample
        except Exception as error:
            self._done(name)
            if not self._closed:
                self._drop(name, error)
        else:
            self._done(name)

    def _done(self, name: str) -> None:
        stream = self._open.pop(name, None)
        if stream is not None:  # another thread may have closed them all
            _close(name, stream)

    def _drop(self, name: str, error: BaseException) -> None:
        self._died[name] = error
        _LOG.warning("source %r is dropped: %s: %s", name, type(error).__name__, error)
        if len(self._died) == len(self._sources):
            raise error

    def _by_turn(self) -> Iterator[Sample]:
        waiting = deque(self._surviving(*source) for source in list(self._open.items()))
        while waiting:
            samples = waiting.popleft()
            sample = next(samples, None)
            if sample is not None:
                yield sample
                waiting.append(samples)

    def _by_time(self) -> Iterator[Sample]:
        yield from heapq.merge(
            *(self._surviving(*source, timed=True) for source in list(self._open.items())), key=time_of
        )

    def _by_arrival(self) -> Iterator[Sample]:
        for name in self._open:
            given = (name, self._open[name], self._permits[name], self._stopped, self._arrived)
            thread = threading.Thread(target=_read, args=given, name="hebbstream-source", daemon=True)
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()
        running = len(self._threads)
        while running:
            # A queue in the order of arrival is fair: a source has no more than its permits in it.
            name, found = self._pending.popleft() if self._pending else next_of(self._arrived)
            if self._stopped.is_set():
                return
            if isinstance(found, Sample):
                self._permits[name].release()
                yield found
                continue
            running -= 1
            if found is not None:
                self._drop(name, found)


def _read(
    name: str,
    stream: Stream[Any],
    permit: threading.Semaphore,
    stopped: threading.Event,
    arrived: SimpleQueue[_Arrival],
) -> None:
    samples, end = _tagged(name, stream), None
    try:
        while permit.acquire() and not stopped.is_set() and (sample := next(samples, None)):
            arrived.put((name, owned(sample)))  # the source goes on at once, maybe in the same memory
    except BaseException as error:
        end = error
    _close(name, stream)
    arrived.put((name, end))


def _tagged(name: str, stream: Stream[Any]) -> Iterator[Sample]:
    for item in stream:
        yield replace(Sample.of(item), source=name)


def _close(name: str, stream: Stream[Any]) -> None:
    try:
        stream.close()
    except Exception as error:
        _LOG.warning("source %r could not be closed: %s: %s", name, type(error).__name__, error)


def _stop(stopped: threading.Event, permits: Iterable[threading.Semaphore]) -> None:
    stopped.set()
    for permit in permits:
        permit.release()
