"""`Stream`: the one base class of everything that is learned from."""

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from inspect import GEN_CLOSED, getgeneratorstate
from itertools import islice
from operator import length_hint
from types import GeneratorType
from typing import Any, Generic, Self, TypeVar

from hebbstream._credentials import mask_credentials
from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, EmptyStreamError, StreamError
from hebbstream.streams._stats import StreamStats

Item = TypeVar("Item")
_INSIDE = "generator already executing"  # what Python says of a generator that another thread is in


class Stream(Iterator[Item], Generic[Item]):
    """Items of a source, one when one is asked for.

    A context manager: leaving it closes the source, where that has a ``close``. A stream that is merely dropped leaves
    its source open, for others to go on with. To begin a loop over one that is closed, or was read to its end, is an
    error; `next` just ends, and so does a loop in which the stream is closed.

    Parameters
    ----------
    items
        Any iterable of frames, of pairs (frame, label) or of `hebbstream.Sample`.
    name
        What `repr` and messages call it; credentials in it are masked. ``None`` names the type of `items`.
    length
        Number of items; ``None`` takes that of `items`, where it is known.
    live
        Whether the source goes on whether or not it is read.
    stats
        Where `items` counts what becomes of them; items that come are counted here.
    known_by
        Its `fingerprint`; of a source that grows, a function of how many items count, ``None`` for all.

    Raises
    ------
    ConfigurationError
        If `items` cannot be iterated.
    EmptyStreamError
        From ``iter`` and ``for``, if the stream is closed or used up.
    StreamError
        From those, if an interruption, such as Ctrl-C, ended it.

    Examples
    --------
    >>> with Stream("abc") as letters:
    ...     print(next(letters), length_hint(letters), letters.stats.frames)
    a 2 1
    >>> list(letters)
    Traceback (most recent call last):
    hebbstream.errors.EmptyStreamError: Stream(str of 3): closed
    """

    def __init__(
        self,
        items: Iterable[Item],
        *,
        name: str | None = None,
        length: int | None = None,
        live: bool = False,
        stats: StreamStats | None = None,
        known_by: str | Callable[[int | None], str | None] | None = None,
    ) -> None:
        if isinstance(items, type) and not hasattr(type(items), "__iter__"):
            raise ConfigurationError(f"stream={items.__name__}: expected an object, such as {items.__name__}()")
        if not (hasattr(items, "__iter__") or hasattr(items, "__getitem__")):
            raise ConfigurationError(f"stream of type {type(items).__name__}: expected something to iterate over")
        self._source = items
        self._items: Iterator[Item] | None = None
        self._length = known_length(items) if length is None else length
        held = "" if self._length is None else f" of {self._length}"
        self._name = f"{type(self).__name__}({type(items).__name__}{held})" if name is None else name
        self._live, self._stats, self._known_by = live, stats or StreamStats(), known_by
        self._taken, self._ended, self._closed = 0, False, False
        self._interrupted: int | None = None  # when so many had been taken
        self._known_whole = False

    @property
    def live(self) -> bool:
        """Whether the source goes on whether or not it is read."""
        return self._live

    @property
    def batch(self) -> int:
        """Samples that a step should take at most; see `hebbstream.streams.interleave`."""
        return 1

    @property
    def ready(self) -> bool:
        """Whether the next item is there without waiting; also true where that is not known."""
        return True

    @property
    def stats(self) -> StreamStats:
        """What has happened so far."""
        return replace(self._stats, frames=self._taken)

    @property
    def skipped(self) -> int:
        """Items that were left out so far, as nothing new or as damaged; `stats` tells one from the other."""
        stats = self.stats
        return stats.skipped + stats.corrupt

    @property
    def failures(self) -> dict[str, BaseException]:
        """The error of each source that died while others went on, by the source's name."""
        return {}

    @property
    def taken(self) -> int:
        """Items that came so far, those passed over among them."""
        return self._taken

    @property
    def fingerprint(self) -> str | None:
        """What tells its source from any other, and is the same when it is opened again; ``None`` where nothing does.

        By it a learner knows how many items it has learned of this source. Sources one after another have theirs
        joined by ``+``, so that one more at the end changes nothing about those before.
        """
        return self._known_by(None) if callable(self._known_by) else self._known_by

    def fingerprint_of(self, items: int) -> str | None:
        """Return what the fingerprint was when the source, which may have grown, held so many items.

        Examples
        --------
        >>> Stream("abc", known_by=lambda items: "abc"[:items]).fingerprint_of(2)
        'ab'
        """
        return self._known_by(items) if callable(self._known_by) and not self._known_whole else self.fingerprint

    def know_whole(self) -> None:
        """Let the fingerprint be of all that is read, to its end: what is made of this stream depends on how long it is.

        Examples
        --------
        >>> letters = Stream("abc", known_by="letters")
        >>> letters.know_whole()
        >>> letters.fingerprint  # all that it is known by never grows
        'letters'
        """
        self._known_whole = True

    def fast_forward(self, count: int) -> int:
        """Pass over items, to go on from a checkpoint, and return how many there were; a live source goes on from now.

        Raises
        ------
        ConfigurationError
            If `count` is no integer of at least 0.
        """
        if as_index(count) < 0:
            raise ConfigurationError(f"count={quote(count)}: expected an integer of at least 0")
        return count if self.live else self._forward(min(count, sys.maxsize))

    def _forward(self, count: int) -> int:
        return sum(1 for _ in islice(self, count))

    def close(self) -> None:
        """Close the source; closing twice is harmless. Another thread that reads is given no more, and ends."""
        if not self._closed:
            self._closed = True
            self._release()

    def _release(self) -> None:
        items, source = self._items, self._source
        self._items, self._source = None, ()  # what they hold, such as a loader's workers, ends with them
        for part in (source,) if items is None or items is source else (items, source):
            close: Any = getattr(part, "close", None)
            if callable(close):
                try:
                    close()
                except ValueError as error:
                    if str(error) != _INSIDE:  # else who is inside closes it, see `__next__`
                        raise

    def __iter__(self) -> Self:
        if self._closed:
            raise EmptyStreamError(f"{self!r}: closed")
        if self._over and self._interrupted == self._taken:
            raise StreamError(f"{self!r}: interrupted while it was read: open it again to go on")
        if self._over:
            raise EmptyStreamError(f"{self!r}: used up: open it again to read it from the start")
        return self

    def __next__(self) -> Item:
        if self._closed or self._ended:
            raise StopIteration
        items = self._items
        if items is None:
            items = self._items = iter(self._source)
        try:
            item = next(items)
        except StopIteration:
            self._ended = True
            raise
        except Exception as error:
            self._interrupted = None
            if self._closed:  # meanwhile, by another thread: what it was made of is gone
                raise StopIteration from error
            raise
        except BaseException:
            self._interrupted = self._taken
            raise
        if self._closed:  # likewise
            if isinstance(items, GeneratorType):  # type: ignore[unreachable]  # it knows of no other thread
                items.close()
            raise StopIteration
        self._taken += 1
        return item

    def __length_hint__(self) -> int:
        """Return the number of items left; 0 where it is not known."""
        total = self._total()
        return 0 if total is None else min(max(0, total - self._taken), sys.maxsize)

    def __repr__(self) -> str:
        return mask_credentials(self._name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def _over(self) -> bool:
        generators = (part for part in (self._source, self._items) if isinstance(part, GeneratorType))
        if any(getgeneratorstate(generator) == GEN_CLOSED for generator in generators):
            return True  # an error ended it, or whoever made it
        return self._ended or self._closed

    def _total(self) -> int | None:
        """Return the number of items from the first to the last; ``None`` where it is not known."""
        if self._over:
            return self._taken
        return None if self._length is None else self._length - self._stats.corrupt


def as_stream(items: Iterable[Item]) -> Stream[Item]:
    """Return a stream as it is, and anything else that can be iterated as a stream.

    Raises
    ------
    ConfigurationError
        If it cannot be iterated.

    Examples
    --------
    >>> as_stream(["first", "second"])
    Stream(list of 2)
    """
    return items if isinstance(items, Stream) else Stream(items)


def known_length(items: Iterable[Any]) -> int | None:
    """Return the number of items, or ``None`` where it is not known.

    Examples
    --------
    >>> known_length(range(3)), known_length(x for x in "abc")
    (3, None)
    """
    try:
        length = length_hint(items, -1)
    except NotImplementedError:  # how some data sets of torch say that they have no length
        return None
    return length if length > 0 or (length == 0 and hasattr(items, "__len__")) else None
