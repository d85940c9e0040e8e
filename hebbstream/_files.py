"""Writing files so that a reader never sees half of one."""

import errno
import glob
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, OutputError

if sys.platform != "win32":
    import fcntl

_TRIES, _PAUSE = 20, 0.05  # seconds: to replace a file that others read again and again


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on leaving, flush what was written there to disk and rename it.

    If anything fails the temporary file is removed and whatever stood at `path` is untouched. A link stays a link: the
    file that it names is replaced. A new file has the permissions that the umask leaves. ``~`` is the home folder.

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
    with _reserved(path, "part") as (target, temporary):
        mode = temporary.stat().st_mode
        yield temporary
        with suppress(OSError):  # a share, or another's disk, may refuse even the same
            temporary.chmod(mode)  # some writers put a file of their own there
        _flush(temporary)
        _replace(temporary, target)
        with suppress(OSError):  # a folder that may be written to, but not be read
            _flush(target.parent)


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
    with _reserved(path, "trial"):
        pass


def expand_home(path: str | os.PathLike[str]) -> str:
    """Return a path where ``~`` is the home folder; one of an unknown user, or a file such as ``~draft``, stays as it is."""
    with suppress(ValueError):  # characters that no user's name has
        return os.path.expanduser(path)  # noqa: PTH111  # `Path.expanduser` raises for an unknown user
    return os.fspath(path)


def expanded_path(path: str | os.PathLike[str]) -> Path:
    """Return what `expand_home` does, as a `Path`.

    Raises
    ------
    ConfigurationError
        If it is no path.
    """
    try:
        return Path(expand_home(path))
    except TypeError:
        raise ConfigurationError(f"path {quote(path)}: expected the path of a file, a str or a Path") from None


def output_path(path: str | Path) -> Path:
    """Return `expanded_path` of a name that a file can have, and that all libraries can write and read.

    Raises
    ------
    OutputError
        If no file can have it.
    """
    named = expanded_path(path)
    try:
        str(named).encode()
    except UnicodeEncodeError as error:  # bytes that are no text
        raise OutputError(
            f"cannot write {str(path)!r}: expected a name in UTF-8; where the locale is another, set PYTHONUTF8=1"
        ) from error
    if "\0" in str(named):
        raise OutputError(f"cannot write {str(path)!r}: no name holds a NUL")
    home = named.parts[0] if named.parts[1:] else ""
    if home.startswith("~") and not os.path.isdir(home):  # noqa: PTH112  # `Path.is_dir` raises for a name that is too long
        raise OutputError(f"cannot write {str(path)!r}: no home folder for {home}")
    return named


def remove_leftovers(path: Path) -> None:
    """Remove what an `atomic_write` to `path` left behind because the process was killed, and nothing that one is writing."""
    path = Path(os.path.realpath(path))  # `Path.resolve` raises where links go in a circle
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.????????.part"):
        with suppress(OSError, NotImplementedError), _locked(leftover):
            leftover.unlink()


@contextmanager
def _reserved(path: str | Path, ending: str) -> Iterator[tuple[Path, Path]]:
    """Make an empty file beside the one that `path` names, give the paths of both, and remove it if it is still there."""
    path, temporary = output_path(path), None
    try:
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        if target.exists() and not target.is_file():
            raise FileExistsError(errno.EEXIST, "it is a device or a pipe, which a file would replace")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.{ending}")
        temporary.touch(exist_ok=False)
        with ExitStack() as held:
            with suppress(OSError, NotImplementedError):  # a share that knows no locks
                held.enter_context(_locked(temporary))
            yield target, temporary
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()


def _replace(temporary: Path, target: Path) -> None:
    """Rename; Windows refuses while somebody has one of the two open, be it a reader or a virus scanner: try again."""
    for _ in range(_TRIES):
        with suppress(PermissionError):
            temporary.replace(target)
            return
        time.sleep(_PAUSE)
    temporary.replace(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Empty a file and hold it, or raise an `OSError` where another process does; Windows itself removes none that is open."""
    if sys.platform == "win32":
        yield
        return
    with path.open("r+b") as file:  # a share by NFS locks only what is open for writing
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # A share by SMB lets what is locked be written through this handle alone, so nobody could: an error says so.
        path.write_bytes(b"?")
        path.write_bytes(b"")
        yield


def _flush(path: Path) -> None:
    if os.name != "posix" and path.is_dir():
        return  # Windows cannot open a folder
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
