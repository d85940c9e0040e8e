"""`prequential`: predict, then learn, and score with river's metrics as the stream goes by."""

import sys
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any

from river import base
from river import metrics as river_metrics

from hebbstream._bar import expected, progress_bar
from hebbstream._numbers import as_index, check_number
from hebbstream._quote import quote
from hebbstream.adapters.river._scores import Evaluation
from hebbstream.adapters.river._scoring import Prediction, Scoring
from hebbstream.errors import ConfigurationError
from hebbstream.learning._arguments import as_read_by, check_net, check_probe, checked_stream
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe._inputs import checked_label
from hebbstream.streams._sample import Sample


def prequential(
    net: SoftHebbNet,
    stream: Iterable[Any],
    probe: Any,
    metrics: river_metrics.base.Metric | None = None,
    *,
    window: int = 1000,
    delay: int = 0,
    frozen: bool = False,
    detector: base.DriftDetector | base.BinaryDriftDetector | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Evaluation:
    """Predict the label of each sample before learning from it, and score the predictions.

    The network learns from every sample, labelled or not, as it comes. The probe learns when a label comes, from the
    features that it predicted from. As in river, what the probe did not predict counts in no metric.

    Parameters
    ----------
    net
        Learns in place, unless `frozen`.
    stream
        Frames, pairs (frame, label) or `Sample`; those without a label are learned from but not scored.
    probe
        Any river classifier, or a probe of `hebbstream`. ``LinearProbe`` reads vectors; river's own get dicts by number.
    metrics
        A river metric of classification, or a sum of some; ``None`` is accuracy.
    window
        Samples in a windowed score, and between two scores.
    delay
        Samples that come by before a label does: it is predicted at once, and scored and learned then. ``delay=n`` is
        river's ``n + 1``, for which 1 is the least.
    frozen
        Whether the network stays as it is.
    detector
        Any river drift detector, such as ``river.drift.ADWIN()`` or ``river.drift.binary.DDM()``, of which a clone
        watches the error: 1 for a wrong prediction, 0 for a right one. ADWIN, KSWIN and Page-Hinkley report a fall, as
        learning brings it, as well as a rise; FHDDM only a fall.
    limit
        Most samples.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ConfigurationError
        If a number cannot work, a metric is none of classification, no number or one of probabilities that the probe does not
        give, or the detector is none.
    EmptyStreamError
        If there was nothing to score: no label came, or none for a prediction.
    LabelError
        If a label cannot be a class, such as NaN; of that sample nothing is learned.

    Examples
    --------
    >>> import torch
    >>> from hebbstream.adapters.river import LinearProbe
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> ramp = torch.linspace(0, 1, 32).expand(3, 32, 32)
    >>> stream = [(ramp, "across"), (ramp.mT, "down")] * 20
    >>> print(prequential(net, stream, LinearProbe(), window=20, progress=False))
       samples   labelled     scored         Accuracy      last 20
            21         21         20           0.9500       0.9500
            40         40         39           0.9744       1.0000
    """
    check_net(net, then=" first, and then the stream")
    check_probe(probe)
    parts = _checked_metrics(metrics)
    for part in parts:
        if not (part.requires_labels or callable(getattr(probe, "predict_proba_one", None))):
            raise ConfigurationError(
                f"metric {type(part).__name__} with a {type(probe).__name__}: expected a probe with predict_proba_one"
            )
    check_number("window", window)
    check_number("limit", limit, optional=True)
    if as_index(delay) < 0:
        raise ConfigurationError(f"delay={quote(delay)}: expected 0 or a positive number of samples")
    if detector is not None and not isinstance(detector, base.DriftDetector | base.BinaryDriftDetector):
        raise ConfigurationError(f"detector={detector!r}: expected a river drift detector, like ADWIN()")
    scoring = Scoring(
        probe,
        [(part, part.clone()) for part in parts],
        None if detector is None else detector.clone(),
        Evaluation(window),
    )
    limit = None if limit is None else min(limit, sys.maxsize)
    total = expected(stream, limit)
    waiting: deque[tuple[Any, Any, Prediction]] = deque()
    for item in progress_bar(islice(checked_stream(stream), limit), total=total, unit="samples", shown=progress):
        sample = Sample.of(item)
        if sample.y is not None:
            checked_label(sample.y)  # before the network learns
        x = as_read_by(probe, net.transform_one(sample.x) if frozen else net.learn_one(sample.x))
        waiting.append((sample.y, x, scoring.predict(x)))
        if len(waiting) > delay:
            scoring.take(*waiting.popleft())
    for late in waiting:
        scoring.take(*late)
    return scoring.finish()


def _checked_metrics(metrics: river_metrics.base.Metric | None) -> list[Any]:
    """Return each metric of a sum; refuse one that could not be followed along a stream, as a confusion matrix."""
    metrics = river_metrics.Accuracy() if metrics is None else metrics  # type: ignore[no-untyped-call]
    parts = list(metrics) if isinstance(metrics, river_metrics.base.Metrics) else [metrics]
    for part in parts:
        if not isinstance(part, river_metrics.base.ClassificationMetric) or not is_number(part):
            raise ConfigurationError(
                f"metric {type(part).__name__}: expected one of classification, and a number;"
                " of a regressor in a pipeline river's progressive_val_score finds the error"
            )
    return parts


def is_number(metric: river_metrics.base.Metric) -> bool:
    """Return whether a river metric is one number.

    Examples
    --------
    >>> is_number(river_metrics.CohenKappa()), is_number(river_metrics.ConfusionMatrix())
    (True, False)
    """
    try:
        float(metric.get())
    except (NotImplementedError, TypeError):
        return False
    return True
