"""`Counters`: how far a run has come."""

from dataclasses import asdict, dataclass
from typing import Any

from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError

_END = 1 << 63  # as of the samples that a network counts


@dataclass(slots=True)
class Counters:
    """How far a run has come.

    Parameters
    ----------
    position
        Samples learned.
    scored
        Labelled samples that a probe predicted before learning from them; those that it abstained from do not count.
    correct
        How many of those predictions were right.

    Raises
    ------
    ConfigurationError
        If one is no integer, negative, or of more than 63 bits.
    """

    position: int = 0
    scored: int = 0
    correct: int = 0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_count(name, value)


def check_count(name: str, value: Any) -> None:
    """Refuse what is no number of samples.

    Raises
    ------
    ConfigurationError
        If it is no integer, negative, or of more than 63 bits.

    Examples
    --------
    >>> check_count("position", 7)
    """
    if not 0 <= as_index(value) < _END:
        raise ConfigurationError(f"{name}={quote(value)}: expected 0 or a positive integer of at most 63 bits")
