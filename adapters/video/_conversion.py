"""From a decoded frame to an array of the size and colours asked for."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from hebbstream.adapters._picture import Fit, PictureFormat, StretchWarning, can_be_made
from hebbstream.errors import ConfigurationError

ChooseSize = Callable[[tuple[int, int]], tuple[int, int]]
# One thread scales a small frame sooner than several are woken, and leaves the others to learning. Earlier versions of PyAV do
# not let us choose.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if "threads" in (VideoReformatter.reformat.__doc__ or "") else {}
_NEW_KINDS = 12  # of side data, at most, in FFmpeg before PyAV


class FrameConverter:
    """Scales and converts frames by FFmpeg, and turns and mirrors them as their metadata say.

    Parameters
    ----------
    form
        What to bring them into; without a size, the first frame's is every frame's, with square pixels.
    choose
        Returns that size for the first frame's (height, width), in place of the form's.
    """

    def __init__(self, form: PictureFormat, choose: ChooseSize | None = None) -> None:
        self._form, self._choose, self._fit = form, choose, form.fit or "stretch"
        self.size = form.shape
        """(height, width) of every frame; ``None`` where only the first one tells."""
        self._warning = StretchWarning(form)
        self._pixels = "gray" if form.gray else "rgb24"
        self._reformatter = VideoReformatter()  # one for all frames keeps FFmpeg's scaling context

    def __call__(self, frame: av.VideoFrame, pixel_aspect: float = 1.0) -> NDArray[np.uint8]:
        """Return (H, W, 3), or (H, W) of brightness, uint8; a stored pixel is `pixel_aspect` times as wide as high."""
        transposed, *mirrored = _orientation(frame)
        shape = frame.height, max(1, round(frame.width * pixel_aspect))
        shape = shape[::-1] if transposed else shape
        if self._choose is not None:
            self._form, self._choose = replace(self._form, size=self._choose(shape)), None
            self.size, self._warning = self._form.shape, StretchWarning(self._form)
        self._warning.see(*shape)
        self.size = self.size or shape
        scaled = scaled_size(shape, self.size, self._fit)
        if self._fit == "crop" and not can_be_made(scaled):
            raise ConfigurationError(
                f"size={self.size}, fit='crop' for pictures of {shape}: expected a shape like theirs"
            )
        height, width = scaled[::-1] if transposed else scaled
        picture = self._reformatter.reformat(
            frame, width=width, height=height, format=self._pixels, interpolation="AREA", **_ONE_THREAD
        ).to_ndarray()
        upright = picture.swapaxes(0, 1) if transposed else picture
        return _placed(upright[tuple(slice(None, None, -1 if mirror else 1) for mirror in mirrored)], self.size)


def _orientation(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Return whether to transpose the stored picture, then to turn its rows and its columns about."""
    data = _matrix(frame)
    if data is None:
        return False, False, False
    # Of a stored point (x, y), counted down and to the right, x' = ax + cy and y' = bx + dy are shown.
    a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, d < 0, a < 0
    return True, b < 0, c < 0


def _matrix(frame: av.VideoFrame) -> Any:
    try:
        return frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV does not know all that FFmpeg may lay beside it, such as a photograph's metadata
        unknown = len(Type)
        graph = Graph()
        graph.link_nodes(
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 25)),
            *(graph.add("sidedata", f"mode=delete:type={kind}") for kind in range(unknown, unknown + _NEW_KINDS)),
            graph.add("buffersink"),
        ).configure()
        graph.push(frame)
        known: Any = graph.pull()
        return known.side_data.get("DISPLAYMATRIX")


def scaled_size(size: tuple[int, int], wanted: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Return the (height, width) to scale a picture to before it is cut or padded to the one wanted.

    Examples
    --------
    >>> scaled_size((480, 640), (32, 32), "crop")
    (32, 43)
    """
    if fit == "stretch":
        return wanted
    factor = (max if fit == "crop" else min)(wanted[0] / size[0], wanted[1] / size[1])
    return max(1, round(factor * size[0])), max(1, round(factor * size[1]))


def _placed(array: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Put the middle of a picture into the middle of one of another size."""
    if array.shape[:2] == size:
        return np.ascontiguousarray(array)
    placed = np.zeros(size + array.shape[2:], np.uint8)
    middle = tuple(min(ours, theirs) for ours, theirs in zip(size, array.shape, strict=False))
    placed[_centred(size, middle)] = array[_centred(array.shape, middle)]
    return placed


def _centred(whole: tuple[int, ...], part: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice((w - p) // 2, (w - p) // 2 + p) for w, p in zip(whole, part, strict=False))
