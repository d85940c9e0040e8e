"""Writing files so that a reader never sees half of one."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hebbstream.errors import OutputError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving, flush what was written there to disk and rename it.

    If anything fails the temporary file is removed and whatever stood at `path` is untouched.

    Raises
    ------
    OutputError
        If the folder cannot be made or the file cannot be written there.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with atomic_write(target) as temporary:
    ...     _ = temporary.write_text("kept")
    >>> target.read_text()
    'kept'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        _reserve(path, temporary)
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_writable(path: str | Path) -> None:
    """Find out now, not after hours of learning, whether `atomic_write` could write to `path`.

    Raises
    ------
    OutputError
        If it could not.

    Examples
    --------
    >>> check_writable("/dev/null/run.safetensors")
    Traceback (most recent call last):
    ...
    hebbstream.errors.OutputError: cannot write /dev/null/run.safetensors: ...
    """
    path = Path(path)
    trial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.trial")
    try:
        _reserve(path, trial)
        trial.unlink()
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _reserve(path: Path, temporary: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.touch(exist_ok=False)


def _flush(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # Windows cannot open a folder
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
