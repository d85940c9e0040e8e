"""`crops` and `augment`: other views of the same frames."""

import math
import random
from collections.abc import Iterable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._numbers import as_index, check_number, checked_seed, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, ImageSizeError
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import like, planes, size_of, with_frame
from hebbstream.streams._sample import Sample
from hebbstream.streams._stream import Item, Stream, as_stream


def crops(
    stream: Iterable[Item],
    size: int | tuple[int, int],
    *,
    per_frame: int = 1,
    scale: float | None = None,
    seed: int = 0,
) -> Stream[Item]:
    """Cut pieces of a network's input size out of larger frames, at random places.

    Parameters
    ----------
    stream
        Frames, pairs (frame, label) or samples, which come out as the same kind, with their label, time and source. A
        frame is a NumPy array or a tensor, uint8 or floating point, (H, W), (C, H, W) or (H, W, C).
    size
        (height, width) of a crop, or one number for both.
    per_frame
        Crops of each frame, one after the other.
    scale
        Frames are first scaled down until they are this many times as high and as wide as a crop, or more in one direction;
        smaller ones stay as they are. The larger, the smaller the part that a crop shows. ``None`` scales nothing.
    seed
        Of the places.

    Raises
    ------
    ConfigurationError
        If an option cannot work.
    ImageSizeError
        While iterating, if a frame is smaller than a crop.

    Examples
    --------
    >>> [label for _, label in crops([(torch.rand(3, 64, 96), "cat")], 32, per_frame=2)]
    ['cat', 'cat']
    """
    check_number("per_frame", per_frame)
    if scale is not None and not 1 <= quantity(scale) < math.inf:
        raise ConfigurationError(f"scale={quote(scale)}: expected 1 or more times the size of a crop")
    source, (height, width) = as_stream(stream), size_of(size)
    generator = random.Random(checked_seed(seed))  # noqa: S311  # places, not secrets
    return Composed(
        _cropped(source, height, width, per_frame, scale, generator),
        source,
        name=f"crops({source!r}, {height}×{width}, per_frame={per_frame})",
        count=lambda frames: as_index(per_frame) * frames,  # as an integer of Python: how many are left is one
    )


def _cropped(
    stream: Stream[Item], height: int, width: int, per_frame: int, scale: float | None, generator: random.Random
) -> Iterator[Item]:
    for item in stream:
        frame = Sample.of(item).x
        x = planes(frame)
        if scale is not None:
            x = _shrunk(x, scale * max(height / x.shape[1], width / x.shape[2]))
        free = x.shape[1] - height, x.shape[2] - width
        if min(free) < 0:
            found = f"frame of {x.shape[1]}×{x.shape[2]} pixels"
            raise ImageSizeError(f"{found}: expected at least {height}×{width}, the size of the crops")
        for _ in range(per_frame):
            top, left = generator.randint(0, free[0]), generator.randint(0, free[1])
            yield with_frame(item, like(frame, x[:, top : top + height, left : left + width]))


def _shrunk(x: Tensor, factor: float) -> Tensor:
    """Return planes scaled by a factor, without aliasing; they are not enlarged."""
    if factor >= 1:
        return x
    size = tuple(round(factor * side) for side in x.shape[1:])
    bytes_as_they_are = x.dtype == torch.uint8 and x.device.type == "cpu"  # ten times as fast, and only there
    values = x if bytes_as_they_are else x.to(torch.promote_types(x.dtype, torch.float32))
    scaled = F.interpolate(values[None], size, mode="bilinear", antialias=True)[0]
    return (scaled if bytes_as_they_are or x.is_floating_point() else scaled.round()).to(x.dtype)


def augment(
    stream: Iterable[Item],
    *,
    flip: bool = True,
    shift: int = 2,
    brightness: float = 0.1,
    contrast: float = 0.1,
    seed: int = 0,
) -> Stream[Item]:
    """Change each frame a little, so that no frame comes twice in the same form.

    Parameters
    ----------
    stream
        As for `crops`. Floating-point frames are in [0, 1]. A frame keeps its size and dtype.
    flip
        Whether every other frame, at random, is mirrored from left to right.
    shift
        Most pixels to move by in either direction; what comes into view is reflected at the border.
    brightness
        Most to add or take away, as a share of the full range.
    contrast
        Most to stretch or shrink differences from the frame's mean by, as a share: a factor from 1 − c to 1 + c.
    seed
        Of the changes.

    Raises
    ------
    ConfigurationError
        If an option cannot work.
    ImageSizeError
        While iterating, if a frame is not larger than `shift`.
    ValueRangeError
        While iterating, if a floating-point frame is outside [0, 1].

    Examples
    --------
    >>> frame = torch.arange(4, dtype=torch.uint8).view(1, 4)
    >>> [x.tolist() for x in augment([frame, frame], shift=0, brightness=0, contrast=0)]
    [[[3, 2, 1, 0]], [[0, 1, 2, 3]]]
    """
    if not (quantity(shift) >= 0 and quantity(shift) % 1 == 0):
        raise ConfigurationError(f"shift={quote(shift)}: expected 0 or a positive number of pixels, whole ones")
    for name, value in (("brightness", brightness), ("contrast", contrast)):
        if not 0 <= quantity(value) <= 1:
            raise ConfigurationError(f"{name}={quote(value)}: expected a share, 0 to 1")
    source = as_stream(stream)
    generator = random.Random(checked_seed(seed))  # noqa: S311  # small changes, not secrets
    changed = _augmented(source, flip, int(shift), brightness, contrast, generator)
    return Composed(changed, source, name=f"augment({source!r})", count=lambda frames: frames)


def _augmented(
    stream: Stream[Item], flip: bool, shift: int, brightness: float, contrast: float, generator: random.Random
) -> Iterator[Item]:
    for item in stream:
        frame = Sample.of(item).x
        x = planes(frame, input_range=(0, 1))
        if shift >= min(x.shape[1:]):
            raise ImageSizeError(f"frame of {x.shape[1]}×{x.shape[2]} pixels: expected more than shift={shift}")
        rows = _shifted(x.shape[1], generator.randint(-shift, shift))
        columns = _shifted(x.shape[2], generator.randint(-shift, shift))
        if flip and generator.random() < 0.5:
            columns.reverse()
        x = x[:, rows][:, :, columns]
        if brightness or contrast:
            x = _toned(x, generator.uniform(-brightness, brightness), generator.uniform(1 - contrast, 1 + contrast))
        yield with_frame(item, like(frame, x))


def _shifted(length: int, shift: int) -> list[int]:
    """Return where each pixel of a shifted line comes from; beyond its ends the line is reflected."""
    last = length - 1
    return [last - abs(last - abs(place + shift)) for place in range(length)]


def _toned(x: Tensor, brightness: float, contrast: float) -> Tensor:
    full = 255.0 if x.dtype == torch.uint8 else 1.0
    values = x.to(torch.promote_types(x.dtype, torch.float32)).contiguous()  # so that every layout has the same mean
    mean = values.mean()
    toned = ((values - mean) * contrast + mean + brightness * full).clamp_(0.0, full)
    return (toned.round_() if x.dtype == torch.uint8 else toned).to(x.dtype)
