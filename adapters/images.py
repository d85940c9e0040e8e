"""Samples from folders of image files, by Pillow."""

import os
import random
from pathlib import Path

from hebbstream.adapters._common import expand_home
from hebbstream.adapters._images import SUFFIXES, image_stream, picture_format, suffix
from hebbstream.adapters._known import files_fingerprint
from hebbstream.adapters._picture import Fit
from hebbstream.errors import EmptyStreamError, SourceNotFoundError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Stream

__all__ = ["open_images"]

_FIRST = 16  # pictures that a folder is known by


def open_images(
    folder: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit | None = "stretch",
    gray: bool = False,
    shuffle: bool = False,
    seed: int = 0,
) -> Stream[Sample]:
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
    Stream
        Of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, and the path within the folder as its
        source. Damaged images are left out: each is reported to the logger ``hebbstream.adapters.images``, and
        ``stats.corrupt`` counts them.

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
    root = Path(expand_home(folder))
    if not root.is_dir():
        raise SourceNotFoundError(f"no folder at {root}")
    names = sorted(
        Path(place, name).relative_to(root).as_posix()
        for place, _, files in os.walk(root)
        for name in files
        if suffix(name) in SUFFIXES and not name.startswith(".")
    )
    if not names:
        raise EmptyStreamError(
            f"{root}: it holds no image: expected files named .{', .'.join(SUFFIXES)}; of videos, a pattern such as '{root / '*.mp4'}'"
        )
    if shuffle:
        random.Random(seed).shuffle(names)  # noqa: S311  # an order, not a secret
    items = ((root / name, name.split("/")[0] if "/" in name else None, name) for name in names)
    name = f"open_images({root.name or str(root)!r})"
    return image_stream(items, form, name, len(names), known_by=_fingerprint(root, names))


def _fingerprint(root: Path, names: list[str]) -> str | None:
    """Return by what a folder is known again: its first pictures, as more may come after them."""
    return files_fingerprint([root / name for name in names[:_FIRST]], "image")
