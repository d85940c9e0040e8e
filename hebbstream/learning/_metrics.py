"""`Metrics`: what a run does, written down every few seconds as JSON Lines and for TensorBoard."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from hebbstream._files import output_path
from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, MissingDependencyError, OutputError
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._latency import Latency
from hebbstream.learning._report import Report

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner

log = logging.getLogger("hebbstream.metrics")
_MOVED = 1e-6  # of a neuron's norm


class Metrics(Callback):
    """Write a record every few seconds and at the end.

    A record holds: ``time`` (UTC), ``samples`` and ``seconds`` of this run (see `Report`), ``position`` (samples of earlier
    runs included), ``samples_per_second`` since the last record, ``latency_mean`` and ``latency_max`` (seconds from a live
    sample's capture until it was learned; on a card, until that was asked for), ``stream`` (its counts: frames, dropped, …), ``accuracy`` (prequential, of
    all predictions for labelled samples) and ``recent_accuracy`` (of the last 1,000), and for each layer ``r1`` (share of neurons whose
    norm has converged), ``turned`` (share of neurons turned away from their initial weights), ``still`` (share of neurons whose norm moved by less than a millionth since the last record:
    dead ones, and on a stream that shows nothing new, any) and ``norm`` (least, median and greatest; null
    where learning has diverged). What does not apply is left out.

    Parameters
    ----------
    path
        File for JSON Lines, appended to; ``None`` for none.
    tensorboard
        Folder for TensorBoard's files; ``None`` for none. Of earlier runs in it, TensorBoard shows what lies before this
        one's start: after a crash, its curves do not run back. Needs the extra ``tensorboard``.
    every_seconds
        Seconds between records; 0 writes one after each sample.

    Raises
    ------
    ConfigurationError
        If there is nowhere to write, or `every_seconds` is negative.
    MissingDependencyError
        If TensorBoard is asked for and not installed.
    OutputError
        If the file or the folder cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> import torch
    >>> from hebbstream import SoftHebbNet, learn
    >>> path = Path(tempfile.mkdtemp()) / "metrics.jsonl"
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = learn(net, torch.rand(20, 3, 32, 32), callbacks=[Metrics(path)], progress=False)
    >>> record = json.loads(path.read_text().splitlines()[-1])
    >>> record["samples"], len(record["r1"])
    (20, 3)
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        tensorboard: str | Path | None = None,
        every_seconds: float = 10.0,
    ) -> None:
        if path is None and tensorboard is None:
            raise ConfigurationError("Metrics(): expected a path, a folder for TensorBoard, or both")
        if not quantity(every_seconds) >= 0:
            raise ConfigurationError(f"every_seconds={quote(every_seconds)}: expected 0 or a positive number")
        self.path = None if path is None else output_path(path)
        self.every_seconds = every_seconds
        self._folder = None if tensorboard is None else output_path(tensorboard)
        self._board: Any = None
        if self._folder is not None:
            _check_board(self._folder)
        if self.path is not None:
            # Now, not after hours, is the time to find out.
            self._append("\n" if _ends_within_a_line(self.path) else "")

    def on_start(self, learner: "Learner") -> None:
        """Begin a run."""
        self._samples, self._seconds = 0, 0.0  # of the run, at the last record
        self._latency = Latency(told=True)  # by the run
        self._norms = [layer.norms() for layer in learner.net.layers]
        if self._folder is not None:
            self._board = _summary_writer(self._folder, learner.counters.position + 1)

    def on_step(self, learner: "Learner", step: Step) -> None:
        """Take in a sample."""
        self._latency.take(step.sample, learner.clock())

    def on_pause(self, learner: "Learner") -> None:
        """Write a record."""
        report = learner.report
        assert report is not None  # noqa: S101  # there is a run
        if report.samples > self._samples:
            self._write(learner, report)

    def on_end(self, learner: "Learner") -> None:
        """Write the last record."""
        self.on_pause(learner)
        if self._board is not None:
            try:
                self._board.close()
            except OSError as error:
                self._give_up_board(error)

    def __repr__(self) -> str:
        path = [] if self.path is None else [repr(str(self.path))]
        board = [] if self._folder is None else [f"tensorboard={str(self._folder)!r}"]
        return f"Metrics({', '.join(path + board)})"

    def _write(self, learner: "Learner", report: Report) -> None:
        record = self._record(learner, report)
        self._samples, self._seconds, self._latency = report.samples, report.seconds, Latency(told=True)
        if self.path is not None:
            try:
                self._append(json.dumps(record) + "\n")
            except OutputError as error:
                log.error("%s; learning goes on", error)  # no traceback
        if self._board is not None:
            try:
                for name, value in _scalars(record):
                    self._board.add_scalar(name, value, learner.counters.position)
            except OSError as error:  # its writer's last word: all that follows fails, too
                self._give_up_board(error)

    def _give_up_board(self, error: OSError) -> None:
        assert self._folder is not None  # noqa: S101  # there was a board
        log.error("%s; learning goes on, TensorBoard gets no more of this run", _cannot_write(self._folder, error))
        self._board = None

    def _record(self, learner: "Learner", report: Report) -> dict[str, Any]:
        norms = [layer.norms() for layer in learner.net.layers]
        seconds = max(report.seconds - self._seconds, 1e-9)  # a clock may be coarse
        record: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": round(report.seconds, 3),
            "position": learner.counters.position,
            "samples": report.samples,
            "samples_per_second": round((report.samples - self._samples) / seconds, 3),
        }
        if self._latency.count:
            record["latency_mean"] = round(self._latency.mean, 4)
            record["latency_max"] = round(self._latency.greatest, 4)
        if any(report.stream_counts.values()):
            record["stream"] = report.stream_counts
        if report.accuracy is not None:
            record["accuracy"] = round(report.accuracy, 4)
        if report.recent_accuracy is not None:
            record["recent_accuracy"] = round(report.recent_accuracy, 4)
        record["r1"] = [round(fraction, 4) for fraction in report.r1_fraction]
        record["turned"] = [round(fraction, 4) for fraction in report.turned]
        record["still"] = [_still(old, new) for old, new in zip(self._norms, norms, strict=True)]
        record["norm"] = [[_finite(x) for x in (n.min(), n.median(), n.max())] for n in norms]
        self._norms = norms
        return record

    def _append(self, text: str) -> None:
        assert self.path is not None  # noqa: S101  # the callers look
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                _write_whole(file, text.encode())
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _ends_within_a_line(path: Path) -> bool:
    """Whether what wrote the last line of a file was killed as it did."""
    if os.path.isfile(path):  # noqa: PTH113  # `Path.is_file` raises for a name that is too long
        with suppress(OSError), path.open("rb") as file:
            file.seek(-1, os.SEEK_END)  # of an empty one, an error
            return file.read(1) != b"\n"
    return False


