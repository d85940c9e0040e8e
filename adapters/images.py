"""Samples from folders of image files, by Pillow."""

import logging
import os
import random
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from functools import partial
from pathlib import Path

from hebbstream._files import expanded_path
from hebbstream._numbers import checked_seed
from hebbstream._quote import printable
from hebbstream.adapters._file_labels import labelled, read_file_labels
from hebbstream.adapters._images import SUFFIXES, hidden, image_stream, picture_format, suffix
from hebbstream.adapters._known import digest, files_fingerprint
from hebbstream.adapters._picture import Fit
from hebbstream.errors import EmptyStreamError, SourceNotFoundError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

__all__ = ["open_images"]

_log = logging.getLogger("hebbstream.adapters.images")
_NOT_READ = (
    "heic", "heif", "avif", "jxl", "jp2", "psd", "cr2", "cr3", "nef", "arw", "dng", "orf", "raf", "rw2", "pef", "srw"
)  # fmt: skip
_FIRST = 16  # pictures by whose content a folder is known; of the others, by their names


def open_images(
    folder: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit | None = "stretch",
    gray: bool = False,
    labels: str | Path | Mapping[str, Hashable] | None = None,
    shuffle: bool = False,
    seed: int = 0,
) -> Stream[Sample]:
    """Open a folder of image files as a stream of samples.

    A picture's label is the name of the folder's sub-folder that it lies in, at any depth; one that lies in the folder
    itself has none. With `labels`, these count alone. Files of other suffixes, hidden files and folders, thumbnails of a Synology
    disk, links to folders, and pipes are passed over; the logger ``hebbstream.adapters.images`` says how many links, and pictures of formats that are not read.

    Parameters
    ----------
    folder
        Of .jpg, .jpeg, .jpe, .jfif, .png, .webp, .bmp, .gif (its first picture), .tif, .tiff, .ppm, .pgm or .pbm files.
    size, fit, gray
        See `PictureFormat`.
    labels
        A table with the columns ``file_name`` and ``label``, CSV, Parquet or .jsonl, as Hugging Face's folders of images have one, or
        the same as a mapping. Names are paths within the folder, or within the one above it, and may lack their suffix. Pictures that it does
        not name have no label; how many these are is logged.
    shuffle
        Random order instead of the order of the paths, which is one class after the other.
    seed
        Of the random order.

    Returns
    -------
    Stream
        Of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, and the path within the folder as its
        source. Damaged images are left out, as are sub-folders that cannot be read: each is reported to the logger
        ``hebbstream.adapters.images``, and ``stats.corrupt`` counts them.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    EmptyStreamError
        If it holds no image file.
    ConfigurationError
        If an option cannot work, or the table has no such columns or no label of a picture here.
    StreamError
        If the table cannot be read.
    MissingDependencyError
        If Pillow is not installed, or pyarrow and the table is in Parquet.

    Examples
    --------
    >>> import tempfile
    >>> from PIL import Image
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "cat").mkdir()
    >>> Image.new("RGB", (40, 30)).save(folder / "cat" / "1.png")
    >>> list(open_images(folder, size=32))
    [Sample(x=uint8 (32, 32, 3), y='cat', source='cat/1.png')]
    """
    form = picture_format(size, fit, gray)
    named = read_file_labels(labels) if isinstance(labels, str | Path) else labels
    root = expanded_path(folder)
    if not os.path.isdir(root):  # noqa: PTH112  # `Path.is_dir` raises for a name that is too long
        raise SourceNotFoundError(f"no folder at {printable(root)}")
    unread: list[OSError] = []
    passed_over: Counter[str] = Counter()
    names = sorted(_names(root, unread, passed_over))
    for error in unread:
        _log.warning("%s: skipped, the folder cannot be read (%s)", error.filename, error.strerror)
    if passed_over:
        found = ", ".join(f"{count} {what}" for what, count in sorted(passed_over.items()))
        _log.warning(
            "%s: passed over: %s; expected pictures as .jpg, .png or .tif, and folders themselves", root, found
        )
    if not names:
        raise EmptyStreamError(
            f"{root}: it holds no image: expected files named .{', .'.join(SUFFIXES)}; of videos or tables, a pattern such as '{root / '*.mp4'}'"
        )
    given = (
        {name: name.split("/")[0] for name in names if "/" in name} if named is None else labelled(names, named, root)
    )
    if named is not None and len(given) < len(names):
        _log.warning("%s: %d of %d pictures have no label", root, len(names) - len(given), len(names))
    if shuffle:
        random.Random(checked_seed(seed)).shuffle(names)  # noqa: S311  # an order, not a secret
    items = ((root / name, given.get(name), name) for name in names)
    name = f"open_images({root.name or str(root)!r})"
    stats = StreamStats(corrupt=len(unread))
    first = files_fingerprint([root / name for name in names[:_FIRST]], "image")
    known_by = partial(_fingerprint, first, names[_FIRST:])
    return image_stream(items, form, name, len(names), stats, known_by)


def _fingerprint(first: str | None, others: list[str], count: int | None) -> str | None:
    """Return by what a folder is known: the first pictures, and the names of so many others, as one among them moves those behind it."""
    others = others[:count]
    if first is None or not others:
        return first
    return f"{first}#{len(others)}:{digest(os.fsencode(chr(0).join(others)))}"


def _names(root: Path, unread: list[OSError], passed_over: Counter[str]) -> Iterator[str]:
    """Yield the path of each picture within a folder.

    `unread` gets what was wrong with folders that cannot be read, `passed_over` how many there were of what people may miss.
    """
    for place, folders, files in os.walk(root, onerror=unread.append):
        folders[:] = [name for name in folders if not hidden(name)]
        passed_over.update("links to folders" for name in folders if os.path.islink(os.path.join(place, name)))  # noqa: PTH114, PTH118
        for name in files:
            kind = suffix(name)
            if hidden(name) or kind not in (*SUFFIXES, *_NOT_READ):
                continue
            path = Path(place, name)
            if kind in _NOT_READ:
                passed_over[f"pictures as .{kind}"] += 1
            elif not _is_special(path):
                yield path.relative_to(root).as_posix()


def _is_special(path: Path) -> bool:
    """Whether it is a pipe or the like, on which reading would wait; not what cannot be found, which is to be told."""
    return not os.path.isfile(path) and os.path.exists(path)  # noqa: PTH110, PTH113  # `Path` raises where it may not look
