"""`MediaStream`: samples of recordings one after another, or of a live source that is connected again."""

import threading
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

from hebbstream.adapters._media._decoder import MediaDecoder
from hebbstream.adapters._media._interruptible import interruptible
from hebbstream.adapters._media._live import live_frames
from hebbstream.adapters._media._options import Connection, Cut
from hebbstream.adapters._media._recorded import recorded_frames
from hebbstream.adapters._media._source import MediaSource
from hebbstream.adapters._media._timed import TimedFrame
from hebbstream.errors import ConfigurationError
from hebbstream.streams._prefetch import Bursts, Prefetch
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

_CLOSING_SECONDS = 1.0
Decoded = Generator[TimedFrame, None, None]


def once(sources: Sequence[MediaSource], part: Cut, connection: Connection) -> Connection:
    """Return how to connect, which is not again where a source can be read only once.

    Raises
    ------
    ConfigurationError
        If it is to be read again all the same.
    """
    if not sources[0].once:
        return connection
    if part.loop:
        raise ConfigurationError(f"loop with {sources[0].shown}: expected a source that can be read again")
    return replace(connection, retry_for=0.0)


class MediaStream(Stream[Sample]):
    """An open recording, several, or a live source.

    Parameters
    ----------
    sources
        Files, one after another, or one live source.
    connect
        Opens one.
    part, connection
        What is read of each, and how it is waited for.
    select
        Makes of what is decoded what samples are made of; nothing else is done to samples that are passed over.
    make
        Makes samples of that, and is told whether the source is live.
    announce
        Returns the number of samples that an opened recording's header announces, if it does.
    fingerprint
        Returns what tells the sources, read in this way, from others; told whether how long they are read matters, too, and
        what else tells the first from another at its address.
    shown
        For messages: what else is special.
    prefetch
        Samples to hold ready; 0 for none, and no thread. Of files whose samples cost little, more are made in one go, without a
        thread.
    live
        Whether the source goes on whether or not it is read; ``None`` asks the source.
    stats
        Counts go there.

    Raises
    ------
    ConfigurationError
        If a live source is to be read from a later start, or over and over.
    """

    def __init__(
        self,
        sources: Sequence[MediaSource],
        connect: Callable[[MediaSource], MediaDecoder],
        part: Cut,
        connection: Connection,
        *,
        select: Callable[[Decoded], Generator[Any, None, None]],
        make: Callable[[Generator[Any, None, None], bool], Generator[Sample, None, None]],
        announce: Callable[[Any], int | None],
        fingerprint: Callable[[bool, str], str | None],
        shown: Sequence[str] = (),
        prefetch: int,
        live: bool | None,
        stats: StreamStats,
    ) -> None:
        self._closing = threading.Event()
        weakref.finalize(self, self._closing.set)  # a live source's thread ends when nobody holds the stream any more
        # One source is opened now, so that what is wrong with it shows now; each of many when its turn comes.
        first = self._first = interruptible(partial(connect, sources[0])) if len(sources) == 1 else None
        live = (first is not None and first.live) if live is None else live
        if first is None or not live:
            decoded = recorded_frames(sources, connect, first, stats, part)
        elif part.start or part.loop:
            first.close()
            raise ConfigurationError(f"{sources[0].shown}: expected a recording for start or loop, found a live source")
        else:
            again, wait = partial(connect, sources[0]), connection.retry_for
            decoded = live_frames(first, again, stats, duration=part.duration, retry_for=wait, closing=self._closing)
        self._selected = select(decoded)
        samples = make(self._selected, live)
        self._queue: Prefetch[Sample] | Bursts[Sample] | Generator[Sample, None, None] = samples
        if prefetch and live:
            self._queue = Prefetch(samples, prefetch, "drop_oldest")
        elif prefetch:
            never_waits = all(source.is_regular_file for source in sources)
            self._queue = Bursts(samples, prefetch) if never_waits else Prefetch(samples, prefetch)
        self._fingerprint, self._extent = fingerprint, "" if first is None else first.extent
        names = repr(sources[0].name) + (f" and {len(sources) - 1} more" if len(sources) > 1 else "")
        name = f"{type(self).__name__}({', '.join([names, *shown, 'live' if live else 'recorded'])})"
        length = None if first is None or live or part.loop else announce(first)
        super().__init__(self._queue, name=name, length=length, live=live, stats=stats)

    @property
    def stats(self) -> StreamStats:
        """What has happened so far."""
        dropped = self._queue.dropped if isinstance(self._queue, Prefetch) else 0
        return replace(self._stats, dropped=dropped)

    @property
    def fingerprint(self) -> str | None:
        """What tells these recordings, read in this way, from any others."""
        return self._fingerprint(self._known_whole and not self.live, self._extent)

    def _forward(self, count: int) -> int:
        """Pass over samples; before the first, nothing is made of them.

        A recording is decoded from its start, for a resumed run must see the samples of one that was never stopped, bit
        for bit. To seek would be faster and not exact: containers differ in where they land, packets are not frames
        (hidden frames, fields, damage that is left out), frames behind an open group of pictures refer to what was
        passed over, and the clock that mends time stamps depends on every stamp before.
        """
        if self._taken:
            return super()._forward(count)
        iter(self)  # closed, it says so
        self._taken = sum(1 for _ in islice(self._selected, count))
        return self._taken

    def _release(self) -> None:
        self._closing.set()
        if isinstance(self._queue, Prefetch | Bursts):
            if not self._queue.close(_CLOSING_SECONDS):
                return  # FFmpeg still waits for the source; the thread closes it when that ends
        else:
            self._queue.close()
        if self._first is not None:
            self._first.close()
