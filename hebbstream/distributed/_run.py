"""`DistributedRun`: one call of `learn_together`, on one rank."""

from collections.abc import Sequence
from dataclasses import asdict, astuple, replace
from enum import IntFlag

import torch

from hebbstream._quote import printable
from hebbstream.distributed._engine import DataParallelEngine
from hebbstream.distributed._leases import Leases
from hebbstream.distributed._local import LocalEngine
from hebbstream.distributed._peers import Peers
from hebbstream.distributed._probes import SharedProbe
from hebbstream.distributed._reader import Reader
from hebbstream.errors import EmptyStreamError, ImageSizeError, InputError, PeerError
from hebbstream.learning._callback import Callback
from hebbstream.learning._counters import Counters
from hebbstream.learning._interruption import StopWaiting
from hebbstream.learning._learner import Learner
from hebbstream.learning._progress import ProgressBar
from hebbstream.learning._recordings import TOGETHER
from hebbstream.learning._report import Report
from hebbstream.learning._run import Run
from hebbstream.probe._solvers import as_online_probe
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats

_GRACE_SECONDS = 5.0


class Word(IntFlag):
    """What a rank tells the others before each step, besides how many samples it brings."""

    AT_END = 1
    STOP = 2
    FAILED = 4
    PAUSE = 8
    BROKEN_OFF = 16
    SAVE = 32


