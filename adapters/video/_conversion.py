"""From a decoded frame to an array of the size and colours asked for."""

from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from hebbstream.adapters._picture import Fit, PictureFormat, StretchWarning


class FrameConverter:
    """Scales and converts frames by FFmpeg, and turns them upright as their metadata say.

    Parameters
    ----------
    form
        What to bring them into; without a size, the first frame's is every frame's.
    """

    def __init__(self, form: PictureFormat) -> None:
        self._fit, self._size = form.fit or "stretch", form.shape
        self._warning = StretchWarning(form)
        self._pixels = "gray" if form.gray else "rgb24"
        self._reformatter = VideoReformatter()  # one for all frames keeps FFmpeg's scaling context

    def __call__(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """Return (H, W, 3), or (H, W) of brightness, uint8."""
        quarter_turns = round(frame.rotation / 90) % 4
        lying = quarter_turns % 2 == 1
        height, width = (frame.width, frame.height) if lying else (frame.height, frame.width)
        self._warning.see(height, width)
        self._size = self._size or (height, width)
        scaled = _scaled((height, width), self._size, self._fit)
        picture = self._reformatter.reformat(
            frame, width=scaled[not lying], height=scaled[lying], format=self._pixels, interpolation="AREA"
        )
        return _placed(np.rot90(picture.to_ndarray(), quarter_turns), self._size)


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
