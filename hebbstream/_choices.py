"""Names of which one is chosen: anything else, of whatever type, is refused by a message that lists them."""

from collections.abc import Collection
from typing import Any

from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError


def check_choice(name: str, value: Any, choices: Collection[str]) -> None:
    """Refuse what is none of the names.

    Raises
    ------
    ConfigurationError
        If it is anything else.

    Examples
    --------
    >>> check_choice("fit", "crop", ("crop", "pad"))
    """
    if not isinstance(value, str) or value not in choices:  # a list could not be looked up
        raise ConfigurationError(f"{name}={quote(value)}: expected one of {', '.join(map(repr, choices))}")
