"""`Keeper`: the run's folder, in which everything is that is to last."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import hebbstream as hs
from hebbstream._container import State, read_state, write_state
from hebbstream.errors import ConfigurationError, OutputError
from hebbstream.learning._generations import keep_generations
from hebbstream.studio._examples import Examples
from hebbstream.studio._store import Store

_CHECKPOINT_SECONDS = 30.0
_STORE_SECONDS = 0.5
_RETRY_SECONDS = 5.0


class Keeper:
    """Saves the learner every half minute, and what was taught every half second; no other run can write meanwhile.

    Parameters
    ----------
    folder
        Is made where it is not there.

    Raises
    ------
    OutputError
        If the folder cannot be written to, or another run does.
    DamagedFileError
        If the file of examples is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "run.safetensors"
        self._base = folder / "base.safetensors"
        self._troubles: dict[str, str] = {}
        self.saved_at: float | None = None
        self._claim = hs.Checkpoint(self.checkpoint)
        self._claim.claim()
        self.store = Store(folder / "examples.sqlite")
        self._examples: Examples | None = None
        self._written: State | None = None  # base in the folder
        self._state: tuple[int, int] | None = None
        self._due = [time.monotonic() + _CHECKPOINT_SECONDS, 0.0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._attempt("examples", self._write_and_close)
        finally:
            self._claim.release()
        if error is None and self.trouble:  # nobody looks at the page any more
            raise OutputError(self.trouble)

    def keep(self, learner: hs.Learner, changes: int, *, now: bool = False) -> None:
        """Write what is due; what cannot be written is tried again, and `trouble` says so.

        Parameters
        ----------
        learner
            Between two samples.
        changes
            A number that grows whenever something was taught or taken back.
        now
            Whether to write all that is new.
        """
        clock = time.monotonic()
        try:
            if now or clock >= self._due[1]:
                self._due[1] = clock + _STORE_SECONDS
                self._attempt("examples", self._write_taught)
        finally:  # this may be the last time: whatever becomes of the one, the other is tried
            if now or clock >= self._due[0]:
                self._due[0] = clock + _CHECKPOINT_SECONDS
                self._attempt("checkpoint", lambda: self._save(learner, changes))

    @property
    def trouble(self) -> str:
        """Why the last attempt to write something failed; empty if none did."""
        return "; ".join(self._troubles.values())

    def base(self) -> State | None:
        """Return the state of the probe that came with a checkpoint, as it is in the folder; ``None`` for none."""
        self._written = read_state(self._base)["probe"] if self._base.exists() else None
        return self._written

    def agree(self, examples: Examples) -> None:
        """Make what is in the folder agree with the examples when it is next written: classes, labels, and base."""
        self.store.replace(examples)
        self._examples = examples

    def _write_taught(self) -> None:
        base = self._written if self._examples is None else self._examples.base
        if base is not self._written:  # a change of it makes another one
            if base is None:
                self._base.unlink(missing_ok=True)
            else:
                write_state(self._base, {"probe": base})
            self._written = base
        self.store.flush()

    def _write_and_close(self) -> None:
        try:
            self._write_taught()
        finally:
            self.store.close()

    def _attempt(self, what: str, write: Callable[[], None]) -> None:
        try:
            write()
        except (OutputError, ConfigurationError) as error:  # the latter of a network that has diverged
            self._troubles[what] = str(error)
            if what == "checkpoint":
                self._due[0] = time.monotonic() + _RETRY_SECONDS
        else:
            self._troubles.pop(what, None)

    def _save(self, learner: hs.Learner, changes: int) -> None:
        state = (learner.counters.position, changes)
        if state != self._state:
            keep_generations(self.checkpoint, 2)
            learner.save(self.checkpoint)
            self._state, self.saved_at = state, time.time()
