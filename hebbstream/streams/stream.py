"""`Stream`: what every function here returns, an iterator that closes what it reads."""

from collections.abc import Iterable, Iterator
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
