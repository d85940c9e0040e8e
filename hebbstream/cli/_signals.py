"""Sources that are signals: sound, and tables of sensors."""

import argparse
import glob
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from hebbstream.adapters.audio import open_audio
from hebbstream.adapters.audio._cutting import Form
from hebbstream.adapters.tables import open_table
from hebbstream.cli._media import media_options
from hebbstream.cli._types import TABLES, interval, positive, seconds
from hebbstream.errors import ConfigurationError
from hebbstream.streams import Stream, windows

Signal = Literal["sound", "table"]

_SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".wma", ".mka", ".au")
COLUMN_SECONDS = 0.01
_TABLES_ONLY = ("columns", "label", "time", "group", "gap", "valid_range", "window_rows")
_SIGNALS_ONLY = (*_TABLES_ONLY, "hop", "form", "length", "mels")
MEDIA_ONLY = ("rate", "start", "duration", "loop", "stream", "format", "option")
"""Options of what FFmpeg reads."""
_PICTURES_ONLY = ("size", "fit", "hardware", "arrays", "crops")


def add_signals(parser: argparse.ArgumentParser, *, window: bool = True, hop: str = "their length") -> None:
    """Let a command read sound and tables; one that has a ``--window`` of its own takes that of the checkpoint."""
    parser.set_defaults(window_rows=None)
    group = parser.add_argument_group("sound and tables of sensors")
    group.add_argument("--sound", action="store_true", help="read the sound of a video, a network stream or -")
    group.add_argument(
        "--form", choices=("mel", "wave"), help="sound as spectrograms or waves (default: as learned, or else mel)"
    )
    group.add_argument(
        "--length", type=seconds, metavar="S", help="length of a sample of sound (default: as learned, or else 1)"
    )
    group.add_argument("--mels", type=positive, metavar="N", help="bands of a spectrogram (default: as learned, or 64)")
    if window:
        group.add_argument(
            "--window",
            dest="window_rows",
            type=positive,
            metavar="N",
            help="rows of a table that make one sample (default: as learned)",
        )
    group.add_argument(
        "--hop",
        type=interval,
        metavar="N",
        help=f"rows, or seconds of sound, from one sample to the next (default: {hop})",
    )
    group.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME",
        help="columns to learn (default: as learned, or all but label, time and group)",
    )
    group.add_argument("--label", metavar="NAME", help="column of the labels: names of classes, not numbers to predict")
    group.add_argument("--time", metavar="NAME", help="column of the time: seconds, or a date and time")
    group.add_argument(
        "--group", metavar="NAME", help="column that tells signals apart, such as a user; no sample mixes two"
    )
    group.add_argument(
        "--gap", type=seconds, metavar="S", help="begin a new sample where time steps further than S seconds"
    )
    group.add_argument(
        "--valid-range",
        nargs=2,
        type=float,
        metavar=("LEAST", "GREATEST"),
        help="values outside these two count as missing, such as -9999",
    )


def signal_of(options: argparse.Namespace, source: str) -> Signal | None:
    """Return what kind of signal a source is; ``None`` for pictures.

    Examples
    --------
    >>> signal_of(argparse.Namespace(sound=False), "mic"), signal_of(argparse.Namespace(sound=False), "clip.mp4")
    ('sound', None)
    """
    if getattr(options, "sound", False) or source == "mic" or source.startswith(("hw:", "plughw:", "audio=")):
        return "sound"
    name = source if "://" not in source else source.partition("?")[0]
    if not name.lower().endswith((*TABLES, *_SOUNDS)) and glob.has_magic(source):
        name = next(iter(sorted(glob.glob(source, recursive=True))), name)  # noqa: PTH207  # absolute ones too
    if name.lower().endswith(TABLES) and "://" not in source:
        return "table"
    return "sound" if name.lower().endswith(_SOUNDS) else None


def called(options: argparse.Namespace) -> str:
    """Return what one sample of the source is called: a picture is a frame, a piece of a signal is not."""
    return "frame" if signal_of(options, options.source) is None else "sample"


def refuse(options: argparse.Namespace, names: Sequence[str], source: str, expected: str, found: str) -> None:
    """Refuse options that mean nothing for a source, rather than pass over them."""
    for name in names:
        if getattr(options, name, None):
            option = name.removesuffix("_rows").replace("_", "-")
            raise ConfigurationError(f"--{option} for {source}: expected {expected}, found {found}")


def refuse_signal_options(options: argparse.Namespace, source: str) -> None:
    """Refuse what only signals know, for pictures: mostly ``--label`` for ``--labels``."""
    for name in _SIGNALS_ONLY:
        found = "pictures; did you mean --labels?" if name == "label" else _mistaken(source)
        refuse(options, [name], source, "a table or sound", found)


def _mistaken(source: str) -> str:
    """Say what a source is that was meant to be a table or sound."""
    suffix = os.path.splitext(source)[1].lower()  # noqa: PTH122  # `Path` fails on a text too long for a path
    if suffix in (".gz", ".zip", ".bz2", ".xz", ".zst"):
        return "a packed file: unpack it first"
    if suffix in (".txt", ".dat", ".log", ".json", ".jsonl"):
        return f"*{suffix}: the name of a table ends in {', '.join(TABLES)}"
    if os.path.isdir(source):  # noqa: PTH112
        return (
            f"a folder that holds none; of folders in it, name a pattern such as {str(Path(source, '**', '*.csv'))!r}"
        )
    return "pictures"


