"""`shuffle` and `schedule`: which samples of a stream, and in what order."""

import random
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Literal, TypeVar

from hebbstream._numbers import check_number, checked_seed, quantity
from hebbstream.errors import ConfigurationError
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import owned, time_of
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream, as_stream

T = TypeVar("T")
_ROUNDING = 1e-6  # seconds that a frame's time may be short of what it stands for


def shuffle(stream: Iterable[T], buffer_size: int, *, seed: int = 0) -> Stream[T]:
    """Yield the samples of a stream in a more random order, with a buffer.

    Each new sample takes the place of a random one in the buffer, which is yielded. A sample so waits for `buffer_size`
    others on average, and none is lost or repeated: when the stream ends or fails, what the buffer holds follows. Frames
    are copied: a source may fill the same memory with the next one.

    Parameters
    ----------
    stream
        Any iterable.
    buffer_size
        Samples held at most. It should exceed the number of samples over which the stream is correlated.
    seed
        Of the order.

    Raises
    ------
    ConfigurationError
        If `buffer_size` is below 1.

    Examples
    --------
    >>> list(shuffle(range(8), buffer_size=4))
    [3, 4, 0, 2, 6, 7, 1, 5]
    """
    check_number("buffer_size", buffer_size)
    source = as_stream(stream)
    shuffled = _shuffled(source, buffer_size, random.Random(checked_seed(seed)))  # noqa: S311  # an order, not a secret
    return Composed(
        shuffled,
        source,
        name=f"shuffle({source!r}, buffer_size={buffer_size}{f', seed={seed}' if seed else ''})",
        count=lambda n: n,
        in_order=False,
    )


def _shuffled(stream: Stream[T], buffer_size: int, generator: random.Random) -> Iterator[T]:
    buffer: list[T] = []
    failure: Exception | None = None
    try:
        for sample in stream:
            if len(buffer) < buffer_size:
                buffer.append(owned(sample))
                continue
            index = generator.randrange(buffer_size)
            sample, buffer[index] = buffer[index], owned(sample)
            yield sample
    except Exception as error:  # what came before comes first
        failure = error
    generator.shuffle(buffer)
    yield from buffer
    if failure is not None:
        raise failure


def schedule(
    stream: Iterable[T], learn: float, skip: float, *, unit: Literal["samples", "seconds"] = "samples"
) -> Stream[T]:
    """Hand on a stretch of a stream, drop the next, and so on in turn.

    Parameters
    ----------
    stream
        Any iterable; with seconds, of `Sample` with a time.
    learn
        Length of a stretch that is handed on.
    skip
        Length of a stretch that is dropped; it is read all the same, so that a live source does not fall behind.
    unit
        Of both: ``"samples"``, or ``"seconds"`` by the samples' own time `Sample.t`, counted from the first. No clock is
        read, so that a recording gives the same samples at any speed.

    Raises
    ------
    ConfigurationError
        If the stretches are not of a positive and a non-negative length, whole numbers if of samples.
    InputError
        While iterating, with seconds, if a sample has no time.

    Examples
    --------
    >>> list(schedule(range(10), learn=2, skip=3))
    [0, 1, 5, 6]
    >>> [s.t for s in schedule((Sample("frame", t=t / 2) for t in range(8)), learn=1, skip=2, unit="seconds")]
    [0.0, 0.5, 3.0, 3.5]
    """
    if unit not in ("samples", "seconds"):
        raise ConfigurationError(f"unit={unit!r}: expected 'samples' or 'seconds'")
    found = quantity(learn), quantity(skip)
    whole = unit == "seconds" or found[0] % 1 == found[1] % 1 == 0
    if not (0 < found[0] < float("inf") and 0 <= found[1] < float("inf") and whole):
        kind = "numbers of seconds" if unit == "seconds" else "whole numbers of samples"
        raise ConfigurationError(f"learn={learn!r}, skip={skip!r}: expected {kind}, above 0 and not below 0")
    source = as_stream(stream)
    return Composed(
        _scheduled(source, learn, skip, unit),
        source,
        name=f"schedule({source!r}, learn={learn}, skip={skip}, unit={unit!r})",
        count=(lambda n: _handed_on(n, int(learn), int(skip))) if unit == "samples" else None,
    )


def _handed_on(length: int, learn: int, skip: int) -> int:
    periods, rest = divmod(length, learn + skip)
    return periods * learn + min(rest, learn)


def _scheduled(stream: Stream[T], learn: float, skip: float, unit: str) -> Iterator[T]:
    clock = count()
    start = None
    for item in stream:
        now: Any = next(clock) if unit == "samples" else time_of(Sample.of(item))
        start = now if start is None else start
        if (now - start + _ROUNDING) % (learn + skip) < learn:
            yield item
