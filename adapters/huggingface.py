"""Samples from Hugging Face `datasets`: map-style and streaming."""

import logging
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hebbstream._quote import first_line
from hebbstream.adapters._common import plain_label
from hebbstream.adapters._picture import Fit, PictureFormat
from hebbstream.errors import ConfigurationError, DamagedFileError, DtypeError, LabelError, MissingDependencyError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

if TYPE_CHECKING:
    import datasets

__all__ = ["samples_from_huggingface"]

_log = logging.getLogger("hebbstream.adapters.huggingface")


def samples_from_huggingface(
    dataset: "datasets.Dataset | datasets.IterableDataset",
    *,
    image: str | None = None,
    label: str | None = None,
    size: int | tuple[int, int] | None = None,
    fit: Fit = "stretch",
    gray: bool = False,
) -> Stream[Sample]:
    """Return the samples of one split of a Hugging Face data set, downloaded or streaming.

    Parameters
    ----------
    dataset
        Its format and transforms are kept: what its rows hold is what arrives, but uint8 arrays stay uint8.
    image
        Column of the images: Pillow images, arrays, tensors or nested lists. ``None``: the only column of images (or
        else of 2-D or 3-D arrays) among its features.
    label
        Column of the labels. ``None``: the only column of class labels; without one there are no labels. Class labels
        become the names of their classes, and a missing one (``None`` or -1) no label.
    size, fit, gray
        See `PictureFormat`; for Pillow images only. Arrays pass as they are.

    Returns
    -------
    Stream
        Of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, where the images are Pillow's. Damaged images
        are left out: each is reported to the logger ``hebbstream.adapters.huggingface``, and ``stats.corrupt`` counts them.

    Raises
    ------
    ConfigurationError
        If `dataset` is not one split of a data set, a column is missing or cannot be told, or an option cannot work.
        While iterating, if arrays come where `size` or `gray` is given.
    DtypeError, LabelError
        While iterating, if a row's image or label is none.
    DamagedFileError
        While iterating, if an image of a streaming data set is damaged, behind which it gives no more rows.
    MissingDependencyError
        If datasets is not installed.

    Examples
    --------
    >>> import datasets
    >>> from PIL import Image
    >>> features = datasets.Features(image=datasets.Image(), label=datasets.ClassLabel(names=["cat", "dog"]))
    >>> rows = {"image": [Image.new("RGB", (40, 30))], "label": [1]}
    >>> list(samples_from_huggingface(datasets.Dataset.from_dict(rows, features=features), size=32))
    [Sample(x=uint8 (32, 32, 3), y='dog')]
    """
    try:
        import datasets
    except ImportError:
        raise MissingDependencyError("datasets is not installed: pip install 'hebbstream[huggingface]'") from None
    form = PictureFormat(size, fit, gray)
    if isinstance(dataset, dict):
        raise ConfigurationError(f"dataset holds {', '.join(map(repr, dataset))}: expected one of them, dataset[...]")
    if not isinstance(dataset, datasets.Dataset | datasets.IterableDataset):
        raise ConfigurationError(f"dataset of type {type(dataset).__name__}: expected a Dataset or IterableDataset")
    features = dict(dataset.features or {})
    image = _column(image, "image", features, (datasets.Image,), (datasets.Array2D, datasets.Array3D))
    if image is None:
        raise ConfigurationError(f"dataset with {_columns(features)}: expected image= to name the one of the images")
    label = _column(label, "label", features, (datasets.ClassLabel,))
    length = len(dataset) if isinstance(dataset, datasets.Dataset) else None
    name = f"samples_from_huggingface({type(dataset).__name__})"
    stats = StreamStats()
    return Stream(_samples(dataset, image, label, form, stats), name=name, length=length, stats=stats)


def _columns(features: dict[str, Any]) -> str:
    return f"the columns {', '.join(map(repr, features))}" if features else "unknown columns"


