"""Several generations of a checkpoint: the newest under its own name, earlier ones with ``.1``, ``.2`` … appended."""

import filecmp
import os
import shutil
from itertools import count, takewhile
from pathlib import Path

from hebbstream._container import read_state
from hebbstream._files import atomic_write, expanded_path
from hebbstream.errors import CheckpointVersionError, CorruptCheckpointError, OutputError


def generation(path: str | Path, number: int) -> Path:
    """Return the path of a checkpoint's `number`-th last generation; 0 is the newest.

    Examples
    --------
    >>> generation("run.safetensors", 1).name
    'run.safetensors.1'
    """
    path = expanded_path(path)
    return path.parent / f"{path.name}.{number}" if number else path


def generations(path: str | Path) -> list[Path]:
    """Return the generations that there are, the latest first; the newest may be missing."""
    there = os.path.isfile  # a name that no file can have is of none; `Path.is_file` raises
    earlier = takewhile(there, (generation(path, number) for number in count(1)))
    return [newest for newest in (generation(path, 0),) if there(newest)] + list(earlier)


def keep_generations(path: str | Path, kept: int, *, good: bool = False) -> None:
    """Make room for a new checkpoint at `path`, so that with it there are `kept` generations.

    The present one stays where it is, too, until the new one takes its place: at no moment is there none. Where a new one
    never did, because it could not be written, there is room already. A damaged one makes way, not the good ones before it:
    it is read to find out, unless the caller knows that it is `good`.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    path, second = generation(path, 0), generation(path, 1)
    try:
        if kept < 2 or not path.is_file():
            return
        if second.is_file() and (filecmp.cmp(path, second, shallow=False) or not (good or _is_good(path))):
            return
        for number in range(min(kept - 2, len(generations(path))), 0, -1):
            if (older := generation(path, number)).is_file():
                older.replace(generation(path, number + 1))
        second.unlink(missing_ok=True)
        _name_also(path, second)
    except OSError as error:
        raise OutputError(f"cannot keep {path}: {error.strerror or error}") from error


def set_aside(path: str | Path) -> Path | None:
    """Give all generations of `path` names of their own, for another run to write there; return the newest one's.

    The newest keeps its old name, too, until something takes its place: at no moment is there none.

    Returns
    -------
    Path or None
        ``run-1.safetensors`` for ``run.safetensors``, or with the next free number; ``None`` if there are none.

    Raises
    ------
    OutputError
        If the folder cannot be written to.
    """
    path = generation(path, 0)
    found = generations(path)
    if not found:
        return None
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(1))
    aside = next(name for name in names if not generations(name))
    try:
        for file in found:
            if file == path:
                _name_also(path, aside)
            else:
                file.rename(aside.with_name(aside.name + file.name.removeprefix(path.name)))
    except OSError as error:
        raise OutputError(f"cannot move {path} to {aside}: {error.strerror or error}") from error
    return aside


def _is_good(path: Path) -> bool:
    try:
        read_state(path)
    except CheckpointVersionError:  # another release can read it
        return True
    except CorruptCheckpointError:
        return False
    return True


def _name_also(path: Path, other: Path) -> None:
    try:
        os.link(path.resolve(), other)  # of a link, the file that it names: the next one takes that file's place
    except OSError:  # a file system without links
        with atomic_write(other) as temporary:
            shutil.copyfile(path, temporary)  # not `copy2`: where there are no links, times may be refused, too
