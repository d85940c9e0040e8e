"""What the adapters share: labels as plain Python objects, paths as users write them."""

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream.errors import LabelError
from hebbstream.probe._inputs import equals_itself


def plain_label(label: Any) -> Hashable:
    """Return a label as a Python object: the number in a NumPy scalar, a one-element array or a one-element tensor.

    A missing value, NaN or of pandas, is no label: ``None``.

    Raises
    ------
    LabelError
        If the array or tensor holds more or fewer than one element.

    Examples
    --------
    >>> plain_label(np.int64(3)), plain_label("cat"), plain_label(float("nan"))
    (3, 'cat', None)
    """
    value = label
    if isinstance(label, np.generic | np.ndarray | Tensor):
        if math.prod(label.shape) != 1:
            found = f"label of shape {tuple(label.shape)}"
            raise LabelError(f"{found}: expected one value for each sample, such as its class")
        value = label.item()
    return value if equals_itself(value) else None  # whether it can be hashed, `learn` checks
