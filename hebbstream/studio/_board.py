"""`Board`: what the learner's thread puts up for others to read; nobody waits for anybody."""

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from hebbstream.studio._drawing import Portrait
from hebbstream.studio._picture import Picture, Pixels

_RECENT = 60  # frames over which rates are told
_RECENT_SECONDS = 10.0  # and in which they were learned: before a pause, the rate was another


@dataclass(slots=True)
class Seen:
    """What became of a source's latest picture.

    Parameters
    ----------
    picture
        As it came.
    frame
        As the network saw it.
    portrait
        Draws it.
    label
        The prediction; ``None`` where the probe abstains, or knows nothing.
    probabilities
        Of each class.
    novelty
        See `Novelty`.
    """

    picture: Picture
    frame: Pixels
    portrait: Portrait
    label: str | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    novelty: float = 0.0

    def drawn(self) -> Pixels:
        """Return what the network saw as people see it."""
        return self.portrait(self.frame)


class Board:
    """Values that are replaced as a whole, never changed."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}
        self.slow: dict[str, Any] = {}
        self.filters: dict[str, Any] | None = None
        self.likes: dict[str, Any] | None = None
        self._put = 0
        self.learned = self.skipped = 0
        self.watched_until = 0.0
        self._times: deque[float] = deque(maxlen=_RECENT)
        self._delays: deque[float] = deque(maxlen=_RECENT)

    def put(self, name: Literal["filters", "likes"], value: dict[str, Any]) -> None:
        """Replace one of the values, with a ``number`` that tells it from those before."""
        self._put += 1
        setattr(self, name, value | {"number": self._put})

    def count(self, picture: Picture, *, learned: bool) -> None:
        """Count a picture that was taken in."""
        now = time.monotonic()
        self.learned += learned
        self._delays.append(now - picture.captured)
        if learned:
            self._times.append(now)

    def watch(self) -> None:
        """Note that somebody looks: what only people read is worked out while they do."""
        self.watched_until = time.monotonic() + 5.0

    @property
    def watched(self) -> bool:
        """Whether somebody has looked of late."""
        return time.monotonic() < self.watched_until

    def rate(self) -> float:
        """Return the samples learned a second, of late."""
        now = time.monotonic()
        times = [then for then in list(self._times) if now - then < _RECENT_SECONDS]
        if len(times) < 2 or now - times[-1] > 2.0:
            return 0.0
        return (len(times) - 1) / max(1e-3, times[-1] - times[0])

    def latency(self) -> float:
        """Return the mean seconds from a picture's arrival until it was taken in, of late."""
        delays = list(self._delays)
        return sum(delays) / len(delays) if delays else 0.0
