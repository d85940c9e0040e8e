"""`PictureFormat`: the size and channels that a source's pictures are brought into."""

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hebbstream.errors import ConfigurationError
from hebbstream.streams._item import size_of

if TYPE_CHECKING:
    from PIL.Image import Image

Fit = Literal["stretch", "crop", "pad"]

_log = logging.getLogger("hebbstream.adapters")
ORIENTATION = 0x0112  # of EXIF; 1 is upright
_SAME_SHAPE = 0.02  # of an aspect ratio, which whole pixels round
# Half of what FFmpeg can make: the size may come from a checkpoint.
_LONGEST_SIDE, _MOST_PIXELS = (1 << 16) - 1, 1 << 27


@dataclass(frozen=True, slots=True)
class PictureFormat:
    """The form that every picture of a source is brought into.

    Parameters
    ----------
    size
        (height, width) to scale to, bilinearly with antialiasing, or one number for both; ``None`` keeps the picture's.
    fit
        Where the picture has another aspect ratio: ``"stretch"`` it, ``"crop"`` what sticks out around its centre, or
        ``"pad"`` it with black. ``None`` stretches, too, and a warning in the log says so once.
    gray
        One channel of brightness instead of red, green and blue.

    Raises
    ------
    ConfigurationError
        If `size` is not positive, has a side above 65,535 or more than 2²⁷ pixels, or `fit` is unknown.

    Examples
    --------
    >>> from PIL import Image
    >>> PictureFormat(size=(16, 32), fit="crop").convert(Image.new("RGB", (640, 480))).shape
    (16, 32, 3)
    """

    size: int | tuple[int, int] | None = None
    fit: Fit | None = "stretch"
    gray: bool = False

    def __post_init__(self) -> None:
        if self.shape is not None and not can_be_made(self.shape):
            raise ConfigurationError(
                f"size={self.size}: expected sides of at most {_LONGEST_SIDE:,} and {_MOST_PIXELS:,} pixels in all"
            )
        if self.fit is not None and self.fit not in get_args(Fit):
            raise ConfigurationError(f"fit={self.fit!r}: expected {', '.join(map(repr, get_args(Fit)))}")

    @property
    def shape(self) -> tuple[int, int] | None:
        """`size` as (height, width)."""
        return None if self.size is None else size_of(self.size)

    def convert(self, image: "Image") -> "np.ndarray[Any, Any]":
        """Return an image, turned upright by its EXIF orientation, as uint8 of shape (H, W, 3), or (H, W) if `gray`.

        16 bits for a channel become 8. Transparency is left out, and colour profiles (ICC) are not applied.

        Raises
        ------
        ValueError
            If the image is of floating point, whose range is not known.
        """
        from PIL import Image, ImageOps

        image.load()  # its orientation may come after the picture
        # Pillow would copy one that is upright, or of that mode, all the same.
        upright = image if image.getexif().get(ORIENTATION, 1) == 1 else ImageOps.exif_transpose(image)
        if upright.mode == "F":
            raise ValueError("image of floating-point values: expected 8 or 16 bits for a channel")
        if upright.mode.startswith("I"):  # Pillow would clip its 16 bits instead of scaling them
            upright = Image.fromarray((np.asarray(upright).clip(0, 65535) >> 8).astype(np.uint8))
        mode = "L" if self.gray else "RGB"
        picture = upright if upright.mode == mode else upright.convert(mode)
        if self.shape is not None and picture.size != self.shape[::-1]:
            target, method = self.shape[::-1], Image.Resampling.BILINEAR
            if self.fit is None or self.fit == "stretch":
                picture = picture.resize(target, method)
            else:
                picture = {"crop": ImageOps.fit, "pad": ImageOps.pad}[self.fit](picture, target, method)
        return np.asarray(picture)


def can_be_made(size: tuple[int, int]) -> bool:
    """Whether FFmpeg can make a picture of (height, width), and memory hold it.

    Examples
    --------
    >>> can_be_made((1080, 1920)), can_be_made((100_000, 100_000))
    (True, False)
    """
    return max(size) <= _LONGEST_SIDE and math.prod(size) <= _MOST_PIXELS


class StretchWarning:
    """Says once, in the log, that pictures are stretched, where nobody asked for it.

    Parameters
    ----------
    form
        What pictures are brought into.
    """

    def __init__(self, form: PictureFormat) -> None:
        self._shape = form.shape if form.fit is None else None

    def see(self, height: int, width: int) -> None:
        """Take note of a picture as it came."""
        if self._shape is not None and abs(math.log(height * self._shape[1] / (width * self._shape[0]))) > _SAME_SHAPE:
            target, self._shape = "{1}×{0}".format(*self._shape), None
            _log.warning(
                "pictures of %d×%d are stretched to %s; fit crop or pad keeps their shape", width, height, target
            )
