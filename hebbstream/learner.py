"""`learn`: drive a stream through a network."""

import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from operator import length_hint
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from tqdm.auto import tqdm

from hebbstream.checkpoint import Counters, save_checkpoint
from hebbstream.errors import ConfigurationError, EmptyStreamError
from hebbstream.files import check_writable
from hebbstream.network import SoftHebbNet
from hebbstream.probe import SoftmaxProbe
from hebbstream.sample import Sample

_WINDOW = 1000
_STATUS_SECONDS = 1.0


class Probe(Protocol):
    """What `learn` asks of a classifier: river's two methods, on a 1-D tensor of features."""

    def predict_one(self, x: Any) -> Any:
        """Return the predicted label."""
        ...

    def learn_one(self, x: Any, y: Any) -> None:
        """Learn from a label."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """What a callback sees after each sample.

    Parameters
    ----------
    index
        Position of the sample in the stream, from 0.
    sample
        The sample.
    features
        Its features, as returned by `SoftHebbNet.learn_one`.
    prediction
        The probe's, made before it learned the label; ``None`` without a probe or a label.
    """

    index: int
    sample: Sample
    features: Tensor
    prediction: Any = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did.

    Parameters
    ----------
    samples
        Learned in this run.
    seconds
        It took, from the first sample's arrival to the end.
    r1_fraction
        For each layer, the share of neurons whose weight norm has converged to 1.
    accuracy
        Prequential, over every labelled sample, earlier runs of the same counters included; ``None`` without a probe.
    recent_accuracy
        The same over the last 1,000 labelled samples of this run.
    stopped
        ``"end of stream"``, ``"limit"`` or ``"interrupted"``.
    checkpoint
        Path of the last checkpoint written, if any.
    counters
        Where the run stands, for going on.
    """

    samples: int
    seconds: float
    r1_fraction: tuple[float, ...]
    accuracy: float | None
    recent_accuracy: float | None
    stopped: str
    checkpoint: Path | None
    counters: Counters

    @property
    def samples_per_second(self) -> float:
        """Samples learned in a second, waiting for the stream included."""
        return self.samples / self.seconds if self.seconds else 0.0

    def __str__(self) -> str:
        lines = [
            f"learned {self.samples:,} samples in {self.seconds:.1f} s"
            f" ({self.samples_per_second:.0f} a second), until {self.stopped}",
            f"R1 fraction {_percentages(self.r1_fraction)} (layer 1 to {len(self.r1_fraction)})",
        ]
        if self.accuracy is not None and self.recent_accuracy is not None:
            lines.append(f"prequential accuracy {self.accuracy:.1%}, of late {self.recent_accuracy:.1%}")
        if self.checkpoint is not None:
            lines.append(f"checkpoint {self.checkpoint}")
        return "\n".join(lines)


def learn(
    net: SoftHebbNet,
    stream: Iterable[Any],
    probe: Probe | None = None,
    *,
    limit: int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    counters: Counters | None = None,
    callbacks: Iterable[Callable[[Step], None]] = (),
    progress: bool = True,
) -> Report:
    """Let a network, and optionally a probe, learn from every sample of a stream as it passes.

    Ctrl-C finishes the present sample, writes the checkpoint and returns the report; a second Ctrl-C stops at once.

    Parameters
    ----------
    net
        Learns in place.
    stream
        Any iterable of frames, of pairs (frame, label) or of `Sample`; it may be endless.
    probe
        Is scored prequentially: on each labelled sample it predicts first and learns afterwards. Anything with
        ``predict_one`` and ``learn_one`` on a 1-D tensor will do; a checkpoint holds a `SoftmaxProbe` or a
        ``LinearProbe``.
    limit
        Most samples to learn in this call.
    checkpoint
        File to write every `checkpoint_every` samples, at the end, on Ctrl-C and when the stream fails.
    checkpoint_every
        Samples between checkpoints.
    counters
        Of an earlier run over the same stream, from `load_checkpoint`: that many samples are passed over first, and
        the counts go on. They are advanced in place.
    callbacks
        Each is called with a `Step` after every sample.
    progress
        Whether to show a progress bar.

    Returns
    -------
    Report
        ``print(report)`` shows it in a few lines.

    Raises
    ------
    EmptyStreamError
        If there is nothing to learn from.
    InputError
        If a sample is refused. What was learned before it stays, and is in the checkpoint.
    OutputError
        If the checkpoint cannot be written; found out before the first sample where it can be.

    Examples
    --------
    >>> import torch
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> report = learn(net, torch.rand(10, 3, 32, 32), progress=False)
    >>> report.samples, report.stopped
    (10, 'end of stream')
    """
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit={limit}: expected a positive number of samples, or None")
    if checkpoint_every < 1:
        raise ConfigurationError(f"checkpoint_every={checkpoint_every}: expected a positive number of samples")
    if checkpoint is not None:
        check_writable(checkpoint)
        if probe is not None and not (isinstance(probe, SoftmaxProbe) or hasattr(probe, "as_softmax_probe")):
            raise ConfigurationError(
                f"checkpoint with a {type(probe).__name__}: expected a SoftmaxProbe or a LinearProbe, which it can hold"
            )
    run = _Run(net, probe, counters or Counters(), None if checkpoint is None else Path(checkpoint))
    with _interruption() as interrupted, _progress_bar(stream, limit, run.counters, enabled=progress) as bar:
        run.over(stream, limit, checkpoint_every, tuple(callbacks), interrupted, bar)
    return run.report()


