"""`learn`: drive a stream through a network."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, is_dataclass
from itertools import islice
from operator import length_hint
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor
from tqdm.auto import tqdm

from hebbstream._files import check_writable
from hebbstream.errors import ConfigurationError, EmptyStreamError, OutputError
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._checkpoint import Counters, save_checkpoint
from hebbstream.learning._generations import keep_generations
from hebbstream.learning._interruption import Interruption, StopWaiting, interruption
from hebbstream.learning._latency import Latency
from hebbstream.learning._report import Report, percentages
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe import as_online_probe
from hebbstream.probe._replay import Replay
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.learn")
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


def learn(
    net: SoftHebbNet,
    stream: Iterable[Any],
    probe: Probe | None = None,
    *,
    replay: Replay | None = None,
    limit: int | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 1000,
    checkpoint_seconds: float | None = None,
    checkpoints_kept: int = 2,
    counters: Counters | None = None,
    callbacks: Iterable[Callable[[Step], None]] = (),
    progress: bool = True,
) -> Report:
    """Let a network, and optionally a probe, learn from every sample of a stream as it passes.

    Ctrl-C or SIGTERM finishes the present sample, writes the checkpoint and returns the report; a second one stops at
    once. A checkpoint that cannot be written, as on a full disk, is reported by the log and tried again when the next
    is due; learning goes on, and the last good one is kept.

    Parameters
    ----------
    net
        Learns in place.
    stream
        Any iterable of frames, of pairs (frame, label) or of `Sample`; it may be endless.
    probe
        Is scored prequentially: on each labelled sample it predicts first and learns afterwards. Anything with
        ``predict_one`` and ``learn_one`` on a 1-D tensor will do; a checkpoint holds an `OnlineProbe` or a
        ``LinearProbe``.
    replay
        Keeps labelled frames, from which the probe, one of these two, learns again with the features that they have by
        then. See `Replay`.
    limit
        Most samples to learn in this call.
    checkpoint
        File to write every `checkpoint_every` samples, at the end, when interrupted and when the stream fails.
    checkpoint_every
        Samples between checkpoints.
    checkpoint_seconds
        Most seconds between checkpoints; ``None`` counts samples only.
    checkpoints_kept
        Generations of the checkpoint to keep, the newest included; see `load_latest_checkpoint`.
    counters
        Of an earlier run over the same stream, from `load_checkpoint`: that many samples are passed over first, and
        the counts go on. They are advanced in place. Where the stream has a method ``fast_forward(count)``, which
        returns how many samples it passed over, that is used; a live video goes on from now.
    callbacks
        Each is called with a `Step` after every sample; a `Callback` learns of the start, checkpoints and the end too,
        and may have state that goes into the checkpoint.
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
        If the last checkpoint cannot be written; found out before the first sample where it can be.

    Examples
    --------
    >>> import torch
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> report = learn(net, torch.rand(10, 3, 32, 32), progress=False)
    >>> report.samples, report.stopped
    (10, 'end of stream')
    """
    callbacks = tuple(callbacks)
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit={limit}: expected a positive number of samples, or None")
    if checkpoint_every < 1:
        raise ConfigurationError(f"checkpoint_every={checkpoint_every}: expected a positive number of samples")
    if checkpoint_seconds is not None and not checkpoint_seconds > 0:
        raise ConfigurationError(f"checkpoint_seconds={checkpoint_seconds}: expected a positive number, or None")
    if checkpoints_kept < 1:
        raise ConfigurationError(f"checkpoints_kept={checkpoints_kept}: expected a positive number")
    if checkpoint is not None:
        check_writable(checkpoint)
        as_online_probe(probe, "checkpoint")
        names = [type(callback).__name__ for callback in _with_state(callbacks)]
        if len(set(names)) < len(names):
            raise ConfigurationError(f"callbacks {', '.join(names)}: a checkpoint keeps the state of one of each kind")
    if replay is not None and as_online_probe(probe, "replay") is None:
        raise ConfigurationError("replay without a probe: expected an OnlineProbe or a LinearProbe")
    run = _Run(
        net,
        stream,
        probe,
        replay,
        counters or Counters(),
        None if checkpoint is None else Path(checkpoint),
        checkpoint_every,
        checkpoint_seconds,
        checkpoints_kept,
        callbacks,
    )
    with interruption() as interrupted, _progress_bar(stream, limit, run.counters, enabled=progress) as bar:
        run.watch("on_start", run)
        try:
            run.go(limit, interrupted, bar)
        except BaseException as error:
            run.stopped = f"{type(error).__name__}: {error}"
            raise
        finally:
            report = run.report()
            run.watch("on_end", report)
    return report


@dataclass(slots=True)
class _Run:
    """One call of `learn`."""

    net: SoftHebbNet
    stream: Iterable[Any]
    probe: Probe | None
    replay: Replay | None
    counters: Counters
    checkpoint: Path | None
    checkpoint_every: int
    checkpoint_seconds: float | None
    checkpoints_kept: int
    callbacks: tuple[Callable[[Step], None], ...]
    samples: int = 0
    stopped: str = ""
    saved_at: int | None = None
    saved_time: float = 0.0
    started: float = field(default_factory=time.perf_counter)
    latency: Latency = field(default_factory=Latency)
    under_way: deque[Sample] = field(default_factory=deque)
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def go(self, limit: int | None, interrupted: Interruption, bar: "tqdm[Any]") -> None:
        items = iter(self.stream)
        try:
            with interrupted.waiting():
                self._pass_over(items)
        except StopWaiting:
            self.stopped = "interrupted"
        self.started = self.saved_time = shown = time.perf_counter()
        pauses = [c for c in self.callbacks if isinstance(c, Callback) and c.every_samples]
        while not self.stopped:
            # A checkpoint needs a network that no sample is passing through, so each stretch is learned to its end.
            periods = [self.checkpoint_every, *(c.every_samples for c in pauses if c.every_samples)]
            wanted = min(period - self.samples % period for period in periods)
            if limit is not None:
                wanted = min(wanted, limit - self.samples)
            if self.replay is not None:
                wanted = min(wanted, max(1, self.replay.every - self.replay.waiting))  # it may come filled
            with closing(self.net.learn_stream(self._feed(items, wanted, interrupted))) as learned:
                while True:
                    try:
                        features = next(learned, None)
                    except Exception:
                        self._try_to_save()  # the stream failed, or a sample was refused: nothing learned is lost
                        raise
                    if features is None:
                        break
                    self._take(features)
                    bar.update()
                    now = time.perf_counter()
                    if now - shown > _STATUS_SECONDS:
                        shown = now
                        bar.set_postfix_str(self._status())
            if self.replay is not None and self.replay.waiting >= self.replay.every:
                self._look_again(self.replay)
            if interrupted.requested:
                self.stopped = "interrupted"
            elif self.samples == limit:
                self.stopped = "limit"
            for callback in pauses:
                if callback.every_samples and self.samples % callback.every_samples == 0:
                    callback.on_pause()
            if not self.stopped and (self.samples % self.checkpoint_every == 0 or self._due()):
                self._try_to_save()
        self.save()
        if not self.samples and not self.counters.position and self.stopped == "end of stream":
            raise EmptyStreamError("the stream ended before its first sample: expected at least one")
        bar.set_postfix_str(self._status())

    def _pass_over(self, items: Iterator[Any]) -> None:
        position = self.counters.position
        fast_forward = getattr(self.stream, "fast_forward", None)
        passed = sum(1 for _ in islice(items, position)) if fast_forward is None else fast_forward(position)
        if passed < position:
            raise EmptyStreamError(
                f"the stream ended after {passed} samples: expected more than the {position} already learned"
            )

    def _feed(self, items: Iterator[Any], count: int, interrupted: Interruption) -> Iterator[Any]:
        for _ in range(count):
            try:
                with interrupted.waiting():
                    item = next(items)
            except StopIteration:
                self.stopped = "end of stream"
                return
            except StopWaiting:
                return
            sample = Sample.of(item)
            if self.replay is not None and sample.y is not None:
                self.replay.add(self.net.checked(sample.x, single=True).squeeze(0), sample.y)
            self.under_way.append(sample)
            yield sample.x
            if interrupted.requested or self._due():
                return

    def _due(self) -> bool:
        return self.checkpoint_seconds is not None and time.perf_counter() - self.saved_time >= self.checkpoint_seconds

    def _take(self, features: Tensor) -> None:
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
        self.latency.take(sample)
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                callback.on_step(self, step)
            else:
                callback(step)

    def _look_again(self, replay: Replay) -> None:
        probe: Any = as_online_probe(self.probe, "replay")
        frames, labels = replay.draw(replay.per_sample * replay.every)
        for start in range(0, len(labels), replay.every):
            part = slice(start, start + replay.every)
            probe.learn_many(self.net.transform_many(frames[part]), labels[part], replay.weight)
        replay.waiting = 0

    def _try_to_save(self) -> None:
        self.saved_time = time.perf_counter()
        try:
            self.save()
        except OutputError as error:
            log.error("%s; learning goes on, the last good checkpoint is kept", error)  # no traceback

    def save(self) -> None:
        if self.checkpoint is None or self.samples in (0, self.saved_at):
            return  # nothing new
        probe: Any = self.probe
        keep_generations(self.checkpoint, self.checkpoints_kept)
        states = {type(callback).__name__: callback.state_dict() for callback in _with_state(self.callbacks)}
        save_checkpoint(self.checkpoint, self.net, probe, self.counters, states, self.replay)
        self.saved_at = self.samples
        log.debug("%s: written after %d samples", self.checkpoint, self.counters.position)
        self.watch("on_checkpoint", self.checkpoint)

    def watch(self, method: str, *arguments: Any) -> None:
        for callback in self.callbacks:
            if isinstance(callback, Callback):
                getattr(callback, method)(*arguments)

    def _status(self) -> str:
        parts = [f"R1 {percentages(self.net.r1_fraction())}"]
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
            latency=(self.latency.mean, self.latency.greatest) if self.latency.count else None,
            stream_counts=counts_of(self.stream),
        )


def _with_state(callbacks: Iterable[Callable[[Step], None]]) -> list[Callback]:
    """Return those that a checkpoint keeps something of."""
    return [c for c in callbacks if isinstance(c, Callback) and type(c).state_dict is not Callback.state_dict]


def counts_of(stream: Any) -> dict[str, int]:
    """Return what a stream counts in a dataclass `stats`, as `VideoStream` does; empty if it counts nothing."""
    stats = getattr(stream, "stats", None)
    return asdict(stats) if is_dataclass(stats) and not isinstance(stats, type) else {}


def _progress_bar(stream: Iterable[Any], limit: int | None, counters: Counters, *, enabled: bool) -> "tqdm[Any]":
    known = length_hint(stream)
    total = max(0, known - counters.position) if known else None
    if limit is not None:
        total = limit if total is None else min(limit, total)
    return tqdm(total=total, unit=" samples", disable=not enabled, dynamic_ncols=True)