class DistributedRun(Run):
    """A run in which ranks take a step together, each with at most so many samples of its own source.

    Parameters
    ----------
    learner, callbacks, limit
        As of `Run`; the limit is of all ranks.
    peers, leases, reader
        The ranks, who reads what, and what this rank reads.
    every
        Samples that each rank learns alone before all tell each other; ``None`` for steps that all take as one.
    """

    def __init__(
        self,
        learner: Learner,
        callbacks: Sequence[Callback],
        limit: int | None,
        *,
        peers: Peers,
        leases: Leases,
        reader: Reader,
        every: int | None,
    ) -> None:
        super().__init__(learner, callbacks, limit)
        self._peers, self._leases, self._reader, self._every = peers, leases, reader, every
        probe = as_online_probe(learner.probe, "several ranks")
        self._probe = None if probe is None else SharedProbe(probe, peers, learner.net.layers[-1].device)
        self._scored = (learner.counters.scored, learner.counters.correct)
        self._lately = (0, 0)  # labelled samples of late of all ranks, and those predicted rightly
        self._stats = StreamStats()  # of what all ranks have read
        self._error: BaseException | None = None
        self._to_read = len(set(leases.names) - leases.ended)
        self._due: set[int] = set()
        self._torn = False
        self._empty = 0  # steps without a sample, one after another
        self._size = learner.net.frame_size or (0, 0)  # of the latest frame of all ranks

    def _learn(self, to_pass: int) -> None:  # noqa: ARG002  # each source has its own
        self._interrupted.grace = _GRACE_SECONDS
        self._fingerprint, self._before = TOGETHER, self._learner.recordings.get(TOGETHER, 0)
        self._started = self._learner.clock()
        for timer in self._timers:
            timer.restart()
        try:
            while not self._stopped:
                self._round()
            self._settle()
            if self._stopped == "end of stream":
                self._error = self._error or self._of_the_last_source()
        finally:
            self._reader.close()
        error = self._error or self._failure
        if error is not None:
            raise error
        if not self._learner.counters.position and self._stopped == "end of stream":
            raise EmptyStreamError("the sources ended before their first sample: expected at least one")

    def _end(self, *, raising: bool) -> None:
        if not raising:  # the others have heard of it, or are lost
            super()._end(raising=False)
            return
        failure: BaseException | None = None
        try:
            super()._end(raising=True)
        except BaseException as error:  # as of a last checkpoint, without which the others have learned in vain
            failure = error
        told = self._peers.gather_terms(failure is not None)
        if failure is None:
            failure = next((self._of_another(rank) for rank, failed in enumerate(told) if failed), None)
        if failure is not None:
            raise failure

    def _round(self) -> None:
        """Read, tell the others, and learn what all have told."""
        self._torn = True  # until the step is over: what fails in it leaves this rank with what is of no one time
        self._leases.lend(self._peers.world)
        left = None if self._limit is None else self._limit - self._samples
        # Where the last samples are fewer than readers, a silent camera must not keep them from the others.
        share = self._leases.shares(left, self._empty)[self._peers.rank] if left is not None and self._holds else None
        most = self._every or 1
        samples = self._read(most if share is None else min(most, share))
        words = self._tell(len(samples))
        if self._every is None and any(Word.STOP in word for _, word in words):
            # The rank that stops may lack its sample. Nobody takes the step, so that who goes on takes it whole.
            samples, words = [], [(0, word) for _, word in words]
        total = sum(count for count, _ in words)
        readers = set(self._leases.held.values())
        reading = (rank for rank, (_, word) in enumerate(words) if rank in readers and Word.AT_END not in word)
        self._learn_together(samples, total, min(reading, default=0))
        self._empty = 0 if total else self._empty + 1
        for rank, (count, word) in enumerate(words):
            name = self._leases.of(rank)
            if name is not None and count:
                self._leases.take(name, count)
            if name is not None and Word.AT_END in word:
                self._leases.end(name, for_good=Word.BROKEN_OFF not in word)
        self._torn = False
        self._end_or_pause([word for _, word in words])

    @property
    def _holds(self) -> bool:
        return self._leases.of(self._peers.rank) is not None

    def _read(self, most: int) -> list[Sample]:
        """Return this rank's samples of the step. With `every` they are learned here and now."""
        samples: list[Sample] = []
        until = self._learner.clock() + most * self._reader.patience
        try:
            while len(samples) < most and not self._interrupted.requested:
                with self._interrupted.waiting():
                    sample = self._reader.next()
                if sample is None:
                    if self._holds and not self._reader.at_end and self._learner.clock() < until:
                        continue  # a camera that has nothing new
                    break
                try:
                    self._accept(sample)
                except InputError as error:
                    raise self._of_source(error, sample, len(samples)) from error
                samples.append(sample)
                if self._every is not None:
                    self._take_one(sample)
        except StopWaiting:
            pass
        except Exception as error:  # the others must hear of it
            self._error = error
        return samples

    def _accept(self, sample: Sample) -> None:
        """Refuse what cannot be learned, before the others count on it."""
        self._check(sample)
        if self._probe is not None and sample.y is not None:
            self._probe.check(sample.y)
        for callback in self._callbacks:
            callback.on_sample(self._learner, sample)
        frames = self._learner.net.checked(sample.x, single=True)
        self._size = (frames.shape[2], frames.shape[3])

    def _of_source(self, error: InputError, sample: Sample, before: int) -> InputError:
        """Return the error with which sample of which source it is of."""
        name = self._leases.of(self._peers.rank) or ""
        number = self._leases.taken.get(name, 0) + before
        inside = "" if sample.source in (None, name) else f" ({printable(sample.source)})"
        return type(error)(f"source {name!r}: sample {number:,}{inside}, the first being 0: {error}")

    def _take_one(self, sample: Sample) -> None:
        self._under_way.append(sample)
        self._take(self._learner.net.learn_one(sample.x))

    def _tell(self, count: int) -> list[tuple[int, Word]]:
        word = Word(0)
        if self._holds and self._reader.at_end:
            word |= Word.AT_END | (Word.BROKEN_OFF if self._reader.broken_off else 0)
        if self._interrupted.requested:
            word |= Word.STOP
        if self._error is not None or self._failure is not None:
            word |= Word.FAILED
        if self._due or self._interrupted.to_save or any(timer.due() for timer in self._timers):
            word |= Word.PAUSE
        if self._interrupted.to_save:
            word |= Word.SAVE
        own = torch.tensor([count, word, self._check.features or 0, *self._size], dtype=torch.int64, device="cpu")
        told = [other.tolist() for other in self._peers.gather(own)]
        for number, _, _, *size in told:
            if number:
                self._size = (size[0], size[1])
        wrong = Word(0)
        try:
            if self._probe is not None:
                self._probe.refuse_another_size([features for _, _, features, *_ in told])
        except ImageSizeError as error:  # on all ranks: nobody takes the step
            self._error, wrong = self._error or error, Word.FAILED | Word.STOP
        return [(number, Word(word) | wrong) for number, word, *_ in told]

    def _learn_together(self, samples: list[Sample], total: int, leader: int) -> None:
        net, counters = self._learner.net, self._learner.counters
        others, before = total - len(samples), counters.position - (len(samples) if self._every else 0)
        engine, views = net.engine, 2 if net.mirror else 1
        if total and isinstance(engine, LocalEngine):
            told = [self._peers.start_sum(part) for part in engine.told(net.layers, total * views)]
            engine.take_over(net.layers, [wait() for wait in told], total * views)
            net.samples_seen += others
        elif total and isinstance(engine, DataParallelEngine):
            engine.lead(net.layers, leader)
            if samples:
                engine.announce(total)
                self._take_one(samples[0])
            else:
                engine.attend(net.layers, total * views)
                net.samples_seen += total
        if total:
            net.frame_size = self._size
        counters.position += others
        self._samples += others
        self._learner.recordings[TOGETHER] = self._before + self._samples
        for place, callback in enumerate(self._callbacks):
            left = callback.samples_left(before)
            if left is not None and left <= total:
                self._due.add(place)
            if isinstance(callback, ProgressBar):
                callback.advance(self._learner, others)

    def _end_or_pause(self, words: list[Word]) -> None:
        failed = [rank for rank, word in enumerate(words) if Word.FAILED in word]
        if failed:
            self._stopped = f"an error on rank {failed[0]}"
            self._error = self._error or self._failure
            if self._error is None:
                self._error = self._of_another(failed[0])
        elif any(Word.STOP in word for word in words):
            self._stopped = "interrupted"
        elif self._samples == self._limit:
            self._stopped = "limit"
        elif not self._leases.held and set(self._leases.names) <= self._leases.ended:
            self._stopped = "end of stream"
        if any(Word.SAVE in word for word in words):
            self._interrupted.to_save = True  # whichever rank was asked, the first one saves
        if any(Word.PAUSE in word for word in words):
            self._settle()
            self._pause()

    def _of_another(self, rank: int) -> PeerError:
        return PeerError(f"rank {rank} of {self._peers.world} has ended with an error of its own")

    def _of_the_last_source(self) -> BaseException | None:
        """Return the error to end with where each source that was to be read has failed."""
        failures = list(self._reader.failures.values())
        counts = self._peers.gather_terms(len(failures))
        if not any(counts) or sum(counts) < self._to_read:
            return None
        return failures[-1] if failures else self._of_another(next(rank for rank, count in enumerate(counts) if count))

    def _answer(self) -> None:
        """Leave a signal that asks to save for the next pause, when all is of one time."""

    def _pause(self) -> None:
        super()._answer()
        for place, (callback, timer) in enumerate(zip(self._callbacks, self._timers, strict=True)):
            if timer.due() or place in self._due:
                callback.on_pause(self._learner)
                timer.restart()
        self._due.clear()

    @property
    def is_whole(self) -> bool:
        """Whether all ranks have what belongs together, and no sample is under way here."""
        return super().is_whole and not self._torn

    def _settle(self) -> None:
        """Let all that is saved be that of all ranks."""
        engine = self._learner.net.engine
        self._torn = True
        if isinstance(engine, DataParallelEngine):
            engine.agree(self._learner.net.layers)
        if self._probe is not None:
            self._probe.merge()
            self._add_scores(self._learner.counters)
        told = self._peers.gather_terms({"known": self._reader.known, "read": astuple(self._reader.stats)})
        for of_rank in told:
            self._leases.known |= of_rank["known"]
        self._reader.known.clear()
        self._stats = sum((StreamStats(*of_rank["read"]) for of_rank in told), StreamStats())
        self._torn = False

    def _add_scores(self, counters: Counters) -> None:
        own = [
            counters.scored - self._scored[0],
            counters.correct - self._scored[1],
            len(self._recent),
            sum(self._recent),
        ]
        scored, correct, *lately = self._peers.sum(torch.tensor(own, dtype=torch.int64, device="cpu")).tolist()
        self._lately = (lately[0], lately[1])
        counters.scored, counters.correct = self._scored[0] + scored, self._scored[1] + correct
        self._scored = (counters.scored, counters.correct)

    def report(self) -> Report:
        """Return how the run stands; accuracies and counts are those of all ranks, as they have last told each other."""
        labelled, right = self._lately
        recent = right / labelled if labelled else None
        return replace(super().report(), recent_accuracy=recent, stream_counts=asdict(self._stats))
