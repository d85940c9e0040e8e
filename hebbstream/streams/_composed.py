"""`Composed`: a stream made from other streams."""

from collections.abc import Callable, Iterator
from typing import Any

from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Item, Stream


class Composed(Stream[Item]):
    """Items made from those of other streams, whose counts, failures and length are handed on.

    Parameters
    ----------
    items
        Yields them.
    sources
        What they are made from; closed with this stream.
    name
        What `repr` calls it.
    count
        The number of items that are made from so many of the sources; ``None`` where that depends on what they hold.
    stats
        Where `items` counts what it does itself.
    in_order
        Whether an item is made of what the sources have given by then, and nothing that comes later changes it.

    Examples
    --------
    >>> from operator import length_hint
    >>> letters = Stream("abc")
    >>> with Composed(map(str.upper, letters), letters, name=f"upper({letters!r})", count=lambda n: n) as upper:
    ...     print(next(upper), length_hint(upper), upper)
    A 2 upper(Stream(str of 3))
    >>> letters.stats.frames, next(letters, "closed")
    (1, 'closed')
    """

    def __init__(
        self,
        items: Iterator[Item],
        *sources: Stream[Any],
        name: str,
        count: Callable[[int], int] | None = None,
        stats: StreamStats | None = None,
        in_order: bool = True,
    ) -> None:
        super().__init__(items, name=name, stats=stats)
        self._sources, self._count, self._in_order = sources, count, in_order
        self._before = sum(source._taken for source in sources)
        if not in_order:
            self.know_whole()

    @property
    def live(self) -> bool:
        """Whether every source goes on whether or not it is read."""
        return all(source.live for source in self._sources)

    @property
    def batch(self) -> int:
        """The greatest of the sources."""
        return max((source.batch for source in self._sources), default=1)

    @property
    def ready(self) -> bool:
        """Whether every source's next item is there without waiting."""
        return all(source.ready for source in self._sources)

    @property
    def stats(self) -> StreamStats:
        """What has happened to all the sources so far, and here."""
        return sum((source.stats for source in self._sources), self._stats)

    @property
    def failures(self) -> dict[str, BaseException]:
        """The error of each source that died while others went on, by the source's name."""
        return {name: error for source in self._sources for name, error in source.failures.items()}

    @property
    def fingerprint(self) -> str | None:
        """That of the source, and what is made from it; ``None`` where the source has none."""
        return self._made_from([source.fingerprint for source in self._sources])

    def fingerprint_of(self, items: int) -> str | None:
        """Likewise, of a source when it held so many items."""
        return self._made_from([source.fingerprint_of(items) for source in self._sources])

    def _made_from(self, fingerprints: list[str | None]) -> str | None:
        found = fingerprints[0] if len(fingerprints) == 1 else None
        source = self._sources[0]
        if found is None:
            return None
        # Of recordings one after another each has its own, so that one more at the end changes nothing about those before.
        parts = found.split("+") if self._in_order else [found]
        return "+".join(self._name.replace(repr(source), part) for part in parts)

    def know_whole(self) -> None:
        """Let the fingerprints of the sources be of all that is read."""
        for source in self._sources:
            source.know_whole()

    def _release(self) -> None:
        super()._release()
        for source in self._sources:
            source.close()

    def _total(self) -> int | None:
        if self._over:
            return self._taken
        totals = [source._total() for source in self._sources]
        known = [total for total in totals if total is not None]
        if self._count is None or len(known) < len(totals):
            return None
        return self._count(sum(known) - self._before)
