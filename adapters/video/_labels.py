"""Labels as a function of time, for `open_video`."""

import bisect
import csv
import html
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hebbstream._files import expanded_path
from hebbstream.errors import ConfigurationError

_KEYS = ("start", "end", "label")
_ROUNDING = 5e-4  # seconds, as a container's clock rounds
_TIMING = re.compile(r"(?:(\d+):)?([0-5]\d):([0-5]\d\.\d{3})")
_TAG = re.compile(r"<[^<>]*>")
_ASIDE = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")


class _Segment(NamedTuple):
    start: float
    end: float | None
    label: str | None


def read_labels(path: str | Path) -> Callable[[float], str | None]:
    r"""Read which label belongs to which time, from a .json, .csv or .vtt file.

    ==========  ==================================================================================================
    ``.json``   ``{"segments": [{"start": 0, "end": 2.5, "label": "day"}, …]}``, times in seconds
    ``.csv``    a first line ``start,end,label``, then a segment a line, times in seconds
    ``.vtt``    cues, whose text is the label
    ==========  ==================================================================================================

    A segment holds from its start up to, not including, its end. Without an end (JSON, CSV) it holds up to the next
    one's start, the last one for ever. Outside all segments there is no label; nor where it is ``null`` or empty.

    Raises
    ------
    ConfigurationError
        If the file cannot be read or has another form: unknown keys, labels that are not text or numbers, segments that
        overlap or are not in the order of their start.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.csv"
    >>> _ = path.write_text("start,end,label\n1,2.5,day\n60,,night\n")
    >>> label = read_labels(path)
    >>> [label(t) for t in (0.9, 1.0, 2.5, 60.0, 1e6)]
    [None, 'day', None, 'night', 'night']
    """
    file = expanded_path(path)
    reader = _READERS.get(file.suffix.lower())
    try:
        if reader is None:
            raise ValueError(f"found {file.suffix or 'no suffix'}; expected {', '.join(_READERS)}")
        segments = list(reader(file.read_text(encoding="utf-8-sig")))
        _check(segments)
    except OSError as error:
        raise ConfigurationError(f"labels {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError, csv.Error) as error:
        raise ConfigurationError(f"labels {path}: {error}") from None
    starts = [segment.start for segment in segments]

    def label(t: float) -> str | None:
        index = bisect.bisect_right(starts, t + _ROUNDING) - 1
        if index < 0:
            return None
        _, end, name = segments[index]
        return name if end is None or t + _ROUNDING < end else None

    return label


def _check(segments: list[_Segment]) -> None:
    if not segments:
        raise ValueError("no segments; expected at least one")
    for segment in segments:
        if segment.start < 0:
            raise ValueError(f"start {segment.start:g}; expected 0 or later")
        if segment.end is not None and segment.end <= segment.start:
            raise ValueError(f"end {segment.end:g} of the segment from {segment.start:g}; expected it after the start")
    for earlier, later in pairwise(segments):
        if later.start <= earlier.start:
            raise ValueError(
                f"start {later.start:.15g} after {earlier.start:.15g}; expected segments in the order of time"
            )
        if earlier.end is not None and earlier.end > later.start + _ROUNDING:
            raise ValueError(
                f"end {earlier.end:.15g} after the next start {later.start:.15g}; expected one label at a time"
            )


def _from_json(text: str) -> Iterator[_Segment]:
    found = json.loads(text)
    if not isinstance(found, dict) or not isinstance(found.get("segments"), list):
        raise ValueError('expected {"segments": [{"start": 0, "end": 2.5, "label": "day"}, ...]}')
    _refuse_others(found, ("segments",))
    for segment in found["segments"]:
        if not isinstance(segment, dict) or "start" not in segment or "label" not in segment:
            raise ValueError(f"segment {_quoted(segment)}; expected start and label")
        _refuse_others(segment, _KEYS)
        start, end, label = (segment.get(key) for key in _KEYS)
        if label is not None and not isinstance(label, str | int | float):
            raise ValueError(f"label {_quoted(label)}; expected text, a number, true, false or null")
        yield _Segment(_seconds(start), None if end is None else _seconds(end), _name(label))


def _from_csv(text: str) -> Iterator[_Segment]:
    rows = csv.DictReader(io.StringIO(text), strict=True, skipinitialspace=True)
    columns = list(rows.fieldnames or ())
    if len(columns) != len(set(columns)) or not {"start", "label"} <= set(columns):
        raise ValueError(f"first line {','.join(columns)!r}; expected start,end,label")
    _refuse_others(columns, _KEYS)
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"line {rows.line_num}; expected {len(columns)} values, as the first line has")
        end = row.get("end")
        yield _Segment(_number(row["start"]), _number(end) if end else None, _name(row["label"].strip()))


def _from_webvtt(text: str) -> Iterator[_Segment]:
    first, _, rest = text.partition("\n")
    if not re.match(r"WEBVTT(?:[ \t]|$)", first):
        raise ValueError(f"first line {_quoted(first)}; expected WEBVTT")
    for number, block in enumerate(re.split(r"\n{2,}", f"\n{rest}".rstrip("\n"))):
        lines = block.strip("\n").split("\n")
        timing = next((index for index, line in enumerate(lines[:2]) if "-->" in line), None)
        if timing is None:
            if number and not _ASIDE.match(block):  # before the first blank line there may be anything
                raise ValueError(f"{_quoted(lines[0])}; expected a cue: start --> end, and its text below")
            continue
        start, _, after = lines[timing].partition("-->")
        end = (after.split() or [""])[0]
        name = html.unescape(_TAG.sub("", " ".join(lines[timing + 1 :])))
        yield _Segment(_timing(start.strip()), _timing(end), _name(" ".join(name.split())))


_READERS = {".json": _from_json, ".csv": _from_csv, ".vtt": _from_webvtt}


def _refuse_others(found: Iterable[str], known: tuple[str, ...]) -> None:
    for key in found:
        if key not in known:
            raise ValueError(f"unknown {_quoted(key)}; expected {', '.join(known)}")


def _name(label: str | float | None) -> str | None:
    if isinstance(label, float) and not math.isfinite(label):
        raise ValueError(f"label {label}; expected a finite number")
    return None if label is None or label == "" else str(label)


def _seconds(value: Any) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError:  # an integer of more than 308 digits
        pass
    raise ValueError(f"time {_quoted(value)}; expected seconds")


def _number(text: str) -> float:
    try:
        return _seconds(float(text))
    except ValueError:
        raise ValueError(f"time {_quoted(text)}; expected seconds") from None


def _timing(text: str) -> float:
    found = _TIMING.fullmatch(text)
    if found is None:
        raise ValueError(f"time {_quoted(text)}; expected hh:mm:ss.ttt or mm:ss.ttt")
    hours, minutes, seconds = found.groups()
    return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(seconds)


def _quoted(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
