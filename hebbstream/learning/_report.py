"""`Report`: what a run of `learn` did."""

from dataclasses import dataclass, field
from pathlib import Path

from hebbstream.learning._counters import Counters


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Parameters
    ----------
    samples
        Learned in this run.
    seconds
        From when the first sample was asked for to the end, without those that a resumed run passes over.
    r1_fraction
        For each layer, the share of neurons whose weight norm has converged to 1.
    turned
        For each layer, the share of neurons that have left their initial weights (a cosine below 0.9): those that have
        learned something.
    learns
        For each layer, whether it learns; the text leaves out those that do not.
    accuracy
        Prequential, over every prediction for a labelled sample, earlier runs of the same counters included; ``None`` without
        any. A probe makes none before its first label, nor below its `min_confidence`.
    recent_accuracy
        The same over the last 1,000 predictions of this run.
    stopped
        ``"end of stream"``, ``"limit"``, ``"interrupted"``, or the error that ended it.
    checkpoint
        Path of the last checkpoint written, if any.
    counters
        Where the run stands, to go on from there.
    latency
        Mean and greatest seconds from a live sample's capture until it was learned; ``None`` of a recording.
    stream_counts
        What the stream counted, such as frames dropped; empty if it counts nothing.

    Examples
    --------
    >>> import torch
    >>> import hebbstream as hs
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> report = hs.learn(net, torch.rand(5, 3, 32, 32), progress=False)
    >>> report.samples, report.stopped
    (5, 'end of stream')
    """

    samples: int
    seconds: float
    r1_fraction: tuple[float, ...]
    turned: tuple[float, ...]
    learns: tuple[bool, ...]
    accuracy: float | None
    recent_accuracy: float | None
    stopped: str
    checkpoint: Path | None
    counters: Counters
    latency: tuple[float, float] | None = None
    stream_counts: dict[str, int] = field(default_factory=dict)

    @property
    def samples_per_second(self) -> float:
        """Samples learned in a second, waiting for the stream included."""
        return self.samples / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        lines = [
            f"learned {self.samples:,} samples in {self.seconds:.1f} s"
            f" ({_rate(self.samples_per_second)} a second), until {self.stopped}",
            self._neurons(),
        ]
        if self.accuracy is not None and self.recent_accuracy is not None:
            lines.append(f"prequential accuracy {self.accuracy:.1%}, of the last 1,000 {self.recent_accuracy:.1%}")
        if self.latency is not None:
            mean, greatest = self.latency
            lines.append(f"from capture to learned {1e3 * mean:.0f} ms on average, {1e3 * greatest:.0f} ms at most")
        read = {"frames": "read"}  # of a signal they are rows, or pieces of sound
        counted = [f"{count:,} {read.get(name, name)}" for name, count in self.stream_counts.items() if count]
        told = self.latency is not None or self.stream_counts.get("frames") != self.samples
        if counted and (told or len(counted) > 1):
            lines.append(f"stream: {', '.join(counted)}")
        if self.checkpoint is not None:
            lines.append(f"checkpoint {self.checkpoint}")
        return "\n".join(lines)

    def _neurons(self) -> str:
        learning = [number for number, learns in enumerate(self.learns, start=1) if learns]
        if not learning:
            return "no layer learns"
        which = f"layer {', '.join(map(str, learning))}; the others do not learn"
        if len(learning) == len(self.learns):
            which = "one layer" if len(learning) == 1 else f"layer 1 to {len(learning)}"
        turned, converged = self.percentages(self.turned), self.percentages(self.r1_fraction)
        return f"neurons turned {turned}, converged (R1) {converged} ({which})"

    def percentages(self, fractions: tuple[float, ...]) -> str:
        """Write the shares of the layers that learn as ``"10% / 25%"``."""
        return " / ".join(f"{one:.0%}" for one, learns in zip(fractions, self.learns, strict=True) if learns)


def _rate(value: float) -> str:
    """Write a rate; that of a camera that shows little new is a small one, and not 0.

    Examples
    --------
    >>> _rate(203.4), _rate(0.333), _rate(0.0)
    ('203', '0.33', '0')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
