"""Samples from PyTorch's `Dataset`, `IterableDataset` and `DataLoader`, one at a time."""

from collections.abc import Generator, Hashable, Iterator, Mapping
from itertools import count
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from hebbstream.adapters._common import plain_label
from hebbstream.adapters._picture import PictureFormat
from hebbstream.errors import ConfigurationError, RankError, StreamError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream, known_length

__all__ = ["samples_from_torch"]

_GRAY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")  # Pillow's modes of brightness


def samples_from_torch(
    data: "Dataset[Any] | DataLoader[Any]",
    *,
    image: Hashable = None,
    label: Hashable = None,
    batched: bool | None = None,
) -> Stream[Sample]:
    """Return the samples of a PyTorch data set or loader; batches are taken apart.

    Parameters
    ----------
    data
        A map-style data set is read by index, in order; an `IterableDataset` and a `DataLoader` are iterated. An item
        is a pair (x, y), a lone x, or (x,), as a tuple or a list. A batch is a pair of columns, or of one column, of equal
        lengths, which may be tensors, arrays or sequences; or a list of tuples or mappings, each an item.
    image, label
        Where the image and the label lie in items of other forms: keys of a mapping, or positions in a longer tuple.
        Without `label` there are no labels.
    batched
        Whether `data` yields batches; ``None``: a `DataLoader` does unless it was made with ``batch_size=None``, a data
        set does not.

    Returns
    -------
    Stream
        Of `Sample` with tensors or arrays as they came (Pillow images upright, as uint8 of shape (H, W, 3), or (H, W) of gray
        ones), and labels as Python objects.

    Raises
    ------
    ConfigurationError
        If `data` is none of the above, or `label` comes without `image`. While iterating, if an item has another form
        than the options say.
    RankError
        While iterating, if a batch's columns differ in length, or are single values.
    LabelError
        While iterating, if a label is a tensor or array of several values.
    StreamError
        While iterating, if a map-style data set ends before its own length.

    Examples
    --------
    >>> from torch.utils.data import TensorDataset
    >>> digits = TensorDataset(torch.zeros(5, 1, 28, 28), torch.arange(5))
    >>> next(samples_from_torch(DataLoader(digits, batch_size=2)))
    Sample(x=float32 (1, 28, 28), y=0)
    """
    if not isinstance(data, Dataset | DataLoader):
        raise ConfigurationError(f"data of type {type(data).__name__}: expected a torch Dataset or DataLoader")
    if label is not None and image is None:
        raise ConfigurationError(f"label={label!r} without image: expected the keys of both, or of the image")
    if batched is None:
        batched = isinstance(data, DataLoader) and data.batch_sampler is not None
    name = f"samples_from_torch({type(data).__name__})"
    return Stream(_samples(data, image, label, batched), name=name, length=_length(data, batched))


def _samples(data: Any, image: Hashable, label: Hashable, batched: bool) -> Generator[Sample, None, None]:
    items = data if isinstance(data, DataLoader | IterableDataset) else _by_index(data)
    for item in items:
        if not batched:
            yield _sample(*_pair(item, image, label))
        elif isinstance(item, list) and item and all(isinstance(one, tuple | Mapping) for one in item):
            yield from (_sample(*_pair(one, image, label)) for one in item)
        else:
            yield from (_sample(*row) for row in _rows(*_pair(item, image, label)))


def _sample(x: Any, y: Any) -> Sample:
    if hasattr(x, "getexif") and x.mode != "F":  # Pillow's, whose array would be the numbers of a palette's colours
        x = PictureFormat(gray=x.mode in _GRAY).convert(x)
    return Sample(np.asarray(x) if hasattr(x, "__array_interface__") else x, plain_label(y))


def _by_index(data: Any) -> Iterator[Any]:
    length = known_length(data)
    for index in count() if length is None else range(length):
        try:
            item = data[index]
        except IndexError as error:
            if length is None:
                return
            raise StreamError(f"the data set ended at index {index}: its length is {length} ({error})") from error
        yield item


def _pair(item: Any, image: Hashable, label: Hashable) -> tuple[Any, Any]:
    if image is not None:
        try:
            return item[image], None if label is None else item[label]
        except (KeyError, IndexError, TypeError):
            raise ConfigurationError(f"no {image!r} and {label!r} in an item: it is {_form(item)}") from None
    if isinstance(item, tuple | list) and len(item) in (1, 2):
        return item[0], item[1] if len(item) == 2 else None
    if isinstance(item, tuple | list | Mapping):
        raise ConfigurationError(
            f"item is {_form(item)}: expected (x, y), or image= and label= that say where they lie"
        )
    return item, None


def _rows(x: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    try:
        sizes = len(x), len(x if y is None else y)
    except TypeError:
        raise RankError(f"batch of {_form(x)} and {_form(y)}: expected columns of equal lengths") from None
    if sizes[0] != sizes[1]:
        raise RankError(f"batch of {sizes[0]} images and {sizes[1]} labels: expected equal numbers")
    return ((x[row], None if y is None else y[row]) for row in range(sizes[0]))


def _form(item: Any) -> str:
    if isinstance(item, Mapping):
        return f"a {type(item).__name__} of {', '.join(map(repr, item))}"
    if isinstance(item, tuple | list):
        return f"a {type(item).__name__} of {len(item)}"
    return f"a {type(item).__name__}" + (f" of shape {tuple(item.shape)}" if isinstance(item, Tensor) else "")


def _length(data: Any, batched: bool) -> int | None:
    if not isinstance(data, DataLoader) or data.batch_sampler is None:
        return None if batched else known_length(data)
    batches = known_length(data)
    if batches is None or data.batch_size is None:  # a batch sampler of the user's own
        return None
    most = batches * data.batch_size
    samples = known_length(data.sampler)
    return most if samples is None else min(most, samples)
