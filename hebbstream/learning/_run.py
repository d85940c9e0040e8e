"""`Run`: one call of `Learner.learn`."""

import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hebbstream._quote import printable
from hebbstream.errors import EmptyStreamError, InputError
from hebbstream.learning._arguments import as_read_by
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._interruption import StopWaiting, interruption
from hebbstream.learning._labelled import LabelledCheck
from hebbstream.learning._latency import Latency
from hebbstream.learning._recordings import worth_knowing
from hebbstream.learning._report import Report
from hebbstream.learning._timer import Timer
from hebbstream.learning._turned import Turned
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner

log = logging.getLogger("hebbstream.learning")

_WINDOW = 1000  # predictions of late


class Run:
    """Drives a stream through a learner, in stretches: between two of them no sample is under way.

    Parameters
    ----------
    learner
        Whose parts learn, and whose counters advance.
    callbacks
        In the order in which they are called.
    limit
        Most samples.
    batch_size
        Samples in a step of the network.
    """

    def __init__(
        self, learner: "Learner", callbacks: Sequence[Callback], limit: int | None, batch_size: int = 1
    ) -> None:
        self._learner, self._callbacks, self._limit, self._batch_size = learner, callbacks, limit, batch_size
        self._timers = [Timer(callback.every_seconds, learner.clock) for callback in callbacks]
        self._samples, self._stopped, self._paused_at = 0, "", learner.counters.position
        self._begun: list[Callback] = []
        self._started = learner.clock()
        self._ended: float | None = None
        self._latency = Latency()
        self._under_way: deque[Sample] = deque()
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._failure: BaseException | None = None  # of a step
        self._not_fed: BaseException | None = None  # why the next sample is not learned
        self._turned = Turned(learner.net)
        self._check = LabelledCheck(learner)
        self.running = True
        self._thread, self._waits = threading.get_ident(), False
        self.whole = True  # until a second Ctrl-C ends the run
        self.saved_to: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether no sample is under way, nor did a second Ctrl-C end the run in whatever was being done."""
        return self.whole and not self._under_way

    @property
    def may_save(self) -> bool:
        """Whether all is of one time: in another thread, where it waits for the next sample and none is under way."""
        return self.is_whole and (self._waits or threading.get_ident() == self._thread)

    def go(self, to_pass: int) -> None:
        """Pass over so many samples, then learn until something ends it, and let the callbacks know."""
        try:
            with interruption(self._answer) as self._interrupted:
                self._go(to_pass)
        finally:
            self.running = False

    def _go(self, to_pass: int) -> None:
        try:
            for callback in self._callbacks:
                self._begun.append(callback)
                callback.on_start(self._learner)
            self._learn(to_pass)
            # Else it would end with samples that are not learned.
            wait_for(layer.device for layer in self._learner.net.layers)
        except BaseException as error:
            self._stopped = f"{type(error).__name__}: {error}"
            self.whole = self.whole and not self._interrupted.forced
            self._end(raising=False)
            raise
        self._end(raising=True)

    def _end(self, *, raising: bool) -> None:
        self._ended = self._learner.clock()
        failure: BaseException | None = None
        for callback in self._begun:
            try:
                callback.on_end(self._learner)
            except BaseException as error:  # the others have theirs all the same
                if raising and failure is None:
                    failure = error
                else:  # one error ends the run; of a checkpoint that could not be written, too, somebody must hear
                    log.error("%r failed at the end of the run: %s: %s", callback, type(error).__name__, error)
        if failure is not None:
            raise failure

    def _learn(self, to_pass: int) -> None:
        stream = self._learner.stream
        assert stream is not None  # noqa: S101  # a run has one
        items = iter(stream)
        try:
            with self._interrupted.waiting():
                _pass_over(stream, to_pass)
        except StopWaiting:
            self._stopped = "interrupted"
        self._fingerprint = stream.fingerprint
        if self._fingerprint is not None and not self._stopped:
            recordings = worth_knowing(self._learner.recordings, self._fingerprint)
            if to_pass and not stream.live:  # it may hold nothing more, and what it was known by is left out
                recordings[self._fingerprint] = stream.taken
            self._learner.recordings = recordings
        self._before = self._learner.recordings.get(self._fingerprint or "", 0) if stream.live else stream.taken
        self._started = self._learner.clock()
        for timer in self._timers:
            timer.restart()
        while not self._stopped:
            self._stretch(items)
            if self._interrupted.requested:
                self._stopped = "interrupted"
            elif self._samples == self._limit:
                self._stopped = "limit"
            self._pause()
            self._answer()  # what is saved then has what was due
        if not self._samples and not self._learner.counters.position and self._stopped == "end of stream":
            left_out = f" ({stream.skipped} left out)" if stream.skipped else ""
            raise EmptyStreamError(f"the stream ended before its first sample{left_out}: expected at least one")

    def _stretch(self, items: Iterator[Any]) -> None:
        """Learn from the samples until a callback is due, each to its end."""
        position = self._learner.counters.position
        until = [left for callback in self._callbacks if (left := callback.samples_left(position)) is not None]
        if self._limit is not None:
            until.append(self._limit - self._samples)
        # It takes no more, and at least one: what is due now has been done, and a run that takes none would never end.
        samples = islice(self._feed(items), max(1, min([sys.maxsize, *until])))
        with closing(self._learner.net.learn_stream(samples, self._batch_size, ready=self._ready)) as learned:
            try:
                for features in learned:
                    self._take(features)
            except InputError as error:  # of the latest frame; the network has learned those before it
                self._not_fed = self._named(error, self._under_way.pop())
        failure = self._failure or self._not_fed
        if failure is not None:
            raise failure

    def _named(self, error: InputError, sample: Sample | None) -> InputError:
        """Return the error with which sample it is of: else nobody could leave it out, and a resumed run would end there."""
        assert self._learner.stream is not None  # noqa: S101  # it came from one
        if type(error).__module__ != InputError.__module__:  # a program's own may take other arguments
            return error
        of = at = ""
        number = self._learner.stream.taken
        if sample is not None:  # else a function of the stream refused what comes next
            number -= 1
            of = "" if sample.source is None else f" of {printable(sample.source)}"
            at = "" if sample.t is None else f" at {sample.t:.3f} s"
        named = type(error)(f"sample {number:,}{of}{at}, the first being 0: {error}")
        named.__cause__ = error
        return named

    def _feed(self, items: Iterator[Any]) -> Iterator[Any]:
        """Yield frames until something ends it. An error waits until the samples under way are learned to their end."""
        while True:
            self._waits = not self._under_way
            try:
                with self._interrupted.waiting():
                    item = next(items)
            except StopIteration:
                self._stopped = "end of stream"
                return
            except StopWaiting:
                return
            except BaseException as error:
                self._not_fed = self._named(error, None) if isinstance(error, InputError) else error
                return
            finally:
                with self._learner._turns.lock:  # who saves meanwhile does so to the end
                    self._waits = False
            known = Sample(None)
            try:
                known = sample = Sample.of(item)
                self._check(sample)
                for callback in self._callbacks:
                    callback.on_sample(self._learner, sample)
            except BaseException as error:
                self._not_fed = self._named(error, known) if isinstance(error, InputError) else error
                return
            self._under_way.append(sample)
            yield sample.x
            asked = self._interrupted.requested or self._interrupted.to_save
            if asked or self._failure is not None or any(timer.due() for timer in self._timers):
                return

    def _ready(self) -> bool:
        return self._learner.stream is None or self._learner.stream.ready

    def _broke_off(self) -> bool:
        """Whether one of several recordings did: what came since stands elsewhere in a run in which it comes whole."""
        stream = self._learner.stream
        assert stream is not None  # noqa: S101  # a run has one
        errors = () if stream.live else stream.failures.values()
        return any(isinstance(error, ConnectionError | TimeoutError) for error in errors)

    def _take(self, features: Tensor) -> None:
        """Take in a sample that the network has learned. What fails ends the run once all under way are taken in."""
        counters, sample = self._learner.counters, self._under_way[0]
        index = counters.position
        counters.position += 1
        self._samples += 1
        if self._fingerprint is not None and not self._broke_off():
            self._learner.recordings[self._fingerprint] = self._before + self._samples
        self._latency.take(sample, self._learner.clock())
        found: tuple[Any, bool | None] = (None, None)
        try:
            found = self._score(features, sample)
        except Exception as error:
            self._failure = self._failure or error
        self._under_way.popleft()
        if self._failure is not None:
            return
        try:
            step = Step(index, sample, features, *found)
            for callback in self._callbacks:
                callback.on_step(self._learner, step)
        except BaseException as error:
            self._failure = error

    def _score(self, features: Tensor, sample: Sample) -> tuple[Any, bool | None]:
        probe, counters = self._learner.probe, self._learner.counters
        if probe is None or sample.y is None:
            return None, None
        x = as_read_by(probe, features)
        prediction = probe.predict_one(x)
        probe.learn_one(x, sample.y)
        if prediction is None:
            return None, None
        right = bool(prediction == sample.y)  # of NumPy labels, a NumPy bool, which JSON does not know
        counters.scored += 1
        counters.correct += right
        self._recent.append(right)
        return prediction, right

    def _answer(self) -> None:
        """Let the callbacks know of a signal that asks to save, once no sample is under way."""
        if self._interrupted.to_save and not self._under_way:
            self._interrupted.to_save = False
            for callback in self._callbacks:
                callback.on_signal(self._learner)

    def _pause(self) -> None:
        position = self._learner.counters.position
        advanced, self._paused_at = position > self._paused_at, position
        for callback, timer in zip(self._callbacks, self._timers, strict=True):
            if timer.due() or (advanced and callback.is_due(position)):
                callback.on_pause(self._learner)
                timer.restart()

    def report(self) -> Report:
        """Return how the run stands."""
        learner, counters = self._learner, self._learner.counters
        now = learner.clock() if self._ended is None else self._ended
        return Report(
            samples=self._samples,
            seconds=now - self._started,
            r1_fraction=learner.net.r1_fraction(),
            turned=self._turned.shares(),
            learns=tuple(layer.spec.learning_rate > 0 for layer in learner.net.layers),
            accuracy=counters.correct / counters.scored if counters.scored else None,
            recent_accuracy=sum(self._recent) / len(self._recent) if self._recent else None,
            stopped=self._stopped,
            checkpoint=self.saved_to,
            counters=replace(counters),
            latency=(self._latency.mean, self._latency.greatest) if self._latency.count else None,
            stream_counts=asdict(learner.stream.stats) if learner.stream is not None else {},
        )


def wait_for(devices: Iterable[torch.device]) -> None:
    """Wait until cards have done what they were asked for; the host is at work on nothing that it does not wait for.

    Examples
    --------
    >>> wait_for([torch.device("cpu")])
    """
    for device in set(devices):
        if device.type == "cuda":
            torch.cuda.synchronize(device)


def _pass_over(stream: Stream[Any], count: int) -> None:
    passed = stream.fast_forward(count) if count else 0
    if passed < count:
        raise EmptyStreamError(
            f"the stream ended after {passed} samples: expected more than the {count} already learned"
        )
