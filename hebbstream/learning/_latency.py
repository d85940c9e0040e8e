"""`Latency`: how long live samples took from capture until they were learned."""

import logging
import math
from dataclasses import dataclass

from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.metrics")

_AHEAD = 1.0  # seconds: how far rounding, as to a float32 of NumPy, may move a time of capture


@dataclass(slots=True)
class Latency:
    """Mean and greatest latency of the samples since it was made, in seconds.

    One whose time of capture is of another clock, such as `time.time`, is not counted; of the first, the log tells.
    """

    count: int = 0
    total: float = 0.0
    greatest: float = 0.0
    told: bool = False

    def take(self, sample: Sample, now: float) -> None:
        """Take in a sample that has just been learned; recordings have no latency.

        Examples
        --------
        >>> latency = Latency(told=True)
        >>> for captured in (9.5, 1.8e9, math.nan):
        ...     latency.take(Sample("frame", captured=captured), now=10.0)
        >>> latency.count, latency.mean
        (1, 0.5)
        """
        if sample.captured is None:
            return
        latency = quantity(now) - quantity(sample.captured)
        if -_AHEAD <= latency < math.inf:
            self.count += 1
            self.total += max(0.0, latency)
            self.greatest = max(self.greatest, latency)
        elif not self.told:
            self.told = True
            log.warning(
                "captured=%s where the clock reads %s: expected a time by time.monotonic; latency leaves it out",
                quote(sample.captured),
                quote(now),
            )

    @property
    def mean(self) -> float:
        """Of the samples so far, of which there must be one."""
        return self.total / self.count
