"""Several generations of a checkpoint: the newest under its own name, earlier ones with ``.1``, ``.2`` … appended."""

import logging
import os
import shutil
from itertools import count, takewhile
from pathlib import Path

import torch

from hebbstream.errors import CorruptCheckpointError, OutputError
from hebbstream.learning._checkpoint import Checkpoint, load_checkpoint

log = logging.getLogger("hebbstream.checkpoint")


def generation(path: str | Path, number: int) -> Path:
    """Return the path of a checkpoint's `number`-th last generation; 0 is the newest.

    Examples
    --------
    >>> generation("run.safetensors", 1).name
    'run.safetensors.1'
    """
    path = Path(path)
    return path.with_name(f"{path.name}.{number}") if number else path


def earlier_generations(path: str | Path) -> list[Path]:
    """Return the earlier generations that there are, the latest first."""
    return list(takewhile(Path.is_file, (generation(path, number) for number in count(1))))


def keep_generations(path: str | Path, kept: int) -> None:
    """Make room for a new checkpoint at `path`, so that with it there are `kept` generations.

    The present one stays where it is, too, until the new one takes its place: at no moment is there none.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    path = Path(path)
    if kept < 2 or not path.is_file():
        return
    try:
        for number in range(kept - 2, 0, -1):
            if (older := generation(path, number)).is_file():
                older.replace(generation(path, number + 1))
        second = generation(path, 1)
        second.unlink(missing_ok=True)
        try:
            os.link(path, second)
        except OSError:  # a file system without links
            shutil.copy2(path, second)
    except OSError as error:
        raise OutputError(f"cannot keep {path}: {error.strerror or error}") from error


def load_latest_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Read the newest generation of a checkpoint that is good; a warning tells of each that is damaged.

    Raises
    ------
    CheckpointNotFoundError
        If there is none.
    CorruptCheckpointError
        If all are damaged.
    CheckpointVersionError
        If the newest good one has a format that this version does not read.

    Examples
    --------
    >>> import tempfile
    >>> from hebbstream import Counters, SoftHebbNet, save_checkpoint
    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> for position in (100, 200):
    ...     keep_generations(path, kept=2)
    ...     save_checkpoint(path, SoftHebbNet.from_preset("cifar10", width=4), counters=Counters(position))
    >>> _ = path.write_bytes(path.read_bytes()[:-1])
    >>> load_latest_checkpoint(path).counters.position
    100
    """
    candidates = [path for path in (Path(path),) if path.is_file()] + earlier_generations(path)
    damage: CorruptCheckpointError | None = None
    for candidate in candidates:
        try:
            return load_checkpoint(candidate, device)
        except CorruptCheckpointError as error:
            log.warning("%s; trying an earlier one", error)
            damage = damage or error
    if damage is not None:
        raise damage
    return load_checkpoint(path, device)  # says that there is none
