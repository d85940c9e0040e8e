"""`Checkpoint`: saves a learner while it learns."""

import logging
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from hebbstream._container import check_state
from hebbstream._files import check_writable, expanded_path, remove_leftovers
from hebbstream._numbers import check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, HebbstreamError, OutputError
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._generations import generation, keep_generations
from hebbstream.probe._inputs import checked_label
from hebbstream.probe._labels import encode_label
from hebbstream.probe._solvers import savable_probe
from hebbstream.streams._sample import Sample

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner

log = logging.getLogger("hebbstream.checkpoint")
_THREAD = "hebbstream-checkpoint"


class Checkpoint(Callback):
    """Saves the learner: after a number of samples or seconds, at SIGUSR1, and at the end, however the run ends.

    If it cannot be written, as on a full disk, the log says so, learning goes on, and the last good one is kept.
    The next save tries again. Only one run at a time can write to a path. A checkpoint keeps the state of the
    callbacks before it, so put it last.

    Parameters
    ----------
    path
        The file; `Learner.load` reads it. A relative path is one in the working folder as it is now.
    every_samples
        Samples between two; ``None`` for no such limit.
    every_seconds
        Most seconds between two, also while the source is silent; ``None`` counts samples only.
    kept
        How many saves to keep, with the newest: the one before is ``path.1``, and so on.

    Raises
    ------
    ConfigurationError
        If an argument cannot work.

    Examples
    --------
    >>> import tempfile, torch
    >>> import hebbstream as hs
    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = hs.learn(net, torch.rand(5, 3, 32, 32), checkpoint=Checkpoint(path, every_samples=2), progress=False)
    >>> hs.Learner.load(path).counters.position
    5
    """

    def __init__(
        self,
        path: str | Path,
        *,
        every_samples: int | None = 1000,
        every_seconds: float | None = None,
        kept: int = 2,
    ) -> None:
        check_number("kept", kept)
        check_number("every_samples", every_samples, optional=True)
        if every_seconds is not None and not quantity(every_seconds) > 0:
            raise ConfigurationError(
                f"every_seconds={quote(every_seconds)}: expected a positive number of seconds, or None"
            )
        self.path = expanded_path(path)
        try:
            self._absolute = self.path.absolute()
        except OSError as error:  # no working folder
            raise ConfigurationError(f"checkpoint {quote(path)}: expected the path of a file ({error})") from None
        self.every_samples, self.every_seconds, self.kept = every_samples, every_seconds, kept
        self._lock: tuple[FileLock, os.stat_result] | None = None
        self._saves: Learner | None = None  # the learner of the run under way
        self._watch: tuple[threading.Thread, threading.Event] | None = None
        self._began_at = 0
        self._saved_at: int | None = None
        self._written: tuple[int, ...] | None = None  # by what the file is known that was saved last

    def claim(self) -> None:
        """Keep other processes from writing to the path, until the end of the run or `release`.

        Raises
        ------
        OutputError
            If another run writes to it, or it cannot be locked or written.
        """
        if self._lock is not None:
            return
        check_writable(self._file)
        file = self._file.resolve()  # by whatever name another run knows it
        # Whoever claims it may let another thread learn.
        locked = file.with_name(f".{file.name}.lock")
        lock = FileLock(locked, timeout=0, thread_local=False)
        new = not os.path.exists(locked)  # noqa: PTH110  # `Path.exists` raises where it may not look
        try:
            lock.acquire()
            self._lock = lock, locked.stat()
        except Timeout:
            raise OutputError(f"cannot write {self.path}: another run is writing to it") from None
        except (OSError, NotImplementedError) as error:  # as of a share that knows no locks
            if new:
                with suppress(OSError):
                    locked.unlink()
            raise OutputError(f"cannot lock {self.path}: {getattr(error, 'strerror', None) or error}") from error
        for number in range(min(self.kept, 2)):  # older ones are renamed, and leave nothing over
            remove_leftovers(generation(file, number))

    def on_start(self, learner: "Learner") -> None:
        """Find out, before the first sample, whether the learner can be saved there."""
        savable_probe(learner.probe)
        if self._saves is not None and self._saves is not learner:
            raise OutputError(f"cannot write {self.path}: another run is writing to it")
        self.claim()
        self._saves = learner
        self._began_at = self._saved_at = learner.counters.position
        if self.every_seconds is not None:
            ended = threading.Event()
            given = (learner, min(quantity(self.every_seconds), threading.TIMEOUT_MAX), ended)
            self._watch = threading.Thread(target=self._while_silent, args=given, name=_THREAD, daemon=True), ended
            self._watch[0].start()

    def on_sample(self, learner: "Learner", sample: Sample) -> None:
        """Refuse a label that cannot be saved: later, all that was learned could not be saved with it."""
        if sample.y is not None and learner.probe is not None:
            encode_label(checked_label(sample.y))

    def on_step(self, learner: "Learner", step: Step) -> None:
        """Refuse state of a callback that cannot be saved, after one sample and not after a thousand."""
        if step.index == self._began_at:
            check_state({"callbacks": learner._state_of_callbacks()})

    def on_pause(self, learner: "Learner") -> None:
        """Save, if it can be."""
        try:
            with learner._turns.lock:  # the thread for silent sources may be at it
                if learner.counters.position != self._saved_at:
                    self._save(learner)
        except OutputError as error:
            log.error("%s; learning goes on, the last good checkpoint is kept", error)  # no traceback

    def on_signal(self, learner: "Learner") -> None:
        """Save now, too."""
        self.on_pause(learner)

    def on_end(self, learner: "Learner") -> None:
        """Save, if anything was learned, again: what other callbacks did at the end is new."""
        if self._saves is not None and self._saves is not learner:  # which was refused
            return
        try:
            self._end_watch()
            if self._saved_at is not None and learner.counters.position != self._began_at and learner.is_whole:
                self._save(learner)
        except OutputError as error:
            if learner.counters.position != self._saved_at:
                raise
            log.error("%s; what was learned stands there, but not what callbacks did at the end", error)
        finally:
            self._saves = self._saved_at = None
            self.release()

    def release(self) -> None:
        """Let others write to the path again."""
        if self._lock is not None:
            lock, claimed = self._lock
            locked = Path(lock.lock_file)
            with suppress(OSError):  # another system may not let a file go that is open
                if os.path.samestat(locked.stat(), claimed):  # not another run's, in a new folder of that name
                    locked.unlink()
            lock.release()
            self._lock = None

    def _while_silent(self, learner: "Learner", seconds: float, ended: threading.Event) -> None:
        """Save where the run waits for its next sample: it asks what is due only once that has come."""
        while not ended.wait(seconds):
            with suppress(HebbstreamError), learner._between_samples("save"):  # else it is learning, and asks by itself
                self.on_pause(learner)

    def _end_watch(self) -> None:
        if self._watch is not None:
            thread, ended = self._watch
            ended.set()
            thread.join()
            self._watch = None

    def _save(self, learner: "Learner") -> None:
        position = learner.counters.position
        if position != self._saved_at:
            self._make_room()
        learner.save(self._file)
        self._saved_at, self._written = position, _known_by(self._file)
        log.debug("%s: written after %d samples", self.path, position)

    def _make_room(self) -> None:
        good = self._written is not None and self._written == _known_by(self._file)  # nobody has touched it
        keep_generations(self._file, self.kept, good=good)

    @property
    def _file(self) -> Path:
        """The path as it was given, for messages, unless the working folder has changed."""
        with suppress(OSError):  # it may be gone
            if self.path.absolute() == self._absolute:
                return self.path
        return self._absolute

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_lock": None, "_saves": None, "_watch": None}  # a copy holds none

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r})"


def _known_by(path: Path) -> tuple[int, ...] | None:
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
    return None