def _write_whole(file: FileIO, data: bytes) -> None:
    """Append to a file, or leave it as it was: on a full disk, half a line would be joined by the next."""
    size = os.fstat(file.fileno()).st_size
    try:
        while data:
            data = data[file.write(data) :]
    except OSError:
        with suppress(OSError):  # a pipe
            file.truncate(size)
        raise


def _still(old: Tensor, new: Tensor) -> float:
    return round(float(((new - old).abs() <= _MOVED * old).float().mean()), 4)


def _finite(value: Tensor) -> float | None:
    """Return a number that JSON knows; ``None`` of a network that has diverged."""
    return round(float(value), 4) if value.isfinite() else None


def _scalars(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield what TensorBoard plots: ``"r1/layer 1"``, ``"stream/dropped"`` and so on."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{key}", number) for key, number in value.items())
        elif isinstance(value, list):
            for layer, number in enumerate(value, start=1):
                if isinstance(number, list):
                    for key, part in zip(("least", "median", "greatest"), number, strict=True):
                        if part is not None:
                            yield f"{name}/layer {layer} {key}", part
                else:
                    yield f"{name}/layer {layer}", number
        elif name not in ("time", "seconds", "position"):
            yield name, value


def _check_board(folder: Path) -> None:
    """Find out now what would fail at the start of the run, whose position its writer needs."""
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise MissingDependencyError('TensorBoard is not installed: pip install "hebbstream[tensorboard]"') from None
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _summary_writer(folder: Path, purge_step: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    try:
        return SummaryWriter(str(folder), purge_step=purge_step)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"cannot write {path}: {error.strerror or error}")
