"""`Latency`: how long live samples took from capture until they were learned."""

from dataclasses import dataclass

from hebbstream.streams._sample import Sample


@dataclass(slots=True)
class Latency:
    """Mean and greatest latency of the samples since it was made, in seconds."""

    count: int = 0
    total: float = 0.0
    greatest: float = 0.0

    def take(self, sample: Sample, now: float) -> None:
        """Take in a sample that has just been learned; recordings have no latency."""
        if sample.captured is not None:
            latency = float(now - sample.captured)  # a time of NumPy would end in no record of `Metrics`
            self.count += 1
            self.total += latency
            self.greatest = max(self.greatest, latency)

    @property
    def mean(self) -> float:
        """Of the samples so far, of which there must be one."""
        return self.total / self.count
