"""Functions from a stream to a stream: an iterator in, an iterator out, bounded memory, nothing read ahead unasked."""

import random
from collections.abc import Iterable, Iterator
from typing import TypeVar

from hebbstream.errors import ConfigurationError

T = TypeVar("T")


def shuffle(stream: Iterable[T], buffer_size: int, *, seed: int = 0) -> Iterator[T]:
    """Yield the samples of a stream in a more random order, by way of a bounded buffer.

    Each new sample takes the place of a random one in the buffer, which is yielded. A sample so waits for `buffer_size`
    others on average, and none is lost or repeated: when the stream ends, what the buffer holds follows.

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
    if buffer_size < 1:
        raise ConfigurationError(f"buffer_size={buffer_size}: expected a positive integer")
    return _shuffled(stream, buffer_size, random.Random(seed))  # noqa: S311  # an order, not a secret


def _shuffled(stream: Iterable[T], buffer_size: int, generator: random.Random) -> Iterator[T]:
    buffer: list[T] = []
    for sample in stream:
        if len(buffer) < buffer_size:
            buffer.append(sample)
            continue
        index = generator.randrange(buffer_size)
        yield buffer[index]
        buffer[index] = sample
    generator.shuffle(buffer)
    yield from buffer
