"""`Running`: what the parts of a run see of the learner that they belong to."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from hebbstream._turns import Turns
from hebbstream.learning._counters import Counters
from hebbstream.learning._report import Report
from hebbstream.learning._timer import Clock
from hebbstream.network import SoftHebbNet
from hebbstream.probe import OnlineProbe, Replay
from hebbstream.streams._stream import Stream


class Running(Protocol):
    """A `Learner` while it learns; it stands for it where `Learner` itself cannot be imported."""

    net: SoftHebbNet
    probe: Any
    replay: Replay | None
    counters: Counters
    recordings: dict[str, int]
    clock: Clock
    stream: Stream[Any] | None
    _turns: Turns

    @property
    def report(self) -> Report | None:
        """How the run stands."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether all that would be saved is of one time."""
        ...

    def save(self, path: str | Path) -> None:
        """Write all that was learned to a file."""
        ...

    def _state_of_callbacks(self) -> dict[str, Any]: ...

    def _between_samples(self, doing: str) -> AbstractContextManager[None]: ...

    def refit_probe(self, *, progress: bool) -> OnlineProbe | None:
        """Return a new probe of what the network makes of the replay's frames by now."""
        ...
