"""`OnlineThreshold`: what is unusual among scores that come one at a time."""

import math

_DEVIATIONS = 3.0
_MEMORY = 1000  # scores after which an old one counts little
_FIRST = 50  # scores before the first judgement
_LEAST_DEVIATION = 0.005  # a still picture's scores hardly differ; their noise is nothing unusual


class OnlineThreshold:
    """Judges each score by those before it: unusual is what lies above their mean by three standard deviations.

    Mean and deviation are of all scores at first, and later of about the last thousand, so that what lasts becomes
    usual. The first fifty are never unusual.

    Examples
    --------
    >>> threshold = OnlineThreshold()
    >>> any(threshold.judge(0.2 + 0.01 * (i % 3)) for i in range(100))
    False
    >>> threshold.judge(0.5)
    True
    """

    def __init__(self) -> None:
        self._count, self._mean, self._variance = 0, 0.0, 0.0

    @property
    def value(self) -> float:
        """The threshold for the next score; infinity at first."""
        if self._count < _FIRST:
            return math.inf
        return self._mean + _DEVIATIONS * max(math.sqrt(self._variance), _LEAST_DEVIATION)

    def judge(self, score: float) -> bool:
        """Return whether a score is unusual, and take it in."""
        unusual = score > self.value
        self._count += 1
        share = 1 / min(self._count, _MEMORY)
        difference = score - self._mean
        self._mean += share * difference
        self._variance = (1 - share) * (self._variance + share * difference**2)
        return unusual
