"""`Leases`: which rank reads which source, and how far."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from hebbstream.learning._callback import Callback
from hebbstream.learning._recordings import is_start_of, names_in
from hebbstream.streams._stream import Stream

log = logging.getLogger("hebbstream.distributed")


class Leases(Callback):
    """Sources, each read by one rank at a time. All ranks keep the same table, from what they tell each other in each step.

    It is a callback for its state's sake: a checkpoint keeps it, and whoever goes on, as many ranks or not, lends every
    source out again from where it was left.

    Parameters
    ----------
    names
        Of the sources, in the order in which they are lent.

    Examples
    --------
    >>> leases = Leases(["a", "b", "c"])
    >>> leases.lend(2)
    >>> leases.end("a")
    >>> leases.lend(2)
    >>> leases.held
    {'b': 1, 'c': 0}
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.taken: dict[str, int] = {}
        """Samples learned of each source."""
        self.known: dict[str, str] = {}
        """By what each recording was known, as `fingerprint_of` says."""
        self.ended: set[str] = set()
        self._broken_off: set[str] = set()
        self.held: dict[str, int] = {}
        """The rank that reads each source."""

    def of(self, rank: int) -> str | None:
        """Return the source that a rank reads."""
        return next((name for name, holder in self.held.items() if holder == rank), None)

    def lend(self, world: int) -> None:
        """Lend a source to each rank without one, as long as there are some; what is begun comes first."""
        free = [rank for rank in range(world) if rank not in self.held.values()]
        if not free:  # as in nearly every step, where to look through many sources would take longer than to learn
            return
        open_ = [name for name in self.names if name not in self.ended and name not in self.held]
        for name, rank in zip(sorted(open_, key=lambda name: name not in self.taken), free, strict=False):
            self.held[name] = rank

    def take(self, name: str, samples: int) -> None:
        """Note that so many more samples of a source were learned."""
        self.taken[name] = self.taken.get(name, 0) + samples

    def end(self, name: str, *, for_good: bool = True) -> None:
        """Take a source back that is at its end. One that broke off is for a later run to read again."""
        self.ended.add(name)
        if not for_good:
            self._broken_off.add(name)
        self.held.pop(name, None)

    def compare(self, name: str, found: str) -> None:
        """Go on with a recording that has more by now, and begin anew with one that is another under the same name.

        Examples
        --------
        >>> leases = Leases(["a"])
        >>> leases.known, leases.taken, leases.ended = {"a": "sun moon"}, {"a": 5}, {"a"}
        >>> leases.compare("a", "sun stars")
        >>> leases.taken, leases.ended
        ({'a': 5}, set())
        >>> leases.compare("a", "rain clouds")
        >>> leases.taken
        {}
        """
        before = self.known.get(name, found)
        if found == before:
            return
        self.ended.discard(name)
        begins, began = found.split()[0], before.split()[0]
        if not is_start_of(began, begins):
            self.taken.pop(name, None)
            log.warning("source %r is not the one that was learned under this name: it is learned from its start", name)

    def take_back(self, world: int) -> None:
        """Take back the sources of ranks that are no more."""
        self.held = {name: rank for name, rank in self.held.items() if rank < world and name in self.names}

    def shares(self, samples: int, turn: int = 0) -> dict[int, int]:
        """Split a number of samples over the ranks that have a source; `turn` says which of them is served first.

        Examples
        --------
        >>> leases = Leases("abc")
        >>> leases.lend(4)
        >>> leases.shares(5)
        {0: 2, 1: 2, 2: 1}
        >>> leases.shares(1, turn=2)
        {2: 1, 0: 0, 1: 0}
        """
        readers = sorted(self.held.values())
        first = turn % max(1, len(readers))
        readers = readers[first:] + readers[:first]
        each, more = divmod(samples, max(1, len(readers)))
        return {rank: each + (place < more) for place, rank in enumerate(readers)}

    def state_dict(self) -> dict[str, Any]:
        """Return the table."""
        ended = sorted(self.ended - self._broken_off)
        return {"taken": dict(self.taken), "ended": ended, "held": dict(self.held), "known": dict(self.known)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a table; sources that are not to be read now are kept in it."""
        self.taken = {str(name): int(count) for name, count in state["taken"].items()}
        self.ended = set(map(str, state["ended"]))
        self.held = {str(name): int(rank) for name, rank in state["held"].items()}
        known = state.get("known", {})  # earlier files have none
        self.known = {str(name): str(by) for name, by in known.items()}


def fingerprint_of(stream: Stream[Any], before: str | None = None) -> str | None:
    """Return by what a recording is known: as it begins, and then to its end; ``None`` of what is live, or known by nothing.

    Of a folder that was known as `before`, it begins with as many files as there were then.

    Examples
    --------
    >>> fingerprint_of(Stream("ab", known_by="sun")), fingerprint_of(Stream("ab"))
    ('sun sun', None)
    """
    if stream.live:
        return None
    begins = stream.fingerprint if before is None else stream.fingerprint_of(names_in(before))
    if begins is None:
        return None
    stream.know_whole()
    return f"{begins.replace(' ', '')} {(stream.fingerprint or '').replace(' ', '')}"
