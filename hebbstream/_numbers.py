"""Numbers among what is handed over: anything else is refused by a message, and not by Python in the middle of a run."""

import math
import operator
from typing import Any, SupportsFloat

from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError


def check_number(name: str, value: Any, *, optional: bool = False) -> None:
    """Refuse what is no positive integer; ``None`` is one where it is `optional`.

    Raises
    ------
    ConfigurationError
        If it is anything else.

    Examples
    --------
    >>> check_number("limit", 3)
    >>> check_number("limit", None, optional=True)
    """
    if (isinstance(value, bool) or as_index(value) < 1) and not (optional and value is None):
        raise ConfigurationError(f"{name}={quote(value)}: expected a positive integer{', or None' if optional else ''}")


def checked_seed(seed: Any) -> int:
    """Return a seed as Python's own number; from none at all, every run would draw something else.

    Raises
    ------
    ConfigurationError
        If it is no integer, or below 0.

    Examples
    --------
    >>> checked_seed(3)
    3
    """
    number = as_index(seed)
    if number < 0:  # Python's generator takes -1 for 1
        raise ConfigurationError(f"seed={quote(seed)}: expected an integer of at least 0")
    return number


def as_index(value: Any) -> int:
    """Return an index as a number, and -1, which is in no range, for what is none.

    Examples
    --------
    >>> as_index(2), as_index("2")
    (2, -1)
    """
    try:
        return operator.index(value)
    except TypeError:
        return -1


def plain_number(value: Any) -> Any:
    """Return a number as Python's own, which files and models hold; NumPy's, of few digits, would round what it meets.

    ``None`` stays what it is.

    Examples
    --------
    >>> from fractions import Fraction
    >>> plain_number(3), plain_number(Fraction(1, 2)), plain_number(None)
    (3, 0.5, None)
    """
    try:
        return value if value is None else operator.index(value)
    except TypeError:
        return float(value)


def quantity(value: Any) -> float:
    """Return a number as a float, and NaN, which lies in no range, for what is none.

    Examples
    --------
    >>> quantity(2), quantity("2"), quantity(None)
    (2.0, nan, nan)
    """
    try:
        return float(value) if isinstance(value, SupportsFloat) else math.nan
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan
