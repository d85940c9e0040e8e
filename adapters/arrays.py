"""Samples from NumPy arrays, and from files that hold them: ``.npy``, ``.npz`` and IDX, the format of MNIST."""

import gzip
import math
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hebbstream.adapters._stream import SampleStream, first_line, plain_label
from hebbstream.errors import (
    ConfigurationError,
    DamagedFileError,
    DtypeError,
    LabelError,
    RankError,
    SourceNotFoundError,
    StreamError,
)
from hebbstream.streams._sample import Sample

Array = np.ndarray[Any, Any]

_IDX_DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_CHUNK = 1 << 20


def samples_from_arrays(
    images: Array, labels: Array | Sequence[Any] | None = None, *, source: str | None = None
) -> SampleStream:
    """Return the samples of an array along its first axis.

    Parameters
    ----------
    images
        Shape (N, ...); each ``images[i]`` is a sample, a view without a copy.
    labels
        N labels, an array of shape (N,) or (N, 1) or a sequence; ``None`` for no labels.
    source
        `Sample.source` of them all.

    Raises
    ------
    DtypeError, RankError
        If `images` is not an array, or has no axis.
    LabelError
        If there is not exactly one label for each image.

    Examples
    --------
    >>> list(samples_from_arrays(np.zeros((2, 28, 28), np.uint8), [7, 1]))
    [Sample(x=uint8 (28, 28), y=7), Sample(x=uint8 (28, 28), y=1)]
    """
    if not isinstance(images, np.ndarray):
        raise DtypeError(f"images of type {type(images).__name__}: expected a numpy array of shape (N, ...)")
    if not images.ndim:
        raise RankError("images of shape (): expected (N, ...)")
    count = len(images)
    if labels is not None:
        shape = np.shape(labels) if isinstance(labels, np.ndarray) else (len(labels),)
        if shape[:1] != (count,) or math.prod(shape) != count:
            raise LabelError(f"labels of shape {shape} for {count} images: expected ({count},)")
    samples = (
        Sample(images[i], None if labels is None else plain_label(labels[i]), None, source) for i in range(count)
    )
    return SampleStream(samples, count)


def open_arrays(
    path: str | Path, label_path: str | Path | None = None, *, image: str | None = None, label: str | None = None
) -> SampleStream:
    """Open a file of images, and of labels, as a stream of samples.

    Parameters
    ----------
    path
        ``.npy`` (memory-mapped), ``.npz``, or IDX, gzip-compressed or not; told apart by their first bytes.
    label_path
        A file of N labels, likewise; ``None`` for no labels, or where `label` names an array in `path`.
    image, label
        Names of the arrays in an ``.npz`` file; needless for the images where it holds one array.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    DamagedFileError
        If a file is cut, too long, damaged, of another format, or holds pickled objects.
    ConfigurationError
        If an ``.npz`` file holds no array of that name.
    RankError, LabelError
        As for `samples_from_arrays`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "digits.npz"
    >>> np.savez(path, x_train=np.zeros((2, 28, 28), np.uint8), y_train=[7, 1])
    >>> next(open_arrays(path, image="x_train", label="y_train"))
    Sample(x=uint8 (28, 28), y=7, source='digits.npz')
    """
    labels = None if label_path is None and label is None else read_array(label_path or path, label)
    return samples_from_arrays(read_array(path, image), labels, source=Path(path).name)


def read_array(path: str | Path, name: str | None = None) -> Array:
    """Read an array from a ``.npy``, ``.npz`` or IDX file; `name` chooses one from an ``.npz`` file.

    ``.npy`` files are memory-mapped, read-only. Nothing is ever unpickled.

    Raises
    ------
    SourceNotFoundError, DamagedFileError, ConfigurationError
        As for `open_arrays`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ramp.npy"
    >>> np.save(path, np.arange(3))
    >>> read_array(path).tolist()
    [0, 1, 2]
    """
    path = Path(path)
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
                chosen: Array = arrays[names[0] if name is None else name]
                return chosen
    except Exception as error:  # NumPy's readers raise many kinds on damage
        raise DamagedFileError(
            f"{path}: not a NumPy file that can be read without pickle ({first_line(error)})"
        ) from error
    raise ConfigurationError(f"{path}: no array {name!r}: expected one of {', '.join(names) or 'none: it is empty'}")


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

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.idx1"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 1]))
    >>> read_idx(path)
    array([7, 1], dtype=uint8)
    """
    path = Path(path)
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
    # In pieces: a damaged header may declare more than the memory holds.
    while len(content) <= expected and (chunk := file.read(_CHUNK)):
        content += chunk
    if len(content) != expected:
        found = f"more than {expected}" if len(content) > expected else f"{len(content)}"
        raise DamagedFileError(f"{path}: it holds {found} bytes: its header {shape} of {dtype} declares {expected}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise SourceNotFoundError(f"no file at {path}") from None
    except OSError as error:
        raise StreamError(f"cannot read {path}: {error.strerror or error}") from None
