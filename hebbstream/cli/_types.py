"""What the options take: types for argparse."""

import argparse
import glob
import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from mimetypes import guess_type
from pathlib import Path

from hebbstream._files import expand_home, expanded_path

# What `guess_type` knows depends on the system's tables, and there .ts may be a text.
_MEDIA = re.compile(
    r"\.(mp4|m4v|mov|mkv|webm|avi|ts|mts|m2ts|mpe?g|vob|wmv|asf|flv|3gp|ogv"
    r"|wav|flac|mp3|m4a|aac|og[ag]|opus|aiff?|wma|mka|au)\Z",
    re.IGNORECASE,
)

TABLES = (".csv", ".tsv", ".parquet", ".csv.gz", ".tsv.gz")
"""How files of tables end."""


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
    return _number(text, lambda value: 0 < value < math.inf, "a positive number of seconds")


def interval(text: str) -> float:
    """Read a positive number of rows or seconds."""
    return _number(text, lambda value: 0 < value < math.inf, "a positive number")


def share(text: str) -> float:
    """Read a share: above 0 and at most 1."""
    return _number(text, lambda value: 0 < value <= 1, "a share, above 0 and at most 1")


def scale(text: str) -> float:
    """Read a factor of 1 or more."""
    return _number(text, lambda value: 1 <= value < math.inf, "a number of 1 or more")


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan  # which fits nothing
    if not fits(value):
        raise argparse.ArgumentTypeError(f"{text!r}: expected {expected}")
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
    """Read the name of a source: ``~`` is the home folder even if the shell left it as it is, a folder is what it holds.

    Examples
    --------
    >>> source("webcam"), source("clip.mp4")
    ('0', 'clip.mp4')
    """
    name = expand_home(text)
    if name in ("camera", "webcam") and not os.path.exists(name):  # noqa: PTH110  # as below
        return "0"
    return media_in(name) if os.path.isdir(name) else name  # noqa: PTH112  # `Path` fails on a text too long for a path


def media_in(folder: str) -> str:
    """Return the pattern of a folder's videos, sounds or tables; the folder itself if pictures or folders are beside them.

    Suffixes may differ in case, and where there are only tables, these may be of several kinds.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for name in ("a.mp4", "b.mp4", "labels.json"):
    ...     Path(folder, name).touch()
    >>> media_in(folder) == f"{folder}/*.mp4"
    True
    >>> Path(folder, "c.png").touch()
    >>> media_in(folder) == folder
    True
    """
    try:
        entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
    except OSError:  # whoever opens it will say what is wrong
        return folder
    kinds = {entry.name: _kind(entry.name) for entry in entries}
    suffixes = _suffixes(kinds, "video", "audio", "image") or _suffixes(
        kinds, "table"
    )  # a table beside videos is their labels
    if "image" in kinds.values() or not suffixes or any(entry.is_dir() for entry in entries):
        return folder
    endings = {_of_any_case(suffix, suffixes) for suffix in suffixes}
    if len(endings) > 1 and set(kinds.values()) == {"table"}:
        endings = {""}
    patterns = [str(Path(glob.escape(folder), f"*{ending}")) for ending in sorted(endings)]
    if len(patterns) > 1:
        raise argparse.ArgumentTypeError(
            f"{folder}: it holds {' and '.join(sorted(suffixes))}: expected files of one kind, or a pattern: "
            + " or ".join(map(repr, patterns))
        )
    return patterns[0]


def _of_any_case(suffix: str, among: Collection[str]) -> str:
    """Return the pattern of a suffix, which may be written in another case, too."""
    if [one.lower() for one in among].count(suffix.lower()) == 1:
        return suffix
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else letter for letter in suffix.lower())


def _suffixes(kinds: Mapping[str, str], *wanted: str) -> set[str]:
    return {Path(name).suffix for name, kind in kinds.items() if kind in wanted}


def _kind(name: str) -> str:
    """Return ``"table"``, or ``"video"`` for a video or a sound, or else the first part of its MIME type."""
    if name.lower().endswith(TABLES):
        return "table"
    return "video" if _MEDIA.search(name) else (guess_type(name)[0] or "").partition("/")[0]


def path(text: str) -> Path:
    """Read a path, where ``~`` is the home folder even if the shell left it as it is."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a file or a folder")
    if "://" in text:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a file or a folder, found an address")
    return expanded_path(text)
