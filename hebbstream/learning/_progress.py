"""`ProgressBar`: how a run goes, on one line."""

import sys
from operator import length_hint
from typing import Any

from tqdm.auto import tqdm

from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._running import Running
from hebbstream.learning._timer import Timer

_STATUS_SECONDS = 1.0
_LOG_SECONDS = 10.0  # between lines where stderr is a file: there nothing overwrites the one before


class ProgressBar(Callback):
    """Shows how many samples were learned, of how many where that is known, and how well.

    How well: the accuracy of the latest predictions, where there are labels; for each layer the share of neurons that
    have turned (see `Report`); and the share of frames that showed nothing new, where a stream leaves those out. A
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

    def on_start(self, learner: Running) -> None:
        """Show an empty bar."""
        total: int | None = None
        if known := length_hint(learner.stream):
            total = max(0, known - self._passed)
        if self._limit is not None:
            total = self._limit if total is None else min(self._limit, total)
        self._live = sys.stderr.isatty() or "ipykernel" in sys.modules  # a notebook draws over, too
        self._bar: tqdm[Any] = tqdm(
            total=total,
            unit=" samples",
            disable=not self._enabled,
            dynamic_ncols=True,
            mininterval=0.1 if self._live else _LOG_SECONDS,
            maxinterval=_LOG_SECONDS,
        )
        self._timer = Timer(_STATUS_SECONDS, learner.clock)

    def on_step(self, learner: Running, step: Step) -> None:  # noqa: ARG002  # one more, whatever it was
        """Advance by one."""
        self.advance(learner, 1)

    def advance(self, learner: Running, samples: int) -> None:
        """Show that so many more samples were learned."""
        self._bar.update(samples)
        if self._enabled and self._timer.due():
            self._timer.restart()
            self._show(learner)

    def on_end(self, learner: Running) -> None:
        """Leave the bar as it stands."""
        if self._enabled:
            self._show(learner)
        self._bar.close()

    def _show(self, learner: Running) -> None:
        report = learner.report
        if report is None:
            return
        parts = [f"turned {report.percentages(report.turned)}"] if any(report.learns) else []
        if report.recent_accuracy is not None:
            parts.insert(0, f"accuracy {report.recent_accuracy:.1%}")
        if skipped := report.stream_counts.get("skipped"):
            parts.append(f"nothing new in {skipped / report.stream_counts['frames']:.0%}")
        self._bar.set_postfix_str(", ".join(parts), refresh=self._live)
