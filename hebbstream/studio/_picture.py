"""`Picture`: one frame of a source; and what pictures become: small, or compressed."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from hebbstream.errors import InputError

Pixels = np.ndarray[Any, Any]
Draw = Callable[[], Pixels]

MOST_BYTES = 1 << 19  # of a picture that a browser sends
_MOST_SIDE = 1280
_QUICKEST = Image.Resampling.BOX  # half of what the default takes, which is most of what a picture costs


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame as it came.

    Parameters
    ----------
    source
        Number of the source.
    number
        Of the frame, from 1, in its source.
    shown
        What people see, uint8, (H, W, 3); or a function that draws it, where it is asked for.
    t
        Its time in the source, in seconds, or ``None``.
    captured
        When it came in, by `time.monotonic`.
    sample
        What the network is given, where that is no picture: float32, (C, T) or (bands, columns).
    """

    source: int
    number: int
    shown: Pixels | Draw
    t: float | None
    captured: float
    sample: Pixels | None = None

    @property
    def pixels(self) -> Pixels:
        """What people see, uint8, (H, W, 3)."""
        return self.shown() if callable(self.shown) else self.shown

    @property
    def size(self) -> tuple[int, ...]:
        """Of what the network can be given, (rows, columns)."""
        source = self.shown if self.sample is None else self.sample
        return () if callable(source) else source.shape[:2]


def scaled(pixels: Pixels, size: tuple[int, int], *, gray: bool = False) -> Pixels:
    """Return a picture at (height, width), each pixel the mean of those it covers; (H, W) of brightness if `gray`.

    Examples
    --------
    >>> scaled(np.full((4, 6, 3), 9, np.uint8), (2, 3)).shape
    (2, 3, 3)
    """
    image = Image.fromarray(pixels)
    if gray != (image.mode == "L"):
        image = image.convert("L" if gray else "RGB")
    if (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(image)


def jpeg(pixels: Pixels, width: int, quality: int = 75) -> bytes:
    """Return a picture as JPEG, at most so wide."""
    image = Image.fromarray(pixels)
    if image.width > width:
        image = image.resize((width, max(1, round(image.height * width / image.width))), _QUICKEST)
    return _written(image, "JPEG", quality=quality, subsampling=0 if quality > 85 else 2)


def png(pixels: Pixels) -> bytes:
    """Return a picture as PNG."""
    return _written(Image.fromarray(pixels), "PNG")


def read_jpeg(data: bytes) -> Pixels:
    """Return the pixels of a JPEG that a browser sent.

    Raises
    ------
    InputError
        If it is too large, or anything else.
    """
    if len(data) > MOST_BYTES:
        raise InputError(f"picture of {len(data):,} bytes: expected at most {MOST_BYTES:,}")
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            if max(image.size) > _MOST_SIDE or min(image.size) < 8:
                raise InputError(f"picture of {image.width}×{image.height}: expected sides of 8 to {_MOST_SIDE} pixels")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:  # Pillow's, of what is damaged
        if isinstance(error, InputError):
            raise
        raise InputError("picture that cannot be read: expected a JPEG") from None


def _written(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
