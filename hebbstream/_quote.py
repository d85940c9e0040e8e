"""What messages quote: no more of it than people read, and enough to see what is wrong."""

import re
from typing import Any

_DIGITS = 40
_MESSAGE = 1000


def shorten(message: str) -> str:
    """Return a message without the middle of numbers of over 40 digits, and of all of it beyond 1,000 characters.

    Examples
    --------
    >>> shorten(f"channels=-{10**400}: expected a positive integer")
    'channels=-10000000…00000000 (401 digits): expected a positive integer'
    """
    message = re.sub(
        rf"\d{{{_DIGITS + 1},}}", lambda run: f"{run[0][:8]}…{run[0][-8:]} ({len(run[0])} digits)", message
    )
    half = _MESSAGE // 2
    return message if len(message) <= _MESSAGE else f"{message[:half]} … {message[-half:]}"


def printable(text: object) -> str:
    r"""Return a text in one line that no terminal takes for a command, whatever the file holds that it comes from.

    Examples
    --------
    >>> printable("cat"), printable("cat\n\x1b[31m")
    ('cat', 'cat\\n\\x1b[31m')
    """
    text = str(text)
    return text if text.isprintable() else repr(text)[1:-1]


def quote(value: Any) -> str:
    """Return a value as Python writes it, in one line; Python itself refuses to write integers of thousands of digits.

    Examples
    --------
    >>> quote("same"), quote(-(10**5000))
    ("'same'", '<int that is too long to show>')
    """
    try:
        written = repr(value)
    except ValueError:
        return f"<{type(value).__name__} that is too long to show>"
    return " ".join(written.split()) if "\n" in written else written  # an array, or a network


def first_line(error: BaseException) -> str:
    r"""Return the first line of what an error says, or its kind where it says nothing.

    Examples
    --------
    >>> first_line(ValueError("torn\nat byte 7")), first_line(ValueError())
    ('torn', 'ValueError')
    """
    if isinstance(error, UnicodeDecodeError):
        return f"expected text in {error.encoding}"
    message = error.args[0] if error.args and isinstance(error.args[0], str) else str(error)
    return next(iter(message.splitlines()), type(error).__name__)


def digits(value: float, bound: float) -> str:
    """Return a number in four digits, or in as many more as show on which side of a bound it lies.

    Examples
    --------
    >>> digits(0.123456, 1), digits(1.000123456, 1)
    ('0.1235', '1.0001')
    """
    for count in range(4, 17):
        shown = f"{value:.{count}g}"
        if (float(shown) > bound, float(shown) < bound) == (value > bound, value < bound):
            return shown
    return repr(value)
