"""`Stream`: what every function here returns, an iterator that closes what it reads."""

from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

Item = TypeVar("Item")


class Stream(Iterator[Item], Generic[Item]):
    """Items made from those of a source, one when one is asked for.

    A context manager: leaving it closes the source too, where that has a ``close``, and so on to the camera or file at
    the far end. One that is merely dropped leaves its source open, for others to go on with.

    Parameters
    ----------
    items
        What is yielded.
    source
        What `items` are made from.

    Examples
    --------
    >>> letters = (letter for letter in "abc")
    >>> with Stream(map(str.upper, letters), letters) as upper:
    ...     print(next(upper))
    A
    >>> list(letters)
    []
    """

    def __init__(self, items: Iterator[Item], source: Iterable[Any]) -> None:
        self._items, self._source, self._closed = items, source, False

    def __next__(self) -> Item:
        if self._closed:
            raise StopIteration
        return next(self._items)

    @property
    def live(self) -> bool:
        """Whether the source at the far end goes on whether or not it is read."""
        return bool(getattr(self._source, "live", False))

    @property
    def stats(self) -> Any:
        """What the source at the far end counts; ``None`` if it counts nothing."""
        return getattr(self._source, "stats", None)

    def fast_forward(self, count: int) -> int:
        """Pass over items, to go on from a checkpoint, and return how many there were; a live source goes on from now."""
        return count if self.live else sum(1 for _ in islice(self, count))

    def close(self) -> None:
        """Close the source; iterating afterwards ends at once."""
        self._closed = True
        for part in (self._items, self._source):
            close_if_possible(part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def close_if_possible(source: Any) -> None:
    """Call a source's ``close``, where it has one."""
    close = getattr(source, "close", None)
    if callable(close):
        close()
