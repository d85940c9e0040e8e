"""`PictureMaker`: from a decoded frame to an array of the size and colours asked for."""

from typing import Any, Literal, get_args

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from hebbstream.errors import ConfigurationError

Fit = Literal["stretch", "crop", "pad"]


class PictureMaker:
    """Scales and converts frames by FFmpeg, and turns them upright as their metadata say.

    Parameters
    ----------
    size
        (height, width); ``None`` takes the first frame's, for all.
    fit
        For frames of another shape: ``"stretch"``, ``"crop"`` what is too much on both sides, or ``"pad"`` with black.
    gray
        One channel of brightness instead of red, green and blue.

    Raises
    ------
    ConfigurationError
        If a size is not positive, or `fit` is none of the three.
    """

    def __init__(self, size: int | tuple[int, int] | None = None, *, fit: Fit = "stretch", gray: bool = False) -> None:
        self.size = (size, size) if isinstance(size, int) else size
        if self.size is not None and min(self.size) < 1:
            raise ConfigurationError(f"size={size}: expected positive numbers of pixels")
        if fit not in get_args(Fit):
            raise ConfigurationError(f"fit={fit!r}: expected one of {', '.join(get_args(Fit))}")
        self._fit = fit
        self._format = "gray" if gray else "rgb24"
        self._reformatter = VideoReformatter()  # one for all frames keeps FFmpeg's scaling context

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return (H, W, 3), or (H, W) of brightness, uint8."""
        quarter_turns = round(frame.rotation / 90) % 4
        lying = quarter_turns % 2 == 1
        height, width = (frame.width, frame.height) if lying else (frame.height, frame.width)
        self.size = self.size or (height, width)
        scaled = _scaled((height, width), self.size, self._fit)
        picture = self._reformatter.reformat(
            frame, width=scaled[not lying], height=scaled[lying], format=self._format, interpolation="AREA"
        )
        return _placed(np.rot90(picture.to_ndarray(), quarter_turns), self.size)


def _scaled(size: tuple[int, int], wanted: tuple[int, int], fit: Fit) -> tuple[int, int]:
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
