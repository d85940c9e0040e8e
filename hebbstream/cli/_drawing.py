"""Frames with captions, written as a video."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from hebbstream._files import atomic_write, output_path, remove_leftovers
from hebbstream.errors import MissingDependencyError, OutputError

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

_FORMATS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
_CODECS = ("libx264", "mpeg4")  # not every build of FFmpeg has the first
_CLOCK = 1000  # ticks a second
_LEAST_HEIGHT = 240  # on which a caption can be read
_WHITE, _BLUE, _RED, _SHADE = (255, 255, 255), (66, 146, 224), (230, 57, 53), (0, 0, 0, 150)


@dataclass(frozen=True, slots=True)
class Caption:
    """What is written on a frame: a label, a confidence with its bar, more text, and a frame around it if it is `marked`."""

    label: str
    confidence: float | None = None
    extra: str = ""
    marked: bool = False


@contextmanager
def drawn_video(path: Path) -> Iterator["DrawnVideo"]:
    """Open a video to write; it takes its name when all of it is there.

    Raises
    ------
    MissingDependencyError
        If Pillow is not installed.
    OutputError
        If it cannot be written, or not in that format.
    """
    try:
        import PIL  # noqa: F401  # found missing now, not at the first frame
    except ImportError:
        raise MissingDependencyError("Pillow is not installed: pip install 'hebbstream[images]'") from None
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise OutputError(f"video {path}: expected a name that ends in {', '.join(_FORMATS)}")
    remove_leftovers(output_path(path))
    with atomic_write(path) as temporary, av.open(str(temporary), "w", format=form) as container:
        video = DrawnVideo(container)
        yield video
        video.finish()


class DrawnVideo:
    """A video under way; small frames are enlarged by a whole number, so that captions can be read."""

    def __init__(self, container: "av.container.OutputContainer") -> None:
        self._container = container
        self._stream: Any = None
        self._latest = -1

    def write(self, picture: "np.ndarray[Any, Any]", t: float, caption: Caption) -> None:
        """Append a frame, uint8 of shape (H, W, 3), at its time in seconds, with a caption."""
        factor = -(-_LEAST_HEIGHT // picture.shape[0])
        large = picture.repeat(factor, axis=0).repeat(factor, axis=1)
        even = large[: large.shape[0] // 2 * 2, : large.shape[1] // 2 * 2]  # as subsampled colour needs it
        if self._stream is None:
            self._stream = self._begun(even.shape[1], even.shape[0])
        frame = av.VideoFrame.from_ndarray(_drawn(even, caption), format="rgb24")
        self._latest = max(self._latest + 1, round(t * _CLOCK))
        frame.pts, frame.time_base = self._latest, Fraction(1, _CLOCK)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))

    def _begun(self, width: int, height: int) -> Any:
        codec = next(name for name in _CODECS if name in av.codecs_available)
        options = {"crf": "20", "preset": "veryfast"} if codec == "libx264" else {"qscale": "3"}
        stream: Any = self._container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _CLOCK)  # frames come when they come, not 25 a second
        return stream


def _drawn(picture: "np.ndarray[Any, Any]", caption: Caption) -> "np.ndarray[Any, Any]":
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(np.ascontiguousarray(picture))
    draw, (width, height) = ImageDraw.Draw(image, "RGBA"), image.size
    size = max(14, height // 22)
    font, margin = ImageFont.load_default(size), size // 2
    top = height - 2 * size
    draw.rectangle((0, top, width, height), fill=_SHADE)
    right = width - margin - draw.textlength(caption.extra, font)
    middle = top + size
    draw.text((right, middle), caption.extra, _WHITE, font, anchor="lm")
    share = "" if caption.confidence is None else f"  {caption.confidence:.0%}"
    room = right - 2 * margin - draw.textlength(share, font)
    draw.text((margin, middle), _shortened(draw, caption.label, font, room) + share, _WHITE, font, anchor="lm")
    if caption.confidence is not None:
        draw.rectangle((0, top - size // 5, round(width * caption.confidence), top), fill=_BLUE)
    if caption.marked:
        draw.rectangle((0, 0, width - 1, height - 1), outline=_RED, width=max(4, size // 3))
    return np.asarray(image)


def _shortened(draw: "ImageDraw", text: str, font: Any, room: float) -> str:
    if draw.textlength(text, font) <= room:
        return text
    while text and draw.textlength(text + "…", font) > room:
        text = text[:-1]
    return text + "…"
