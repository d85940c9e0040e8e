"""`Learner`: a network with all that a run of it is, and `learn`, its short form."""

import copy
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch

from hebbstream._container import State, inconsistent, read_state, write_state
from hebbstream._globals import in_float32, usable_device
from hebbstream._numbers import check_number
from hebbstream._quote import quote
from hebbstream._turns import Turns
from hebbstream.errors import ConfigurationError, CorruptCheckpointError
from hebbstream.learning._arguments import Probe, check_net, check_probe, checked_stream
from hebbstream.learning._callback import Callback, Step, as_callbacks
from hebbstream.learning._counters import Counters, check_count
from hebbstream.learning._generations import generations
from hebbstream.learning._progress import ProgressBar
from hebbstream.learning._recordings import samples_to_pass
from hebbstream.learning._refit import refit_probe
from hebbstream.learning._replaying import Remembering, Replaying
from hebbstream.learning._report import Report
from hebbstream.learning._run import Run
from hebbstream.learning._timer import Clock
from hebbstream.network import SoftHebbNet
from hebbstream.probe import OnlineProbe, Replay
from hebbstream.probe._solvers import as_online_probe, probe_from_state, savable_probe
from hebbstream.streams._stream import Stream

log = logging.getLogger("hebbstream.checkpoint")


