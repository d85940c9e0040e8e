"""Samples from tar shards in the layout of webdataset."""

import glob
import io
import json
import logging
import os
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from hebbstream._files import expand_home
from hebbstream._quote import first_line, printable
from hebbstream.adapters._images import image_stream, picture_format
from hebbstream.adapters._known import files_fingerprint
from hebbstream.adapters._picture import Fit
from hebbstream.adapters._tar import read_groups
from hebbstream.errors import ConfigurationError, DamagedFileError, MissingDependencyError, SourceNotFoundError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

__all__ = ["open_shards"]

_log = logging.getLogger("hebbstream.adapters.shards")


def open_shards(
    shards: str | Path | Sequence[str | Path],
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit | None = "stretch",
    gray: bool = False,
    label: str = "label",
) -> Stream[Sample]:
    """Open tar files in the layout of webdataset as a stream of samples, in the order in which they lie there.

    Files side by side that share the name before the suffix are one sample: an image, and a label from the first of
    ``.cls`` (a number, or else text), ``.txt`` (text) and ``.json`` (a number or text, or an object that holds it). A name
    may have dots, as in ``22.05.jpg``. Fields between name and suffix, which begin with a letter, tell several images of
    a sample apart: ``1.left.jpg`` and ``1.right.jpg`` are two samples with the label of ``1.cls``; beside ``1.jpg``, those
    without a label of their own, such as ``1.mask.png``, are left out. Other files are not even read, so nothing is
    unpickled, and only local files are opened, so no command is started. `hebbstream.streams.shuffle` mixes the order.

    Parameters
    ----------
    shards
        Paths of tar files, compressed or not; in a string that names no file, braces and wildcards:
        ``"train-{000..099}.tar"``, ``"train-*.tar"``.
    size, fit, gray
        See `PictureFormat`.
    label
        Name of the label in a JSON object; an object without it gives none.

    Returns
    -------
    Stream
        As of `hebbstream.adapters.images.open_images`; the source is ``shard.tar/name``, with the shard's path where two have one name. ``stats.corrupt`` counts labels
        without an image too; the logger ``hebbstream.adapters.shards`` says of each shard how many images or labels had
        no counterpart, as where they do not lie side by side.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    DamagedFileError
        While iterating, if a tar file is cut or damaged, a sample holds more than a gibibyte, or a label cannot be read.
    ConfigurationError
        If an option cannot work, `shards` is empty, or it names anything but local files (``pipe:``, ``http:``).
    MissingDependencyError
        If Pillow or braceexpand is not installed.

    Examples
    --------
    >>> import tarfile, tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> Image.new("RGB", (40, 30)).save(folder / "0001.png")
    >>> _ = (folder / "0001.cls").write_text("7")
    >>> with tarfile.open(folder / "train-0.tar", "w") as tar:
    ...     for name in ("0001.cls", "0001.png"):
    ...         tar.add(folder / name, arcname=name)
    >>> list(open_shards(f"{folder}/train-{{0..0}}.tar", size=32))
    [Sample(x=uint8 (32, 32, 3), y=7, source='train-0.tar/0001')]
    """
    form = picture_format(size, fit, gray)
    try:
        from braceexpand import UnbalancedBracesError, braceexpand  # type: ignore[attr-defined]  # not in its stub
    except ImportError:
        raise MissingDependencyError("braceexpand is not installed: pip install 'hebbstream[images]'") from None
    try:
        if isinstance(shards, Path) or (isinstance(shards, str) and os.path.exists(expand_home(shards))):  # noqa: PTH110
            patterns: Iterable[str | Path] = [shards]
        else:  # a backslash is Windows' own
            patterns = braceexpand(shards, escape=False) if isinstance(shards, str) else shards
            patterns = patterns if isinstance(patterns, Iterable) else ()
        paths = list(chain.from_iterable(_local(str(pattern)) for pattern in patterns))
    except UnbalancedBracesError:
        raise ConfigurationError(f"shards {str(shards)!r}: expected balanced braces") from None
    if not paths:
        raise ConfigurationError(f"shards={shards!r}: expected at least one tar file")
    stats = StreamStats()
    unique = len({path.name for path in paths}) == len(paths)
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return image_stream(
        chain.from_iterable(_shard(path, path.name if unique else str(path), label, stats) for path in paths),
        form,
        f"open_shards({paths[0].name!r}{others})",
        stats=stats,
        known_by=files_fingerprint(paths, "shard"),
    )


def _local(pattern: str) -> list[Path]:
    path = expand_home(pattern)
    exists = os.path.exists(path)  # noqa: PTH110  # `Path.exists` raises for a name that is too long
    if not exists and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", pattern):
        raise ConfigurationError(f"shards {pattern!r}: expected the path of a local file, not an address or a command")
    matches = [] if "\0" in path else [path] if exists else sorted(glob.glob(path))  # noqa: PTH207  # absolute ones too
    found = [path for path in map(Path, matches) if path.is_file()]
    if not found:
        raise SourceNotFoundError(f"no file at {printable(pattern)}")
    return found


def _shard(path: Path, shown: str, label: str, stats: StreamStats) -> Iterator[tuple[Any, Hashable, str]]:
    """Yield image, label and source of a shard's samples, and say in the end what had no counterpart."""
    labelled = unlabelled = lost = beside = 0
    for group in read_groups(path):
        images = list(group.images())
        lost += group.count_lost_labels()
        stats.corrupt += group.count_lost_labels()
        beside += group.count_images() - len(images)
        for name, content, files in images:
            source = f"{shown}/{name}"
            y = _label(files, label, source)
            labelled, unlabelled = labelled + (y is not None), unlabelled + (y is None)
            yield io.BytesIO(content), y, source
    counts = {
        "labels without an image": lost,
        "images without a label": unlabelled if labelled or lost else 0,  # a shard may well be one of images alone
        "images with a further field beside one without, left out": beside,
    }
    if found := ", ".join(f"{count} {what}" for what, count in counts.items() if count):
        _log.warning("%s: %s; expected a sample's files side by side, of one name", path, found)


def _label(sample: Mapping[str, bytes], name: str, source: str) -> Hashable:
    try:
        for kind in ("cls", "txt"):
            if kind in sample:
                text = sample[kind].decode().strip()
                return int(text) if kind == "cls" and re.fullmatch(r"[+-]?[0-9]+", text) else text
        value: Any = json.loads(sample["json"]) if "json" in sample else None
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{source}: its label cannot be read ({first_line(error)})") from error
    value = value.get(name) if isinstance(value, dict) else value
    if value is not None and not isinstance(value, str | int | float):
        raise DamagedFileError(f"{source}: its label is {value!r}: expected a number or text")
    return value
