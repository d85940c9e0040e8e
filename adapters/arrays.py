"""Samples from NumPy arrays, and from files that hold them: ``.npy``, ``.npz`` and IDX, the format of MNIST."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream._files import expanded_path
from hebbstream.adapters._array_files import read_array
from hebbstream.adapters._common import plain_label
from hebbstream.adapters._known import files_fingerprint
from hebbstream.errors import DtypeError, LabelError, RankError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream

__all__ = ["open_arrays", "samples_from_arrays"]

_Array = np.ndarray[Any, Any]


def samples_from_arrays(
    images: _Array, labels: _Array | Sequence[Any] | None = None, *, source: str | None = None
) -> Stream[Sample]:
    """Return the samples of an array along its first axis.

    Parameters
    ----------
    images
        Shape (N, ...); each ``images[i]`` is a sample, a view without a copy.
    labels
        N labels in the order of the images: an array of shape (N,) or (N, 1), a column of a data frame, or a sequence;
        ``None`` for no labels. Where one is missing (NaN, masked) there is none.
    source
        `Sample.source` of them all.

    Raises
    ------
    DtypeError, RankError
        If `images` is not an array, or has no axis.
    LabelError
        If `labels` are of another kind, or there is not exactly one for each image.

    Examples
    --------
    >>> list(samples_from_arrays(np.zeros((2, 28, 28), np.uint8), [7, 1]))
    [Sample(x=uint8 (28, 28), y=7), Sample(x=uint8 (28, 28), y=1)]
    """
    return _samples(images, labels, source)


def open_arrays(
    path: str | Path, label_path: str | Path | None = None, *, image: str | None = None, label: str | None = None
) -> Stream[Sample]:
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
    StreamError
        If it cannot be read, or declares more than memory has left.
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
    path = expanded_path(path)
    labels = None if label_path is None and label is None else read_array(label_path or path, label)
    images = read_array(path, image)
    known_by = files_fingerprint([path], f"array {image}")
    return _samples(images, labels, path.name, f"open_arrays({path.name!r})", known_by)


def _samples(
    images: _Array,
    labels: _Array | Sequence[Any] | None,
    source: str | None,
    name: str | None = None,
    known_by: str | None = None,
) -> Stream[Sample]:
    if not isinstance(images, np.ndarray):
        raise DtypeError(f"images of type {type(images).__name__}: expected a numpy array of shape (N, ...)")
    if not images.ndim:
        raise RankError("images of shape (): expected (N, ...)")
    count = len(images)
    found = None if labels is None else _by_position(labels, count)
    samples = (Sample(images[i], None if found is None else plain_label(found[i]), None, source) for i in range(count))
    name = f"samples_from_arrays({images.dtype} {images.shape})" if name is None else name
    return Stream(samples, name=name, length=count, known_by=known_by)


def _by_position(labels: Any, count: int) -> Any:
    """Return `count` labels that are found by their place; those of a pandas column are found by its index."""
    if hasattr(labels, "iloc"):
        labels = labels.to_numpy(dtype=object)  # a column with missing numbers would become one of floats
    elif hasattr(labels, "__array__") and not isinstance(labels, np.ndarray | Tensor):
        labels = np.asarray(labels)
    if isinstance(labels, Mapping) or not (hasattr(labels, "__len__") and hasattr(labels, "__getitem__")):
        raise LabelError(f"labels of type {type(labels).__name__}: expected an array or a sequence")
    shape = tuple(labels.shape) if isinstance(labels, np.ndarray | Tensor) else (len(labels),)
    if shape[:1] != (count,) or math.prod(shape) != count:
        raise LabelError(f"labels of shape {shape} for {count} images: expected ({count},)")
    return labels.ravel().tolist() if isinstance(labels, np.ma.MaskedArray) else labels  # with None where masked
