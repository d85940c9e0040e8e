"""`Checkpoint`: saves a learner while it learns."""

import logging
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from hebbstream._files import check_writable
from hebbstream.errors import ConfigurationError, OutputError
from hebbstream.learning._callback import Callback, check_period
from hebbstream.learning._generations import keep_generations
from hebbstream.learning._running import Running
from hebbstream.probe._solvers import as_online_probe

log = logging.getLogger("hebbstream.checkpoint")


class Checkpoint(Callback):
    """Saves the learner: after a number of samples or seconds, at SIGUSR1, and at the end, however the run ends.

    If a checkpoint cannot be written, as on a full disk, the log says so, learning goes on, and the last good one is kept.
    It is tried again when the next is due. While a run writes to a path, no other can. A checkpoint keeps the state of the
    callbacks before it, so put it last.

    Parameters
    ----------
    path
        The file; `Learner.load` reads it.
    every_samples
        Samples between two; ``None`` for no such limit.
    every_seconds
        Most seconds between two; ``None`` counts samples only.
    kept
        Generations to keep, the newest included: the one before is ``path.1``, and so on.

    Raises
    ------
    ConfigurationError
        If a number cannot work.

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
        if kept < 1:
            raise ConfigurationError(f"kept={kept}: expected a positive number")
        check_period("every_samples", every_samples, "a positive number of samples")
        check_period("every_seconds", every_seconds, "a positive number of seconds")
        self.path = Path(path).expanduser()
        self.every_samples, self.every_seconds, self.kept = every_samples, every_seconds, kept
        self._lock = FileLock(self.path.parent / f".{self.path.name}.lock", timeout=0)
        self._saved_at: int | None = None

    def claim(self) -> None:
        """Keep other processes from writing to the path, until the end of the run or `release`.

        Raises
        ------
        OutputError
            If another run writes to it, or it cannot be written.
        """
        if self._lock.is_locked:
            return
        check_writable(self.path)
        try:
            self._lock.acquire()
        except Timeout:
            raise OutputError(f"cannot write {self.path}: another run is writing to it") from None
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from error

    def on_start(self, learner: Running) -> None:
        """Find out, before the first sample, whether the learner can be saved there."""
        as_online_probe(learner.probe, "checkpoint")
        self.claim()
        self._saved_at = learner.counters.position

    def on_pause(self, learner: Running) -> None:
        """Save, if it can be."""
        try:
            self._save(learner)
        except OutputError as error:
            log.error("%s; learning goes on, the last good checkpoint is kept", error)  # no traceback

    def on_signal(self, learner: Running) -> None:
        """Save now, too."""
        self.on_pause(learner)

    def on_end(self, learner: Running) -> None:
        """Save what is new."""
        try:
            if self._saved_at is not None and learner.is_whole:
                self._save(learner)
        finally:
            self._saved_at = None
            self.release()

    def release(self) -> None:
        """Let others write to the path again."""
        if self._lock.is_locked:
            with suppress(OSError):  # another system may not let a file go that is open
                Path(self._lock.lock_file).unlink()
            self._lock.release()

    def _save(self, learner: Running) -> None:
        position = learner.counters.position
        if position != self._saved_at:
            self._make_room()
            learner.save(self.path)
            self._saved_at = position
            log.debug("%s: written after %d samples", self.path, position)

    def _make_room(self) -> None:
        keep_generations(self.path, self.kept)

    def __repr__(self) -> str:
        return f"Checkpoint({str(self.path)!r})"
