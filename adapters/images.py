"""Samples from folders of image files, by Pillow."""

import logging
import os
import random
from collections.abc import Generator, Hashable, Iterator
from pathlib import Path
from typing import Any

from hebbstream.adapters._picture import Fit, PictureFormat
from hebbstream.adapters._stream import SampleStream, first_line
from hebbstream.errors import EmptyStreamError, MissingDependencyError, SourceNotFoundError
from hebbstream.streams._sample import Sample

_log = logging.getLogger(__name__)
# Only formats that Pillow decodes itself: for EPS it would start Ghostscript, whatever the file is called.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
SUFFIXES = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff", "ppm", "pgm", "pbm")


class ImageStream(SampleStream):
    """Samples from image files; made by `open_images` and `hebbstream.adapters.shards.open_shards`.

    Attributes
    ----------
    skipped : int
        Damaged images left out so far. Each is reported to the logger ``hebbstream.adapters.images``.
    """

    def __init__(self, items: Iterator[tuple[Any, Hashable, str]], form: PictureFormat, length: int = 0) -> None:
        super().__init__(self._read(items, form), length)
        self.skipped = 0

    def _read(self, items: Iterator[tuple[Any, Hashable, str]], form: PictureFormat) -> Generator[Sample, None, None]:
        from PIL import Image

        for file, label, source in items:
            try:
                with Image.open(file, formats=_FORMATS) as image:
                    picture = form.convert(image)
            except Exception as error:  # Pillow's decoders raise many kinds on damage
                self.skipped += 1
                self._left = max(0, self._left - 1)
                _log.warning("%s: skipped, it cannot be decoded (%s)", source, first_line(error))
                continue
            yield Sample(picture, label, None, source)


def open_images(
    folder: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit = "stretch",
    gray: bool = False,
    shuffle: bool = False,
    seed: int = 0,
) -> ImageStream:
    """Open a folder of image files as a stream of samples.

    A picture's label is the name of the folder's sub-folder that it lies in, at any depth; one that lies in the folder
    itself has none. Files of other suffixes, hidden files, and links to folders are passed over.

    Parameters
    ----------
    folder
        Of .jpg, .jpeg, .png, .webp, .bmp, .gif (its first picture), .tif, .tiff, .ppm, .pgm or .pbm files.
    size, fit, gray
        See `PictureFormat`.
    shuffle
        Random order instead of the order of the paths, which is one class after the other.
    seed
        Of the random order.

    Returns
    -------
    ImageStream
        An iterator of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, and the path within the
        folder as its source.

    Raises
    ------
    SourceNotFoundError
        If there is no such folder.
    EmptyStreamError
        If it holds no image file.
    ConfigurationError
        If an option cannot work.
    MissingDependencyError
        If Pillow is not installed.

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
    root = Path(folder)
    if not root.is_dir():
        raise SourceNotFoundError(f"no folder at {root}")
    names = sorted(
        Path(place, name).relative_to(root).as_posix()
        for place, _, files in os.walk(root)
        for name in files
        if suffix(name) in SUFFIXES and not name.startswith(".")
    )
    if not names:
        raise EmptyStreamError(f"{root}: it holds no image: expected files named .{', .'.join(SUFFIXES)}")
    if shuffle:
        random.Random(seed).shuffle(names)  # noqa: S311  # an order, not a secret
    items = ((root / name, name.split("/")[0] if "/" in name else None, name) for name in names)
    return ImageStream(items, form, len(names))


def picture_format(size: int | tuple[int, int] | None, fit: Fit, gray: bool) -> PictureFormat:
    """Return a `PictureFormat`, or the `MissingDependencyError` that would otherwise come with the first picture."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise MissingDependencyError("Pillow is not installed: pip install 'hebbstream[images]'") from None
    return PictureFormat(size, fit, gray)


def suffix(name: str) -> str:
    """Return what follows a file name's last dot, in lower case."""
    return name.lower().rpartition(".")[2]