def table_columns(options: argparse.Namespace, source: str) -> tuple[str, ...]:
    """Return the columns of a table that are to be learned."""
    with open_table(source, _named(options, source)) as rows:
        return tuple(_columns(options, rows.columns))


def sound_rate(options: argparse.Namespace) -> int:
    """Return how many values of a sound are read a second."""
    if options.rate is not None and not 1 <= options.rate < math.inf:
        raise ConfigurationError(f"--rate {options.rate:g} for sound: expected values a second, such as 16000")
    return int(options.rate or 16_000)


def columns_as_learned(options: argparse.Namespace, source: str, learned: Sequence[str]) -> list[str] | None:
    """Return the columns of a table to read for a network that has learned some: these, in that order, if none are named.

    Another sensor's may be called otherwise. The same in another order would be mistaken for each other.
    """
    named: list[str] | None = options.columns
    if named is None:
        with open_table(source) as rows:
            found = rows.columns
        missing = [name for name in learned if name not in found]
        if missing and len(missing) < len(learned):  # of another sensor there would be none
            raise ConfigurationError(
                f"{source}: no column {missing[0]!r}, which the network has learned: found {', '.join(found)}"
                " (--columns names others in its place)"
            )
        return None if missing else [*learned]
    if named != [*learned] and sorted(named) == sorted(learned):
        raise ConfigurationError(
            f"--columns {' '.join(named)}: expected {' '.join(learned)}, the order in which the network has learned them"
        )
    return named


def open_signal(options: argparse.Namespace, source: str, size: tuple[int, int] | None, channels: int) -> Stream[Any]:
    """Open sound or a table for a network that has learned from samples of `size`, if it has."""
    kind = signal_of(options, source)
    refuse(options, _PICTURES_ONLY, source, "pictures", f"a {kind}")
    return _open_table(options, source, size) if kind == "table" else _open_sound(options, source, size, channels)


def _open_sound(options: argparse.Namespace, source: str, size: tuple[int, int] | None, channels: int) -> Stream[Any]:
    refuse(options, _TABLES_ONLY, source, "a table", "sound")
    rate = sound_rate(options)
    form: Form = options.form or ("wave" if size is not None and size[0] == 1 else "mel")
    learned = None if size is None else size[1] / rate if form == "wave" else size[1] * COLUMN_SECONDS
    return open_audio(
        source,
        form=form,
        seconds=options.length or learned or 1.0,
        hop=options.hop,
        rate=rate,
        channels=channels if form == "wave" and channels == 2 else 1,
        mels=options.mels or (size[0] if size is not None and form == "mel" else 64),
        **media_options(options),
    )


def window_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return how the rows of a table are to be cut into windows, as far as it is said."""
    given = {name: getattr(options, name, None) for name in ("time", "group", "gap", "valid_range")}
    return {name: value for name, value in given.items() if value is not None}


def windows_as_learned(options: argparse.Namespace, source: str, learned: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the rows of a table are cut for a network that was made for such: as then, but for what is said now."""
    given, names = window_options(options), {"time", "group"}
    if (learned.keys() & names) - given.keys():
        with open_table(source) as rows:  # another sensor has no such columns
            learned = {name: value for name, value in learned.items() if name not in names or value in rows.columns}
    return {**learned, **given}


def _open_table(options: argparse.Namespace, source: str, size: tuple[int, int] | None) -> Stream[Any]:
    refuse(options, ("sound", "form", "length", "mels", "labels", *MEDIA_ONLY), source, "sound or a video", "a table")
    window = options.window_rows or (size and size[1])
    if window is None:
        pictures = "; pictures in Parquet files are read in Python, by hebbstream.adapters.huggingface"
        raise ConfigurationError(
            f"{source} without --window: expected the number of rows in a sample, such as 100"
            + pictures * source.endswith(".parquet")
        )
    if options.hop is not None and options.hop % 1:
        raise ConfigurationError(f"--hop {options.hop:g} for {source}: expected a whole number of rows")
    rows = open_table(source, _named(options, source))
    return windows(
        rows,
        window,
        None if options.hop is None else int(options.hop),
        columns=_columns(options, rows.columns),
        label=options.label,
        time=options.time,
        group=options.group,
        gap=options.gap,
        valid_range=options.valid_range,
    )


def _named(options: argparse.Namespace, source: str) -> list[str]:
    """Return the columns to read: those to learn, and the others, which may be among those that are read only by name."""
    found: Sequence[str] | None = options.columns
    if found is None:
        with open_table(source) as rows:
            found = rows.columns
    return [*dict.fromkeys([*found, *(name for name in _others(options) if name is not None)])]


def _others(options: argparse.Namespace) -> tuple[str | None, ...]:
    return options.label, options.time, options.group


def _columns(options: argparse.Namespace, found: Sequence[str]) -> list[str]:
    """Return the columns to learn."""
    columns: list[str] = options.columns or [name for name in found if name not in _others(options)]
    if not columns:
        raise ConfigurationError(f"columns {', '.join(found)}: expected one to learn besides the label, time and group")
    return columns
