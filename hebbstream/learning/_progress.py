"""`ProgressBar`: how a run goes, on one line."""

from typing import TYPE_CHECKING

from hebbstream._bar import drawn_over, expected, progress_bar
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._timer import Timer
from hebbstream.streams._sample import Sample

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner

_STATUS_SECONDS = 1.0


class ProgressBar(Callback):
    """Shows how many samples were learned, of how many where that is known, and how well.

    How well: the accuracy of the latest predictions, where there are labels; for each layer the share of neurons that
    have turned (see `Report`); and how many frames showed nothing new, where a stream leaves those out. A
    terminal is updated all the time, a log gets a line every ten seconds.

    Parameters
    ----------
    limit
        Most samples of the run.
    passed
        Samples that are passed over first.
    enabled
        Whether to show anything.
    """

    def __init__(self, limit: int | None, *, passed: int, enabled: bool) -> None:
        self._limit, self._passed, self._enabled = limit, passed, enabled

    def on_start(self, learner: "Learner") -> None:
        """Show an empty bar."""
        self._bar = progress_bar(
            unit="samples", shown=self._enabled, total=expected(learner.stream, self._limit, self._passed)
        )
        self._timer = Timer(_STATUS_SECONDS, learner.clock)
        self._begun = False

    def on_sample(self, learner: "Learner", sample: Sample) -> None:  # noqa: ARG002  # the first, whatever it is
        """Time samples from the first one on: before it come those that a resumed run passes over."""
        if not self._begun:
            self._begun = True
            self._bar.unpause()

    def on_step(self, learner: "Learner", step: Step) -> None:  # noqa: ARG002  # one more, whatever it was
        """Advance by one."""
        self.advance(learner, 1)

    def advance(self, learner: "Learner", samples: int) -> None:
        """Show that so many more samples were learned."""
        self._bar.update(samples)
        if self._enabled and self._timer.due():
            self._timer.restart()
            self._show(learner)

    def on_end(self, learner: "Learner") -> None:
        """Leave the bar as it stands."""
        if self._enabled:
            self._show(learner)
        self._bar.close()

    def _show(self, learner: "Learner") -> None:
        report = learner.report
        if report is None:
            return
        parts = [f"turned {report.percentages(report.turned)}"] if any(report.learns) else []
        if report.recent_accuracy is not None:
            parts.insert(0, f"accuracy {report.recent_accuracy:.1%}")
        if skipped := report.stream_counts.get("skipped"):
            parts.append(f"nothing new in {skipped:,}")
        self._bar.set_postfix_str(", ".join(parts), refresh=drawn_over())
