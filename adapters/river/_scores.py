"""`Evaluation`: what a prequential evaluation found, as a table and as a plot."""

from dataclasses import dataclass, field
from pathlib import Path

from hebbstream.inspection._canvas import new_figure, save_figure

_ROWS = 10


@dataclass(frozen=True, slots=True)
class Scores:
    """Where the metrics stand after some samples.

    Parameters
    ----------
    samples
        Of the stream, so far.
    labelled
        How many labels have come.
    scored
        How many of these came for a prediction. There is none before the first label, nor where a probe abstains.
    cumulative
        Each metric over all that were scored, by name.
    windowed
        Each metric over the last of them.
    """

    samples: int
    labelled: int
    scored: int
    cumulative: dict[str, float]
    windowed: dict[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `prequential` found: the metrics along the stream.

    Parameters
    ----------
    window
        Samples in a windowed score.
    scores
        One after every `window` scored samples, and at the end.
    drifts
        Where the metrics stood whenever the detector reported that the error had drifted.
    """

    window: int
    scores: list[Scores] = field(default_factory=list)
    drifts: list[Scores] = field(default_factory=list)

    def __str__(self) -> str:
        widths = {name: max(16, len(name)) for name in self.scores[-1].cumulative}
        header = " ".join(f"{name:>{width}} {f'last {self.window:,}':>12}" for name, width in widths.items())
        shown = [*self.scores[: -1 : -(-len(self.scores) // _ROWS)], self.scores[-1]]
        rows = [
            f"{scores.samples:10,} {scores.labelled:10,} {scores.scored:10,} "
            + " ".join(
                f"{scores.cumulative[name]:{width}.4f} {scores.windowed[name]:12.4f}" for name, width in widths.items()
            )
            for scores in shown
        ]
        lines = [f"{'samples':>10} {'labelled':>10} {'scored':>10} {header}", *rows]
        if self.drifts:
            first = ", ".join(f"{scores.samples:,}" for scores in self.drifts[:_ROWS])
            more = f" and {len(self.drifts) - _ROWS:,} more" if len(self.drifts) > _ROWS else ""
            lines.append(f"the error drifted, noticed after samples {first}{more}")
        return "\n".join(lines)

    def plot(self, path: str | Path) -> Path:
        """Draw every metric along the stream, cumulative and windowed, and the drifts, to a picture file.

        Raises
        ------
        MissingDependencyError, OutputError
            If matplotlib is not installed, or the file cannot be written.
        """
        names = list(self.scores[-1].cumulative)
        scored = [scores.scored for scores in self.scores]
        figure, axes = new_figure(1, (7, 3.2 * len(names)), rows=len(names))
        for axis, name in zip(axes, names, strict=True):  # with points, for one score alone makes no line
            axis.plot(scored, [scores.windowed[name] for scores in self.scores], ".-", label=f"last {self.window:,}")
            axis.plot(scored, [scores.cumulative[name] for scores in self.scores], ".-", label="all so far")
            for number, drift in enumerate(self.drifts):
                label = None if number else "the error drifted"
                axis.axvline(drift.scored, color="black", linestyle=":", linewidth=1, label=label)
            axis.set(xlabel="samples scored", ylabel=name)
            axis.legend(frameon=False)
        return save_figure(figure, path)