def _column(name: str | None, option: str, features: dict[str, Any], *kinds: tuple[type, ...]) -> str | None:
    """Return the column that is named, or the only one of the first kind that there is."""
    if name is not None:
        if features and name not in features:
            raise ConfigurationError(f"{option}={name!r}: expected one of {_columns(features)}")
        return name
    for kind in kinds:
        found = [column for column, feature in features.items() if isinstance(feature, kind)]
        if len(found) > 1:
            raise ConfigurationError(f"dataset with {_columns(features)}: expected {option}= to name one of {found}")
        if found:
            return found[0]
    return None


def _samples(
    dataset: Any, image: str, label: str | None, form: PictureFormat, stats: StreamStats
) -> Generator[Sample, None, None]:
    features = dataset.features or {}
    dtype = _leaf_dtype(features.get(image))
    names = getattr(features.get(label), "names", None)
    for number, read in _rows(dataset):
        try:
            row = read()
            missing = [column for column in (image, label) if column is not None and column not in row]
            if missing:
                raise ConfigurationError(f"row with {_columns(row)}: expected {missing[0]!r}")
            x = _array(row[image], form, dtype)
        except _undecodable() as error:
            if _of_network(error):
                raise
            stats.corrupt += 1
            _log.warning("row %d: skipped, it cannot be decoded (%s)", number, first_line(error))
            continue
        y = None if label is None else plain_label(row[label])
        yield Sample(x, y if names is None else _class(y, names))


def _rows(dataset: Any) -> Iterator[tuple[int, Callable[[], Any]]]:
    """Yield what reads each row, with its number: the data set decodes its image then."""
    import datasets

    if isinstance(dataset, datasets.Dataset):
        yield from ((number, partial(dataset.__getitem__, number)) for number in range(len(dataset)))
        return
    number = -1
    try:
        for number, row in enumerate(dataset):  # told below
            yield number, [row].pop
    except _undecodable() as error:
        if _of_network(error):
            raise
        raise DamagedFileError(
            f"row {number + 1} of the data set cannot be decoded ({first_line(error)}): a streaming one gives no more rows"
            " then; expected it without that row, or downloaded"
        ) from error


def _undecodable() -> tuple[type[Exception], ...]:
    """Return what Pillow raises for a damaged image."""
    from PIL import Image

    return OSError, SyntaxError, Image.DecompressionBombError


def _of_network(error: Exception) -> bool:
    """Whether it is no damage of an image: what lost a connection is an `OSError`, too, of whatever package asked."""
    package = type(error).__module__.partition(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or package not in ("builtins", "PIL")


def _class(y: Any, names: list[str]) -> Any:
    if not isinstance(y, int):
        return y
    if y >= len(names):
        raise LabelError(f"label {y}: expected less than {len(names)}, the number of classes")
    return names[y] if y >= 0 else None


def _array(value: Any, form: PictureFormat, dtype: str | None) -> Any:
    if hasattr(value, "getexif"):  # Pillow's
        return form.convert(value)
    if not isinstance(value, Tensor | np.ndarray | list):
        encoded = (
            ", which dataset.cast_column(…, datasets.Image()) makes of it" if isinstance(value, bytes | dict) else ""
        )
        raise DtypeError(
            f"image of type {type(value).__name__}: expected a Pillow image{encoded}, an array, a tensor or a list"
        )
    if form.size is not None or form.gray:
        raise ConfigurationError(
            f"size={form.size}, gray={form.gray}: expected Pillow images, not {type(value).__name__}s"
        )
    if isinstance(value, list):
        try:
            return np.asarray(value, dtype)
        except (ValueError, TypeError):
            raise DtypeError("image of nested lists: expected rows of equal lengths that hold numbers") from None
    if dtype == "uint8" and str(value.dtype).endswith("int64"):  # which the formats make of every integer
        return value.to(torch.uint8) if isinstance(value, Tensor) else value.astype(np.uint8)
    return value


def _leaf_dtype(feature: Any) -> str | None:
    while isinstance(feature, list) or hasattr(feature, "feature"):
        feature = feature[0] if isinstance(feature, list) else feature.feature  # a plain list before datasets 4
    return getattr(feature, "dtype", None)
