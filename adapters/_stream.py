"""What the adapters share: `SampleStream`, labels as plain Python objects, errors in one line."""

import math
from collections.abc import Generator, Hashable, Iterator
from typing import Any, Self

import numpy as np
from torch import Tensor

from hebbstream.errors import LabelError
from hebbstream.streams._sample import Sample


class SampleStream(Iterator[Sample]):
    """An iterator of samples that knows how many are left, where its source does; a context manager that closes it.

    Parameters
    ----------
    samples
        Yields the samples.
    length
        Their number; 0 where it is not known.

    Examples
    --------
    >>> import operator
    >>> stream = SampleStream((Sample("frame", y) for y in "ab"), length=2)
    >>> next(stream).y, operator.length_hint(stream)
    ('a', 1)
    """

    def __init__(self, samples: Generator[Sample, None, None], length: int = 0) -> None:
        self._samples, self._left = samples, length

    def __next__(self) -> Sample:
        sample = next(self._samples)
        self._left = max(0, self._left - 1)
        return sample

    def __length_hint__(self) -> int:
        """Return the number of samples left; 0 where it is not known."""
        return self._left

    def close(self) -> None:
        """Close what is open; iterating afterwards ends at once."""
        self._samples.close()
        self._left = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def plain_label(label: Any) -> Hashable:
    """Return a label as a Python object: the number in a NumPy scalar, a one-element array or a one-element tensor.

    Raises
    ------
    LabelError
        If the array or tensor holds more or fewer than one element.

    Examples
    --------
    >>> plain_label(np.int64(3)), plain_label("cat")
    (3, 'cat')
    """
    if not isinstance(label, np.generic | np.ndarray | Tensor):
        return label  # type: ignore[no-any-return]  # whether it can be hashed, `learn` checks
    if math.prod(label.shape) != 1:
        raise LabelError(f"label of shape {tuple(label.shape)}: expected one value for each sample, such as its class")
    value: Hashable = label.item()
    return value


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its kind where there is none."""
    message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return next(iter(message.splitlines()), type(error).__name__)
