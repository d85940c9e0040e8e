"""Files that hold one array or several: ``.npy``, ``.npz`` and IDX, the format of MNIST."""

import gzip
import math
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hebbstream._files import expanded_path
from hebbstream._quote import first_line, printable
from hebbstream.adapters._images import SUFFIXES, suffix
from hebbstream.errors import ConfigurationError, DamagedFileError, SourceNotFoundError, StreamError

Array = np.ndarray[Any, Any]

_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20
_SHOWN = 8  # names that a message quotes
_MEMORY = Path("/proc/meminfo")
_MOST = Path("/sys/fs/cgroup/memory.max")  # of a container


def read_array(path: str | Path, name: str | None = None) -> Array:
    """Read an array from a ``.npy``, ``.npz`` or IDX file; `name` chooses one from an ``.npz`` file.

    ``.npy`` files are memory-mapped, read-only. Nothing is ever unpickled.

    Raises
    ------
    SourceNotFoundError, DamagedFileError, StreamError, ConfigurationError
        As for `hebbstream.adapters.arrays.open_arrays`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ramp.npy"
    >>> np.save(path, np.arange(3))
    >>> read_array(path).tolist()
    [0, 1, 2]
    """
    path = expanded_path(path)
    with _open(path) as file:
        magic = file.read(6)
    archive = magic.startswith(b"PK")
    if name is not None and not archive:
        raise ConfigurationError(f"{path}: it holds one array without a name, not {name!r}")
    if not archive and magic != b"\x93NUMPY":
        return read_idx(path)
    try:
        if not archive:
            mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
            return mapped
        with np.load(path, allow_pickle=False) as arrays:
            names = arrays.files
            if name in names or (name is None and len(names) == 1):
                wanted = names[0] if name is None else name
                # NumPy reads no more than the archive declares, and names a member without its suffix.
                members = {member.filename: member.file_size for member in arrays.zip.infolist()}
                _check_room(path, members[wanted if wanted in members else f"{wanted}.npy"])
                chosen: Array = arrays[wanted]
                return chosen
    except StreamError:
        raise
    except Exception as error:  # NumPy's readers raise many kinds on damage
        raise DamagedFileError(
            f"{path}: not a NumPy file that can be read without pickle ({first_line(error)})"
        ) from error
    if not names:
        raise ConfigurationError(f"{path}: it is empty: expected an array")
    if any(suffix(name) in SUFFIXES for name in names):
        raise ConfigurationError(f"{path}: an archive of pictures: expected a folder of them: unpack it first")
    found = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    if name is None:
        raise ConfigurationError(
            f"{path}: it holds {found}: expected the names to read, as image and label, or --arrays IMAGES,LABELS"
        )
    raise ConfigurationError(f"{path}: no array {name!r}: expected one of {found}")


def read_idx(path: str | Path) -> Array:
    """Read an IDX file, gzip-compressed or not, as published for MNIST (http://yann.lecun.com/exdb/mnist).

    Returns
    -------
    Array
        Of the shape and type that its header declares, in native byte order.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    DamagedFileError
        If the file does not begin as IDX, or holds fewer or more bytes than its header declares.
    StreamError
        If it cannot be read, or declares more than memory has left.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.idx1"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 1]))
    >>> read_idx(path)
    array([7, 1], dtype=uint8)
    """
    path = expanded_path(path)
    with _open(path) as file:
        compressed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            return _parse_idx(path, gzip.GzipFile(fileobj=file) if compressed else file)
        except (OSError, EOFError, zlib.error) as error:
            raise DamagedFileError(f"{path}: damaged or cut ({first_line(error)})") from error


def _parse_idx(path: Path, file: BinaryIO | gzip.GzipFile) -> Array:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_DTYPES or not magic[3]:
        raise DamagedFileError(f"{path}: begins with {magic.hex(' ') or 'nothing'}: expected an IDX, .npy or .npz file")
    header = file.read(4 * magic[3])
    if len(header) < 4 * magic[3]:
        raise DamagedFileError(f"{path}: cut within its header of {magic[3]} dimensions")
    shape = tuple(np.frombuffer(header, ">u4").tolist())
    dtype = np.dtype(_IDX_DTYPES[magic[2]])
    expected, content = math.prod(shape) * dtype.itemsize, bytearray()
    _check_room(path, expected)
    # In pieces: a damaged header may declare more than the memory holds.
    while len(content) <= expected and (chunk := file.read(_CHUNK)):
        content += chunk
    if len(content) != expected:
        found = f"more than {expected}" if len(content) > expected else f"{len(content)}"
        raise DamagedFileError(f"{path}: it holds {found} bytes: its header {shape} of {dtype} declares {expected}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _check_room(path: Path, size: int) -> None:
    """Refuse what memory will not hold: some compressed kilobytes may stand for gigabytes."""
    with suppress(OSError, KeyError, ValueError):  # of other systems, that is not known
        fields = dict(line.split(":") for line in _MEMORY.read_text().splitlines())
        room = sum(1024 * int(fields[name].removesuffix("kB")) for name in ("MemAvailable", "SwapFree"))
        with suppress(OSError, ValueError):  # "max" is none
            room = min(room, int(_MOST.read_text()))
        if size > room:
            raise StreamError(
                f"{path}: it declares {size:,} bytes: expected at most {room:,}, which memory has room for"
            )


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except (FileNotFoundError, ValueError):  # the latter of a name with a NUL
        raise SourceNotFoundError(f"no file at {printable(path)}") from None
    except OSError as error:
        raise StreamError(f"cannot read {path}: {error.strerror or error}") from None
