"""What a network is made with. Each function raises a `ConfigurationError` that quotes what cannot work."""

import math
import operator
from collections.abc import Iterable
from typing import Any

import torch

from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.network._spec import LARGEST_SIZE, LayerSpec

Size = tuple[int, int]


def make_generator(seed: int) -> torch.Generator:
    """Return the source of initial weights."""
    try:
        return torch.Generator("cpu").manual_seed(operator.index(seed))
    except (RuntimeError, TypeError, ValueError):
        raise ConfigurationError(f"seed={quote(seed)}: expected an integer of at most 64 bits") from None


def checked_specs(layers: Iterable[LayerSpec]) -> tuple[LayerSpec, ...]:
    """Return the layers, which may come one by one."""
    specs = tuple(layers) if isinstance(layers, Iterable) else ()
    if not specs or not all(isinstance(spec, LayerSpec) for spec in specs):
        raise ConfigurationError(f"layers={quote(list(specs) or layers)}: expected at least one LayerSpec, in a list")
    return specs


def checked_channels(in_channels: Any) -> int:
    """Return the channels of a frame."""
    number = as_index(in_channels)
    if not 1 <= number < LARGEST_SIZE:
        raise ConfigurationError(f"in_channels={quote(in_channels)}: expected a positive integer, below 2**31")
    return number


def checked_size(size: Any, *, signal: bool = False) -> Size | None:
    """Return (height, width) of one number or two; one is the length of a signal."""
    if size is None:
        return None
    sides = [*map(as_index, size if isinstance(size, Iterable) else (1 if signal else size, size))]
    if len(sides) != 2 or not all(1 <= side < LARGEST_SIZE for side in sides):
        raise ConfigurationError(f"input_size={quote(size)}: expected a positive integer, or (height, width)")
    return sides[0], sides[1]


def checked_range(bounds: Any) -> tuple[float, float]:
    """Return the least and greatest value of a frame."""
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not low < high:
        raise ConfigurationError(f"input_range={quote(bounds)}: expected (least, greatest), or None")
    return low, high