class Learner:
    """A run: a network that learns from a stream, with a probe, a replay and callbacks.

    Parameters
    ----------
    net
        Learns in place.
    probe
        Predicts each labelled sample first and learns it afterwards. Anything with
        ``predict_one`` and ``learn_one`` on a 1-D tensor works, and any classifier of river, which gets a dict by the
        features' numbers; to be saved it must be one of `hebbstream.probe` or a ``LinearProbe``.
    replay
        Keeps labelled frames, from which such a probe learns again, with their features as they are then. See `Replay`.
    callbacks
        What is called after each sample, in this order: a
        `Checkpoint`, ``Metrics``, ``DriftMonitor``, a `Callback` of your own, or a function of a `Step`.
    clock
        Gives the time in seconds. For right latencies it must be that of `time.monotonic`, by which samples are captured.

    Attributes
    ----------
    counters : Counters
        How many samples this learner has learned, and how they were predicted.
    recordings : dict
        For the fingerprint of each stream, how many of its samples were learned, from its first; by ``learn_together``, of all.
    stream : Stream or None
        What it learns from, or learned from last.

    Raises
    ------
    ConfigurationError
        If the parts do not fit together.

    Examples
    --------
    >>> import tempfile
    >>> frames = torch.rand(10, 3, 32, 32)
    >>> learner = Learner(SoftHebbNet.from_preset("cifar10", width=4))
    >>> report = learner.learn(frames, limit=6, progress=False)
    >>> report.samples, report.stopped
    (6, 'limit')

    What was learned is saved in one file, and goes on from there, bit for bit:

    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> learner.save(path)
    >>> Learner.load(path).learn(frames, resume=True, progress=False).samples
    4
    """

    def __init__(
        self,
        net: SoftHebbNet,
        probe: Probe | None = None,
        *,
        replay: Replay | None = None,
        callbacks: Iterable[Callback | Callable[[Step], object]] = (),
        clock: Clock = time.monotonic,
    ) -> None:
        check_net(net)
        check_probe(probe)
        if replay is not None and not isinstance(replay, Replay):
            raise ConfigurationError(f"replay={quote(replay)}: expected a Replay, or None")
        if replay is not None and as_online_probe(probe, "replay") is None:
            raise ConfigurationError("replay without a probe: expected an OnlineProbe or a LinearProbe")
        self.net, self.probe, self.replay = net, probe, replay
        self.callbacks = as_callbacks(callbacks)
        self.clock = clock
        self.counters = Counters()
        self.recordings: dict[str, int] = {}
        self.stream: Stream[Any] | None = None
        self._run: Run | None = None
        self._turns = Turns()
        self._unclaimed: State = {}  # state of callbacks that a file held, and this learner lacks

    def learn(
        self,
        stream: Iterable[Any],
        *,
        limit: int | None = None,
        batch_size: int | None = None,
        resume: bool = False,
        progress: bool = True,
    ) -> Report:
        """Learn from every sample of a stream as it passes.

        Ctrl-C, SIGTERM or SIGHUP finishes the present sample and returns the report; a second one stops at once.
        SIGUSR1 lets a `Checkpoint` save, and learning goes on.

        Parameters
        ----------
        stream
            Any iterable of frames, of pairs (frame, label) or of `Sample`; it may be endless.
        limit
            Most samples to learn in this call.
        batch_size
            Samples that make one step of the network; see `SoftHebbNet.learn_stream`. ``None`` for the stream's own, which
            is 1 unless `hebbstream.streams.interleave` was told another. A step is cut short where a
            callback is due, so that a resumed run gives the same bits if its checkpoints fall on the same samples. Probe
            and callbacks still see one sample at a time.
        resume
            Whether the stream is read again from its start: the samples of it that were learned are passed over first.
            One with a `Stream.fingerprint`, such as a video, is known by it; one that is new is learned whole, and the
            log says so. Of one without, as many samples are passed over as `learn` has learned. A live one goes on from now.
        progress
            Whether to show a progress bar.

        Returns
        -------
        Report
            ``print(report)`` shows it in a few lines.

        Raises
        ------
        ConfigurationError
            If an argument cannot work, or a run of this learner is under way.
        EmptyStreamError
            If there is nothing to learn from.
        InputError
            If a sample is refused. What was learned before it stays.
        OutputError
            If the last checkpoint cannot be written; found out before the first sample where it can be.
        """
        check_number("limit", limit, optional=True)
        check_number("batch_size", batch_size, optional=True)
        with self._turns.lock:  # of two threads that begin at the same time, one is refused
            if self._running:
                raise ConfigurationError("learn within a run of this learner: expected it to end first")
            self.stream = checked_stream(stream)
            self._inform_callbacks()  # of what the file has for those that were set since
            passed = samples_to_pass(self.stream, self.recordings, self.counters.position) if resume else 0
            callbacks = [*self.callbacks, ProgressBar(limit, passed=passed, enabled=progress)]
            if self.replay is not None:
                callbacks = [Replaying(self.replay), *callbacks, Remembering(self.replay)]
            self._run = Run(self, callbacks, limit, batch_size or self.stream.batch)
        self._run.go(passed)
        try:
            self.net.check_finite()
        except ConfigurationError as error:  # without a checkpoint or a probe nothing else shows it
            logging.getLogger("hebbstream.rule").warning("%s", error)
        return self._run.report()

    @property
    def report(self) -> Report | None:
        """How the run stands, or how the last one went; ``None`` before the first."""
        return None if self._run is None else self._run.report()

    @property
    def is_whole(self) -> bool:
        """Whether network, probe and counters are of one time.

        They are not while samples are under way, nor once a second Ctrl-C has stopped a run at once.
        """
        return self._run is None or self._run.is_whole

    @property
    def _running(self) -> bool:
        return self._run is not None and self._run.running

    def save(self, path: str | Path) -> None:
        """Write all that was learned to a safetensors file, atomically; `load` reads it.

        Raises
        ------
        OutputError
            If the file cannot be written; an earlier file at `path` is then untouched.
        ConfigurationError
            If the probe is neither one of `hebbstream.probe` nor a ``LinearProbe``, or learning has diverged.
        LabelError
            If a class is not a str, int, float or bool.
        """
        probe = savable_probe(self.probe)
        with self._between_samples("save"):
            state: State = {"network": self.net.to_state(), "counters": asdict(self.counters)}
            state["recordings"] = self.recordings
            if probe is not None:
                state["probe"] = probe.state_dict()
            if self.replay is not None:
                state["replay"] = self.replay.state_dict()
            state["callbacks"] = self._state_of_callbacks()
            write_state(path, state)
        if self._run is not None:
            self._run.saved_to = Path(path)

    @contextmanager
    def _between_samples(self, doing: str) -> Iterator[None]:
        """Do something while no other thread changes a part: network, probe, replay and counters are all of one time.

        Raises
        ------
        ConfigurationError
            If samples are under way, so that there is no such time.
        """
        with ExitStack() as held:
            held.enter_context(self._turns.lock)
            if self._run is not None and self._run.running and not self._run.may_save:
                raise ConfigurationError(
                    f"{doing} while samples are under way: expected it in on_pause of a callback, or after the run"
                )
            held.enter_context(self.net._between_steps(doing))
            probe: Any = self.probe
            for part in (probe.as_probe() if hasattr(probe, "as_probe") else probe, self.replay):
                if isinstance(part, OnlineProbe | Replay):  # river's own hold no lock
                    held.enter_context(part._turns.lock)
            yield

    def refit_probe(self, *, progress: bool = True) -> OnlineProbe | None:
        """Return the probe to take away: it has learned the frames of the replay as the network sees them now.

        A probe that learns along remembers features that the network no longer makes. The new one is of the same
        kind. A `SoftmaxProbe` begins as a linear discriminant analysis of all features; how much of their covariance it shrinks, and whether
        it expects each class as often as it came, is what is likelier on stretches that are held back. It is the
        one that learned along where there is no replay, and where that holds other classes, as after `forget` or `rename`
        of the probe alone. So it is where more was learned before the replay began than since, or where labels were
        learned that it does not hold and the probe that learned along is better. Nothing of the learner changes: a run goes on with its
        own probe.

        Parameters
        ----------
        progress
            Whether to show a bar on a terminal: each kept frame takes a forward pass.

        Returns
        -------
        OnlineProbe
            Or ``None``, where there is no probe that has learned a label.

        Raises
        ------
        ConfigurationError
            If the probe is neither an `OnlineProbe` nor a ``LinearProbe``.

        Examples
        --------
        >>> import hebbstream as hs
        >>> net, frames = hs.SoftHebbNet.from_preset("mnist", width=4), torch.rand(20, 28, 28).numpy()
        >>> learner = hs.Learner(net, hs.SoftmaxProbe(), replay=hs.Replay())
        >>> report = learner.learn(((frame, index % 2) for index, frame in enumerate(frames)), progress=False)
        >>> learner.refit_probe(progress=False)
        SoftmaxProbe(calibrate=True, features=576, classes=2, labels=20)
        """
        probe = as_online_probe(self.probe, "refit_probe")
        if probe is None or not probe.classes:
            return None
        if self.replay is None or not len(self.replay):
            return probe
        with in_float32():
            return refit_probe(self.net, probe, self.replay, progress=progress)

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str | torch.device = "cpu",
        *,
        callbacks: Iterable[Callback | Callable[[Step], object]] = (),
        clock: Clock = time.monotonic,
    ) -> Self:
        """Read what `save` wrote: the newest generation that is good; a warning tells of each that is damaged.

        Parameters
        ----------
        path
            The file.
        device
            Where the network, and what the probe has learned, will be.
        callbacks, clock
            As of `Learner`. Callbacks go on from the state that the file has for their kind.

        Raises
        ------
        CheckpointNotFoundError
            If there is none.
        CorruptCheckpointError
            If all generations are damaged.
        CheckpointVersionError
            If the newest good one has a format that this version does not read.
        ConfigurationError
            If the device cannot be used.
        """
        place, watching = usable_device(device), as_callbacks(callbacks)
        damage: CorruptCheckpointError | None = None
        candidates = generations(path) or [Path(path)]
        for candidate in candidates:
            try:
                state = read_state(candidate)
                with inconsistent(candidate):
                    learner = cls._from_state(state, place, watching, clock)
            except CorruptCheckpointError as error:
                damage = damage or error
                if candidate != candidates[-1]:
                    log.warning("%s; trying an earlier one", error)
            else:
                learner._inform_callbacks()
                return learner
        assert damage is not None  # noqa: S101  # there was at least one candidate
        raise damage

    @classmethod
    def _from_state(cls, state: State, device: torch.device, callbacks: Iterable[Callback], clock: Clock) -> Self:
        probe, replay = state.get("probe"), state.get("replay")
        learner = cls(
            SoftHebbNet.from_state(state["network"], device),
            None if probe is None else probe_from_state(probe, device),
            replay=None if replay is None else Replay.from_state(replay),
            callbacks=callbacks,
            clock=clock,
        )
        learner.counters = Counters(**state.get("counters", {}))
        learner.recordings = dict(state.get("recordings", {}))
        for taken in learner.recordings.values():
            check_count("samples of a recording", taken)
        learner._unclaimed = dict(state.get("callbacks", {}))
        return learner

    def _inform_callbacks(self) -> None:
        """Give callbacks the state that a file held for them. What goes wrong is their fault, not the file's."""
        for name, callback in self._named_callbacks().items():
            if name in self._unclaimed:
                try:
                    callback.load_state_dict(self._unclaimed[name])
                except Exception as error:  # perhaps another class of that name had it saved
                    error.add_note(f"as {callback!r} read what the checkpoint keeps of a {name}")
                    raise
                del self._unclaimed[name]

    def _state_of_callbacks(self) -> State:
        kept = {name: callback.state_dict() for name, callback in self._named_callbacks().items()}
        for name, state in kept.items():
            if not isinstance(state, Mapping):
                raise ConfigurationError(f"state of {name}: {type(state).__name__}; expected a dict, empty for nothing")
        return self._unclaimed | {name: kept[name] for name in kept if kept[name]}

    def _named_callbacks(self) -> dict[str, Callback]:
        """Return callbacks by the names of their state: their kind, and a number from the second of a kind on."""
        seen: Counter[str] = Counter()
        named = {}
        for callback in self.callbacks:
            kind = type(callback).__name__
            seen[kind] += 1
            named[kind if seen[kind] == 1 else f"{kind} {seen[kind]}"] = callback
        return named

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        with self._between_samples("copy"):
            twin.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        with self._between_samples("copy"):
            return vars(self) | {"_run": None, "stream": None}  # a copy has what was learned, not the run

    def __repr__(self) -> str:
        parts = [f"{self.counters.position:,} samples", f"probe={self.probe!r}", f"replay={self.replay!r}"]
        parts += [repr(callback) for callback in self.callbacks]
        return f"Learner: {', '.join(parts)}\n{self.net!r}"
