"""`Timer`: says when something is due again."""

from collections.abc import Callable
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass(slots=True)
class Timer:
    """Is due so many seconds after it was made, or started again; never where they are ``None``.

    Examples
    --------
    >>> now = 0.0
    >>> timer = Timer(5.0, clock=lambda: now)
    >>> now = 5.0
    >>> timer.due()
    True
    """

    seconds: float | None
    clock: Clock
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Count from now."""
        self.started = self.clock()

    def due(self) -> bool:
        """Whether the time is over."""
        return self.seconds is not None and self.clock() - self.started >= self.seconds
