"""`beside`: several views of the same moment, such as a video's pictures and its sound."""

from collections.abc import Iterable, Iterator
from typing import Any

from hebbstream.errors import ConfigurationError
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import owned, time_of
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream, as_stream


def beside(first: Iterable[Any], *others: Iterable[Any]) -> Stream[tuple[Sample, ...]]:
    """Pair each sample of a stream with the samples of other streams at its time.

    That is the latest one that began at or before it; as long as nothing else has begun it comes again, the same
    object. Samples of the first stream before the others begin are passed over. It ends with the first stream; another
    one that ends has its last sample go on.

    Parameters
    ----------
    first, others
        Samples with times `Sample.t` that rise, on the same clock: of one recording, or live sources opened together.

    Returns
    -------
    Stream
        Of tuples of `Sample`, one of each stream.

    Raises
    ------
    ConfigurationError
        If there are no others.
    InputError
        While iterating, if a sample has no time.

    Examples
    --------
    >>> pictures = [Sample(f"picture {i}", t=i / 4) for i in range(4)]
    >>> sounds = [Sample("hum", t=0.0), Sample("click", t=0.5)]
    >>> [(picture.x, sound.x) for picture, sound in beside(pictures, sounds)]
    [('picture 0', 'hum'), ('picture 1', 'hum'), ('picture 2', 'click'), ('picture 3', 'click')]
    """
    if not others:
        raise ConfigurationError("beside a single stream: expected at least two")
    streams = [as_stream(stream) for stream in (first, *others)]
    shown = ", ".join(map(repr, streams))
    return Composed(_paired(streams), *streams, name=f"beside({shown})")


def _paired(streams: list[Stream[Any]]) -> Iterator[tuple[Sample, ...]]:
    views = [_Going(stream) for stream in streams[1:]]
    for item in streams[0]:
        sample = Sample.of(item)
        t = time_of(sample)
        found = [view.at(t) for view in views]
        if None not in found:
            yield (sample, *(each for each in found if each is not None))


class _Going:
    """What goes on in a stream."""

    def __init__(self, stream: Stream[Any]) -> None:
        self._items = iter(stream)
        self._now: Sample | None = None
        self._next = self._read()

    def at(self, t: float) -> Sample | None:
        """Return the latest sample that began by a time; times must rise."""
        while self._next is not None and time_of(self._next) <= t:
            self._now, self._next = self._next, self._read()
        return self._now

    def _read(self) -> Sample | None:
        item = next(self._items, None)
        return None if item is None else owned(Sample.of(item))  # one is still shown while the next is read
