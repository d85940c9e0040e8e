"""What Prometheus reads at ``/metrics``."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hebbstream.studio._session import Session


class Metrics(Collector):
    """Reads the session's board whenever it is asked; learning does not notice.

    Parameters
    ----------
    session
        What is measured.
    viewers
        Gives the number of pages that look on.
    """

    def __init__(self, session: Session, viewers: Callable[[], int]) -> None:
        self._session, self._viewers = session, viewers
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        session, board = self._session, self._session.board
        yield CounterMetricFamily("hebbstream_learned", "Frames learned from", board.learned)
        yield CounterMetricFamily("hebbstream_skipped", "Frames that showed nothing new", board.skipped)
        yield GaugeMetricFamily("hebbstream_latency_seconds", "From arrival to taken in, of late", board.latency())
        yield GaugeMetricFamily("hebbstream_learning", "Whether learning is on", float(session.learning))
        yield GaugeMetricFamily("hebbstream_examples", "Taught examples that are kept", len(session.examples))
        yield GaugeMetricFamily("hebbstream_viewers", "Pages that look on", self._viewers())
        dropped = CounterMetricFamily("hebbstream_dropped", "Frames that nobody took in time", labels=["source"])
        live = GaugeMetricFamily("hebbstream_source_live", "Whether pictures come", labels=["source"])
        for source in session.sources:
            label = [f"{source.number} {source.name}"]
            dropped.add_metric(label, source.dropped)
            live.add_metric(label, float(source.told()["state"] == "live"))
        yield dropped
        yield live
