"""`Reader`: the source that a rank holds, opened where it was left."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from hebbstream.distributed._leases import Leases, fingerprint_of
from hebbstream.errors import StreamError
from hebbstream.streams._prefetch import Prefetch
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream, as_stream

_GRACE_SECONDS = 2.0  # for a camera that sends nothing when it is closed

log = logging.getLogger("hebbstream.distributed")

Sources = Mapping[str, Callable[[], Iterable[Any]]]
"""From a source's name to what opens it."""


class Reader:
    """Reads the source that a rank holds, and goes over to the next one that it is lent.

    Parameters
    ----------
    sources
        All of them.
    leases
        Who reads what.
    rank
        Whose reader it is.
    patience
        Seconds to wait for a sample of a live source; without one, the other ranks go on.
    """

    def __init__(self, sources: Sources, leases: Leases, rank: int, patience: float) -> None:
        self._sources, self._leases, self._rank, self.patience = sources, leases, rank, patience
        self._stream: Stream[Any] | None = None
        self._ahead: Prefetch[Any] | None = None
        self._name: str | None = None
        self._ended = False
        self.failures: dict[str, BaseException] = {}
        self.known: dict[str, str] = {}
        """By what the recordings that it has opened are known, for all ranks to be told."""
        self._closed = StreamStats()

    @property
    def stream(self) -> Stream[Any] | None:
        """What is open."""
        return self._stream

    @property
    def stats(self) -> StreamStats:
        """What has happened to all that it has opened."""
        return self._closed if self._stream is None else self._closed + self._stream.stats

    @property
    def at_end(self) -> bool:
        """Whether the source that it is lent has ended; not one before, as a new one may have to wait for its turn."""
        return self._ended and self._leases.of(self._rank) == self._name

    @property
    def broken_off(self) -> bool:
        """Whether the source that is at its end may have more at another time: it has failed, or is live."""
        return self._name in self.failures or (self._stream is not None and self._stream.live)

    def next(self) -> Sample | None:
        """Return the next sample; ``None`` where there is none now. A source that fails has ended, as the log says."""
        name = self._leases.of(self._rank)
        if name is None or self.at_end:
            return None
        try:
            if name != self._name:
                self._open(name)
            if self._ahead is not None:
                item = self._ahead.next_within(self.patience)
                return None if item is None else Sample.of(item)
            assert self._stream is not None  # noqa: S101  # just opened
            return Sample.of(next(self._stream))
        except StopIteration:
            self._ended = True
        except FileNotFoundError:
            raise
        except (StreamError, OSError) as error:  # the latter of a source of one's own
            log.warning("source %r is dropped: %s: %s", name, type(error).__name__, error)
            self.failures[name], self._ended = error, True
        return None

    def _open(self, name: str) -> None:
        self.close()
        self._name, self._ended = name, False
        self._stream = as_stream(self._sources[name]())
        if (known := fingerprint_of(self._stream)) is not None:
            self.known[name] = known
        taken = self._leases.taken.get(name, 0)
        if self._stream.live:
            # The driver of a camera may wait for ever; here it does so in a thread of its own.
            self._ahead = Prefetch(_to_its_end(self._stream), ahead=1)
        elif taken and self._stream.fast_forward(taken) < taken:
            raise StreamError(f"{name}: ended before the {taken} samples of it that were learned: expected more")

    def close(self) -> None:
        """Close what is open."""
        if self._ahead is not None:
            self._ahead.close(_GRACE_SECONDS)
        elif self._stream is not None:
            self._stream.close()
        self._closed = self.stats
        self._stream = self._ahead = self._name = None


def _to_its_end(stream: Stream[Any]) -> Iterator[Any]:
    """Read a stream and close it in the thread that reads, as another cannot while this one waits."""
    with stream:
        yield from stream
