"""`Watch`: one of river's drift detectors over a stream of any length, in bounded memory, and in a checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from river import base

_RECENT = 32  # readings that stand for the present
_MEMORY = 8192  # most readings that a detector has behind it


@dataclass(slots=True)
class Watch:
    """A detector of changes in a number, and the means on both sides of a change.

    River's detectors cannot be saved, but do the same again for the same readings. So as to need only the latest, all of
    them that a detector has seen, a new one takes over now and then, in a run that is never stopped as in any other.

    Parameters
    ----------
    fresh
        A detector that has seen nothing; it is cloned.

    Attributes
    ----------
    readings
        What the present detector has seen.
    earlier, mean
        Number and mean of the readings since the last change, the latest 32 left out.
    """

    fresh: base.DriftDetector
    detector: base.DriftDetector = field(init=False)
    readings: list[float] = field(default_factory=list)
    earlier: int = 0
    mean: float = 0.0
    _quiet: int = _RECENT  # readings since the present detector's last alarm

    def __post_init__(self) -> None:
        self.replay([])

    def replay(self, readings: Sequence[float]) -> None:
        """Begin with a new detector that has seen these readings."""
        self.readings, self.detector, self._quiet = [], self.fresh.clone(), _RECENT
        for value in readings:
            self._show(value)

    def update(self, value: float) -> tuple[float, float] | None:
        """Take a reading; return the means before and after where it has fallen."""
        alarm = len(self.readings) >= _MEMORY and self._take_over()
        if len(self.readings) >= _RECENT:
            self.earlier += 1
            self.mean += (self.readings[-_RECENT] - self.mean) / self.earlier
        alarm = self._show(value) or alarm
        if not alarm or not self.earlier:
            return None
        before, after, self.earlier = self.mean, fmean(self.readings[-_RECENT:]), 0
        return (before, after) if after < before else None

    def _take_over(self) -> bool:
        """Go on with a new detector; return whether it has just noticed what the old one had not.

        Having noticed it, the new one has put it behind itself, and would never report it.
        """
        quiet = self._quiet
        self.replay(self.readings[-_MEMORY // 2 :])
        return self._quiet < _RECENT <= quiet

    def _show(self, value: float) -> bool:
        self.readings.append(value)
        self.detector.update(value)
        alarm = bool(self.detector.drift_detected)
        self._quiet = 0 if alarm else self._quiet + 1
        return alarm
