"""What the options take: types for argparse."""

import argparse
import math
import os
from pathlib import Path


def positive(text: str) -> int:
    """Read a positive integer."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a positive integer")
    return int(text)


def natural(text: str) -> int:
    """Read a positive integer or 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a positive integer or 0")
    return int(text)


def seconds(text: str) -> float:
    """Read a positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a positive number of seconds")
    return value


def share(text: str) -> float:
    """Read a share: above 0 and at most 1."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a share, above 0 and at most 1")
    return value


def scale(text: str) -> float:
    """Read a factor of 1 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 1 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number of 1 or more")
    return value


def size(text: str) -> tuple[int, int]:
    """Read ``N`` or ``WIDTHxHEIGHT`` as (height, width)."""
    width, by, height = text.partition("x")
    try:
        return positive(height if by else width), positive(width)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected N or WxH, such as 32 or 64x48") from None


def key_value(text: str) -> tuple[str, str]:
    """Read ``KEY=VALUE``."""
    key, found, value = text.partition("=")
    if not (key and found):
        raise argparse.ArgumentTypeError(f"{text!r}: expected KEY=VALUE")
    return key, value


def array_names(text: str) -> tuple[str, str | None]:
    """Read ``IMAGES`` or ``IMAGES,LABELS``."""
    images, _, labels = text.partition(",")
    if not images:
        raise argparse.ArgumentTypeError(f"{text!r}: expected IMAGES or IMAGES,LABELS, such as x_train,y_train")
    return images, labels or None


def source(text: str) -> str:
    """Read the name of a video, where ``~`` is the home folder even if the shell left it as it is."""
    return os.path.expanduser(text)  # noqa: PTH111  # Path's own fails on a file such as ~draft.mp4


def path(text: str) -> Path:
    """Read a path, where ``~`` is the home folder even if the shell left it as it is."""
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a file or a folder, found an address")
    return Path(source(text))
