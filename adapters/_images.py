"""What image folders and shards share: which files are images, and how they become samples."""

import logging
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from hebbstream._quote import first_line
from hebbstream.adapters._picture import ORIENTATION, Fit, PictureFormat, StretchWarning
from hebbstream.errors import MissingDependencyError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

_log = logging.getLogger("hebbstream.adapters.images")
# Only formats that Pillow decodes itself: for EPS it would start Ghostscript, whatever the file is called.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
_FIRST_LYING = 5  # orientation of EXIF
SUFFIXES = ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm")
_HIDDEN = ("@eaDir", "#recycle", "$RECYCLE.BIN", "__MACOSX")  # of Synology, Windows and macOS


def image_stream(
    items: Iterator[tuple[Any, Hashable, str]],
    form: PictureFormat,
    name: str,
    length: int | None = None,
    stats: StreamStats | None = None,
    known_by: str | Callable[[int | None], str | None] | None = None,
) -> Stream[Sample]:
    """Return the samples of image files.

    Parameters
    ----------
    items
        Each image, a path or an open file, with its label and its source. Damaged ones are left out, reported to the
        logger ``hebbstream.adapters.images``, and counted as ``corrupt``.
    form
        What to bring them into.
    name
        Of the stream.
    length
        Number of images; ``None`` where it is not known.
    stats
        That the items count in too.
    known_by
        See `Stream`.
    """
    stats = StreamStats() if stats is None else stats
    return Stream(_decoded(items, form, stats), name=name, length=length, stats=stats, known_by=known_by)


def _decoded(items: Iterator[tuple[Any, Hashable, str]], form: PictureFormat, stats: StreamStats) -> Iterator[Sample]:
    from PIL import Image

    warning = StretchWarning(form)
    for file, label, source in items:
        try:
            with Image.open(file, formats=_FORMATS) as image:
                picture = form.convert(image)
                lying = image.getexif().get(ORIENTATION, 1) >= _FIRST_LYING
                warning.see(*(image.size if lying else image.size[::-1]))
        except Exception as error:  # Pillow's decoders raise many kinds on damage
            stats.corrupt += 1
            _log.warning("%s: skipped, it cannot be decoded (%s)", source, first_line(error))
            continue
        yield Sample(picture, label, None, source)


def picture_format(size: int | tuple[int, int] | None, fit: Fit | None, gray: bool) -> PictureFormat:
    """Return a `PictureFormat`, or the `MissingDependencyError` that would otherwise come with the first picture."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise MissingDependencyError("Pillow is not installed: pip install 'hebbstream[images]'") from None
    return PictureFormat(size, fit, gray)


def suffix(name: str) -> str:
    """Return what follows a file name's last dot, in lower case."""
    return name.lower().rpartition(".")[2]


def hidden(name: str) -> bool:
    """Whether a file or folder is none of its owner's: thumbnails, what was deleted, copies of Jupyter."""
    return name.startswith(".") or name in _HIDDEN