@dataclass(slots=True)
class _Run:
    """One call of `learn`."""

    net: SoftHebbNet
    probe: Probe | None
    counters: Counters
    checkpoint: Path | None
    samples: int = 0
    stopped: str = ""
    saved_at: int | None = None
    started: float = 0.0
    under_way: deque[Sample] = field(default_factory=deque)
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def over(
        self,
        stream: Iterable[Any],
        limit: int | None,
        checkpoint_every: int,
        callbacks: tuple[Callable[[Step], None], ...],
        interrupted: threading.Event,
        bar: "tqdm[Any]",
    ) -> None:
        items = iter(stream)
        skipped = sum(1 for _ in islice(items, self.counters.position))
        if skipped < self.counters.position:
            raise EmptyStreamError(
                f"the stream ended after {skipped} samples: expected more than the "
                f"{self.counters.position} already learned"
            )
        self.started = shown = time.perf_counter()
        while not self.stopped:
            wanted = checkpoint_every if limit is None else min(checkpoint_every, limit - self.samples)
            # A checkpoint needs a network that no sample is passing through, so each stretch is learned to its end.
            with closing(self.net.learn_stream(self._feed(items, wanted, interrupted))) as learned:
                while True:
                    try:
                        features = next(learned, None)
                    except Exception:
                        self.save()  # the stream failed, or a sample was refused: nothing learned is lost
                        raise
                    if features is None:
                        break
                    self._take(features, callbacks)
                    bar.update()
                    now = time.perf_counter()
                    if now - shown > _STATUS_SECONDS:
                        shown = now
                        bar.set_postfix_str(self._status())
            if interrupted.is_set():
                self.stopped = "interrupted"
            elif self.samples == limit:
                self.stopped = "limit"
            self.save()
        if not self.samples and not self.counters.position:
            raise EmptyStreamError("the stream ended before its first sample: expected at least one")
        bar.set_postfix_str(self._status())

    def _feed(self, items: Iterator[Any], count: int, interrupted: threading.Event) -> Iterator[Any]:
        for item in islice(items, count):
            sample = Sample.of(item)
            self.under_way.append(sample)
            yield sample.x
            if interrupted.is_set():
                return
            count -= 1
        if count:
            self.stopped = "end of stream"

    def _take(self, features: Tensor, callbacks: tuple[Callable[[Step], None], ...]) -> None:
        sample = self.under_way.popleft()
        prediction = None
        if self.probe is not None and sample.y is not None:
            prediction = self.probe.predict_one(features)
            self.probe.learn_one(features, sample.y)
            right = bool(prediction == sample.y)  # of NumPy labels, a NumPy bool, which JSON does not know
            self.counters.scored += 1
            self.counters.correct += right
            self.recent.append(right)
        step = Step(self.counters.position, sample, features, prediction)
        self.counters.position += 1
        self.samples += 1
        for callback in callbacks:
            callback(step)

    def save(self) -> None:
        if self.checkpoint is None or self.samples in (0, self.saved_at):
            return  # nothing new
        probe: Any = self.probe
        save_checkpoint(self.checkpoint, self.net, probe, self.counters)
        self.saved_at = self.samples

    def _status(self) -> str:
        parts = [f"R1 {_percentages(self.net.r1_fraction())}"]
        if self.recent:
            parts.insert(0, f"accuracy {sum(self.recent) / len(self.recent):.1%}")
        return ", ".join(parts)

    def report(self) -> Report:
        return Report(
            samples=self.samples,
            seconds=time.perf_counter() - self.started,
            r1_fraction=self.net.r1_fraction(),
            accuracy=self.counters.correct / self.counters.scored if self.counters.scored else None,
            recent_accuracy=sum(self.recent) / len(self.recent) if self.recent else None,
            stopped=self.stopped,
            checkpoint=self.checkpoint if self.saved_at is not None else None,
            counters=self.counters,
        )


def _progress_bar(stream: Iterable[Any], limit: int | None, counters: Counters, *, enabled: bool) -> "tqdm[Any]":
    known = length_hint(stream)
    total = max(0, known - counters.position) if known else None
    if limit is not None:
        total = limit if total is None else min(limit, total)
    return tqdm(total=total, unit=" samples", disable=not enabled, dynamic_ncols=True)


@contextmanager
def _interruption() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into an event; the second is a KeyboardInterrupt again."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event  # only the main thread receives signals
        return

    def on_interrupt(signum: int, frame: Any) -> None:  # noqa: ARG001  # what signal.signal calls
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, previous)


def _percentages(fractions: tuple[float, ...]) -> str:
    return " / ".join(f"{fraction:.0%}" for fraction in fractions)
