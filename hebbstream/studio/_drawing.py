"""Samples as people see them: a spectrogram in colours, the curves of a signal, or the picture itself."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw

from hebbstream.studio._picture import Pixels

Kind = Literal["pictures", "sound", "signal"]
Portrait = Callable[[Pixels], Pixels]

PAPER = (20, 17, 28)
# Light enough on dark to be told apart, also by those who see few colours.
INKS = ((249, 165, 143), (120, 190, 255), (250, 215, 110), (150, 220, 165), (215, 165, 245), (200, 200, 205))
_SCALE = 2  # drawn at twice the size and reduced, which smooths the lines
# Dark for nothing, light for loud, in even steps of lightness.
_RAMP = np.array([PAPER, (87, 15, 109), (187, 55, 84), (249, 142, 9), (252, 255, 164)], float)
_COLOURS = np.stack(
    [np.interp(np.linspace(0, len(_RAMP) - 1, 256), range(len(_RAMP)), band) for band in _RAMP.T], axis=1
).astype(np.uint8)


def spectrogram(values: "np.ndarray[Any, Any]") -> Pixels:
    """Return a spectrogram (bands, columns), values in [0, 1], as a picture: low bands at the bottom, loud ones light.

    Examples
    --------
    >>> spectrogram(np.zeros((64, 100), np.float32)).shape
    (64, 100, 3)
    """
    picture: Pixels = _COLOURS[(255 * values[::-1].clip(0, 1)).astype(np.uint8)]
    return picture


def curves(values: "np.ndarray[Any, Any]", size: tuple[int, int] = (96, 144)) -> Pixels:
    """Return a signal (C, T) as a picture of (height, width), a line for each channel, all by the same scale.

    Examples
    --------
    >>> curves(np.sin(np.arange(200).reshape(2, 100) / 9)).shape
    (96, 144, 3)
    """
    height, width = _SCALE * size[0], _SCALE * size[1]
    image = Image.new("RGB", (width, height), PAPER)
    ink = ImageDraw.Draw(image)
    values = _thinned(values, width)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    margin = 0.08 * height
    scale = (height - 2 * margin) / (high - low) if high > low else 0.0
    across = np.linspace(0, width - 1, values.shape[1])
    for channel, row in enumerate(values):
        down = height - margin - (row - low) * scale if scale else height / 2 + 0 * row
        points = [(float(x), float(y)) for x, y in zip(across, down, strict=True) if np.isfinite(y)]
        if len(points) > 1:
            ink.line(points, fill=INKS[channel % len(INKS)], width=max(2, height // 90), joint="curve")
    return np.asarray(image.reduce(_SCALE))


def _thinned(values: "np.ndarray[Any, Any]", most: int) -> "np.ndarray[Any, Any]":
    """Return what a line of so many points shows of longer ones: the least and the greatest value of each piece."""
    piece = 2 * values.shape[1] // most
    if piece < 2:
        return values
    pieces = values[:, -(values.shape[1] // piece * piece) :].reshape(len(values), -1, piece)
    return np.stack([pieces.min(axis=2), pieces.max(axis=2)], axis=2).reshape(len(values), -1)


def picture(values: Pixels) -> Pixels:
    """Return a picture (H, W, 3) or (H, W) in colours."""
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


PORTRAITS: dict[Kind, Portrait] = {"pictures": picture, "sound": spectrogram, "signal": curves}
"""How a sample of each kind is drawn."""
