"""`hebbstream search`."""

import argparse
import os
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

import hebbstream as hs
from hebbstream._files import expand_home
from hebbstream._quote import printable
from hebbstream.adapters._images import SUFFIXES, image_stream, picture_format, suffix
from hebbstream.adapters.video import open_video
from hebbstream.cli._features import read_features
from hebbstream.cli._medium import as_learned
from hebbstream.cli._signals import signal_of
from hebbstream.cli._source_options import add_fit, add_size
from hebbstream.cli._types import path, positive
from hebbstream.errors import ConfigurationError, DamagedFileError, SourceNotFoundError

USAGE = "FILE FRAME"
_DIGITS = 19  # of a number that no file has so many rows for


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("file", type=path, metavar="FILE", help=".npy or .parquet file that `hebbstream embed` wrote")
    parser.add_argument(
        "frame",
        type=expand_home,
        metavar="FRAME",
        help="what to look for: an image file; VIDEO@SECONDS, such as clip.mp4@12.5; or a row of FILE, from 0",
    )
    parser.add_argument(
        "--checkpoint",
        type=path,
        metavar="FILE",
        default=Path("run.safetensors"),
        help="checkpoint that the features were made with",
    )
    add_size(parser, "that of the frames learned")
    add_fit(parser)
    parser.add_argument("--count", type=positive, default=10, metavar="N", help="frames to find")
    parser.add_argument(
        "--apart", type=float, default=0.0, metavar="S", help="least seconds between two results of the same source"
    )


def run(options: argparse.Namespace) -> None:
    """Find the nearest frames."""
    if not options.apart >= 0:  # NaN is neither
        raise ConfigurationError(f"--apart {options.apart:g}: expected 0 or a positive number of seconds")
    query, vector = _query(options)
    cosines, times, sources = _cosines(options.file, vector)
    at = "" if query.t is None else f" at {query.t:.3f} s"
    print(f"nearest to {printable(query.source)}{at}, of {len(cosines):,} frames")
    print("cosine        time     row  source")
    for row in _nearest(cosines, times, _recordings(times, sources), options.count, options.apart):
        time = "-" if times[row] is None else f"{times[row]:.3f} s"
        print(f"{cosines[row]:6.4f}  {time:>10}  {row:6}  {printable(sources[row] or '')}".rstrip())
    print("nothing was written")


def _query(options: argparse.Namespace) -> tuple[hs.Sample, Any]:
    """Return what to look for, and its features."""
    name = options.frame
    if name.isdecimal() and len(name) < _DIGITS and not os.path.isfile(name):  # noqa: PTH113  # `Path` fails on a text too long for a path
        found = _row(options.file, int(name))
        return found, found.x
    net = hs.Learner.load(options.checkpoint).net
    found = _frame(options, net)
    return found, net.transform_one(found.x).cpu().numpy()


def _row(file: Path, row: int) -> hs.Sample:
    """Return what a file of features holds in a row, with the features as ``x``."""
    count = 0
    for rows, times, sources in read_features(file):
        if row - count < len(rows):
            place = row - count
            return hs.Sample(rows[place], t=times[place], source=sources[place] or f"row {row}")
        count += len(rows)
    raise ConfigurationError(f"row {row} of {file}: expected one of its {count}, the first being 0")


def _frame(options: argparse.Namespace, net: hs.SoftHebbNet) -> hs.Sample:
    """Return the frame to look for."""
    size, fit, gray = options.size or net.frame_size, options.fit, net.in_channels == 1
    name, start = options.frame, 0.0
    if not os.path.isfile(name):  # noqa: PTH113
        name, start = _moment(name)
    if signal_of(options, name):
        raise ConfigurationError(f"{options.frame}: expected a picture; of sound and tables, a row of {options.file}")
    as_learned(options, net, name)
    if name == options.frame and suffix(name) in SUFFIXES:
        image = Path(name)
        sample = next(image_stream(iter([(image, None, image.name)]), picture_format(size, fit, gray), name), None)
        if sample is None:
            raise DamagedFileError(f"{name}: expected an image that can be decoded")
        return sample
    with open_video(name, size=size, fit=fit, gray=gray, start=start, prefetch=0) as frames:
        found = next(frames, None)
    if found is None:
        raise ConfigurationError(f"{options.frame}: expected a moment before the end of the video")
    return found


def _moment(text: str) -> tuple[str, float]:
    """Read ``VIDEO@SECONDS``."""
    video, at, seconds = text.rpartition("@")
    if not at:
        raise SourceNotFoundError(f"no file at {text}: expected an image, or VIDEO@SECONDS")
    try:
        return video, float(seconds)
    except ValueError:
        raise ConfigurationError(f"{text!r}: expected an image, or VIDEO@SECONDS, such as clip.mp4@12.5") from None


def _cosines(file: Path, vector: Any) -> tuple[Any, list[float | None], list[str | None]]:
    """Return each row's cosine with a vector, its time and its source."""
    found: list[Any] = []
    times: list[float | None] = []
    sources: list[str | None] = []
    for rows, some_times, some_sources in read_features(file):
        if rows.shape[1] != vector.size:
            raise ConfigurationError(
                f"{file} of {rows.shape[1]} features, FRAME of {vector.size}: expected the checkpoint and the size that"
                " it was embedded with"
            )
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(vector)
        found.append(rows @ vector / np.maximum(lengths, np.finfo(np.float32).tiny))
        times += some_times
        sources += some_sources
    return np.concatenate([np.zeros(0, np.float32), *found]), times, sources


def _recordings(times: list[float | None], sources: list[str | None]) -> list[tuple[str | None, int]]:
    """Return which recording each row is of: by its name and, as files in several folders may share it, where time goes back.

    Examples
    --------
    >>> _recordings([0.0, 0.5, 0.0, 0.5], ["a.mp4"] * 4)
    [('a.mp4', 0), ('a.mp4', 0), ('a.mp4', 1), ('a.mp4', 1)]
    """
    latest: dict[str | None, tuple[float, int]] = {}
    found = []
    for t, source in zip(times, sources, strict=True):
        before, number = latest.get(source, (-inf, 0))
        if t is not None:
            number += t < before
            latest[source] = t, number
        found.append((source, number))
    return found


def _nearest(
    cosines: Any, times: list[float | None], recordings: list[tuple[str | None, int]], count: int, apart: float
) -> list[int]:
    """Return the rows of the greatest cosines, greatest first, none too near another in time."""
    chosen: list[int] = []
    for row in np.argsort(-cosines, kind="stable").tolist():
        if len(chosen) == count:
            break
        t = times[row]
        beside = (times[other] for other in chosen if recordings[other] == recordings[row])
        if t is None or not any(other is not None and abs(t - other) < apart for other in beside):
            chosen.append(row)
    return chosen
