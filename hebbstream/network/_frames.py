"""From whatever a camera, a file or a user hands over to a checked (B, C, H, W) batch, and on to the device."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hebbstream._quote import digits, first_line
from hebbstream.errors import (
    ChannelError,
    DtypeError,
    ImageSizeError,
    InputError,
    NonFiniteError,
    RankError,
    ValueRangeError,
)

_ROUNDING = 1e-6  # what scaling by 1/255 may add
LARGEST_VALUE = 1e15  # the sum of squares of a frame's values stays finite in float32
_PLAIN = (torch.uint8, torch.float32)
_SEVERAL_THREADS = 32768  # values, from which on torch uses them
_FLOATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def check_frames(
    frames: Any,
    *,
    single: bool,
    in_channels: int,
    input_size: tuple[int, int] | None,
    input_range: tuple[float, float] | None,
    signal: bool = False,
) -> Tensor:
    """Check frames and view them as a (B, C, H, W) batch, still of their own dtype and on their own device.

    A floating-point frame that already lies on an accelerator costs one synchronisation; values on the host are
    checked before their upload, so that a step needs none.

    Parameters
    ----------
    frames
        NumPy array or tensor. One sample (`single`): (C, H, W), (H, W, C), or (H, W) where C is 1; or (C,) where
        the input has no extent. A batch has one more leading axis. An axis order that fits both ways is read as
        (C, H, W). uint8 is scaled by 1/255.
    single
        Whether `frames` is one sample; it comes back as a batch of one.
    in_channels
        C.
    input_size
        (H, W) that every frame must have, or ``None`` for any.
    input_range
        Least and greatest value allowed in a floating-point frame, or ``None`` for any up to 1e15 in magnitude.
    signal
        Whether a sample may also be (C, T) or (T, C), or (T,) where C is 1, for T moments of a signal: an image with
        a single row.

    Raises
    ------
    RankError, ChannelError, DtypeError, NonFiniteError, ValueRangeError, ImageSizeError

    Examples
    --------
    >>> frame = np.full((4, 6, 3), 255, dtype=np.uint8)
    >>> options = dict(in_channels=3, input_size=None, input_range=(0, 1))
    >>> check_frames(frame, single=True, **options).shape
    torch.Size([1, 3, 4, 6])
    >>> check_frames(frame[..., :2], single=True, **options)
    Traceback (most recent call last):
    ...
    hebbstream.errors.ChannelError: frame of shape (4, 6, 2): expected 3 channels, as (3, H, W) or (H, W, 3)
    """
    x = _as_tensor(frames, single)
    if x.dtype not in (torch.uint8, *_FLOATS):
        name = str(x.dtype).removeprefix("torch.")
        raise DtypeError(f"frame of dtype {name}: expected uint8 (0 to 255) or a floating-point type")
    x = _as_rows(x, single, in_channels) if signal else x
    x = _as_nchw(x, single, in_channels, input_size, signal)
    if input_size is not None and tuple(x.shape[2:]) != input_size:
        raise ImageSizeError(f"frame of {_size(x.shape)} pixels: this network was built for {_size((*input_size,))}")
    if x.dtype != torch.uint8:
        _check_values(x, input_range)
    return x


def to_input(x: Tensor, device: torch.device) -> Tensor:
    """Bring a checked batch to a device as float32 in [0, 1], in channels-last memory.

    Many values on the CPU by NumPy: torch would use several threads, which then may spin for milliseconds on the processors
    that kernels need.

    Examples
    --------
    >>> to_input(torch.full((1, 1, 1, 2), 255, dtype=torch.uint8), torch.device("cpu"))
    tensor([[[[1., 1.]]]])
    """
    if device.type == "cpu" and x.is_cpu and x.dtype in _PLAIN and x.numel() >= _SEVERAL_THREADS:
        pixels = x.permute(0, 2, 3, 1).numpy()
        if x.dtype == torch.uint8:
            pixels = np.divide(pixels, np.float32(255.0), dtype=np.float32, order="C")
        return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    # To the host it must block: what comes from a card is not there before.
    on_device = pinned(x).to(device, non_blocking=True) if device.type == "cuda" else x.to(device)
    batch = on_device.to(torch.float32, memory_format=torch.channels_last)
    return batch.div_(255.0) if x.dtype == torch.uint8 else batch  # a float batch may be the caller's own memory


def pinned(x: Tensor) -> Tensor:
    """Return a frame on the host in pinned memory of its own, from where an upload does not block; one on a device as it is.

    Torch leaves a block of it alone until its upload is done. Of a frame that came pinned, it cannot know when the
    caller writes the next one there.
    """
    return torch.empty_like(x, pin_memory=True).copy_(x) if x.is_cpu else x


def flattened(x: Tensor) -> Tensor:
    """Return the features that a layer's output holds, shapes (B, C, H, W) and (B, C·H·W); on the CPU as `to_input` does."""
    return torch.from_numpy(x.numpy().reshape(len(x), -1)) if x.is_cpu and x.dtype in _PLAIN else x.flatten(1)


def views(x: Tensor, mirror: bool) -> Tensor:
    """Return what a step sees of (B, C, H, W) frames: with `mirror` their mirror images after them, (2B, C, H, W)."""
    return torch.cat([x, x.flip(3)]) if mirror else x


def merge_views(features: Tensor, mirror: bool) -> Tensor:
    """Return the features of frames, (B, F), from those of their views: with `mirror` (2B, F).

    Examples
    --------
    >>> merge_views(torch.tensor([[1.0], [2.0], [3.0], [4.0]]), mirror=True)
    tensor([[2.],
            [3.]])
    """
    return features.view(2, -1, features.shape[1]).mean(dim=0) if mirror else features


def _as_tensor(frames: Any, single: bool) -> Tensor:
    if isinstance(frames, Tensor):
        if frames.layout != torch.strided or frames.is_nested or frames.is_meta:
            kind = "meta" if frames.is_meta else "nested" if frames.is_nested else str(frames.layout)
            raise DtypeError(f"frame as a {kind.removeprefix('torch.')} tensor: expected a dense one that holds values")
        x = frames.detach()
        return x.resolve_neg() if x.is_neg() else x  # NumPy cannot read what is yet to be negated
    if not isinstance(frames, np.ndarray):
        raise DtypeError(
            f"frame of type {type(frames).__name__}: expected a numpy array or a torch tensor{_hint(frames, single)}"
        )
    if frames.dtype.kind not in "uf" or frames.dtype.itemsize > 8:
        raise DtypeError(f"frame of dtype {frames.dtype}: expected uint8 or a floating-point type")
    if isinstance(frames, np.ma.MaskedArray) and np.ma.is_masked(frames):
        raise NonFiniteError("frame with masked values: expected all of them, such as its .filled(0)")
    if not frames.dtype.isnative:
        frames = frames.astype(frames.dtype.newbyteorder("="))
    # torch can neither borrow read-only memory without a warning nor step backwards or by parts of an element.
    borrowable = frames.flags.writeable and all(step >= 0 and not step % frames.itemsize for step in frames.strides)
    return torch.from_numpy(frames if borrowable else frames.copy())


def _hint(frame: Any, single: bool) -> str:
    """Say what makes a frame, or a batch, of what people have."""
    if isinstance(frame, list | tuple) and not single:
        return ", such as numpy.stack(frames)"
    if isinstance(frame, list) and len(frame) == 2:
        return "; a pair (frame, label) is a tuple, and samples_from_torch reads a DataLoader's"
    if isinstance(frame, dict):
        return "; samples_from_huggingface reads the rows of a data set"
    if hasattr(frame, "__array_interface__"):  # of Pillow
        return ", such as numpy.asarray(frame)"
    return ", such as its x" if hasattr(frame, "x") else ""


def _as_rows(x: Tensor, single: bool, channels: int) -> Tensor:
    """View signals (…, C, T) or (…, T, C) as (…, C, 1, T); leave what has another shape."""
    axes = x.ndim - (0 if single else 1)
    if axes == 3 and channels == x.shape[-3] == x.shape[-1] == 1:  # (1, T, 1): a row of T, not a column
        return x.transpose(-1, -2)
    if axes == 1 and channels == 1:
        return x[..., None, None, :]
    if axes != 2 or channels not in x.shape[-2:]:
        return x
    return (x if x.shape[-2] == channels else x.transpose(-1, -2)).unsqueeze(-2)


def _as_nchw(x: Tensor, single: bool, channels: int, input_size: tuple[int, int] | None, signal: bool) -> Tensor:
    shape = tuple(x.shape)
    rank = x.ndim + (1 if single else 0)
    x = x.unsqueeze(0) if single else x
    if rank == 2 and input_size == (1, 1):
        x = x[:, :, None, None]
    elif rank == 3 and channels == 1:
        x = x.unsqueeze(1)
    elif rank != 4:
        least = "" if single else "B, "
        expected = f"({least}{channels}, H, W) or ({least}H, W, {channels})"
        if input_size == (1, 1):
            expected = f"({least}{channels})" if least else f"({channels},)"
        elif signal:
            expected = f"({least}{channels}, T) or ({least}T, {channels})"
        raise RankError(
            f"frame of shape {shape}: expected {expected}" if single else f"batch {shape}: expected {expected}"
        )
    if x.shape[0] == 0 or 0 in x.shape:
        raise ImageSizeError(f"frame of shape {shape}: it holds no values")
    if x.shape[1] != channels:
        if x.shape[3] != channels:
            expected = f"({channels}, H, W) or (H, W, {channels})"
            raise ChannelError(f"frame of shape {shape}: expected {channels} channels, as {expected}")
        x = x.permute(0, 3, 1, 2)
    return x


def _check_values(x: Tensor, input_range: tuple[float, float] | None) -> None:
    low, high = (float(bound) for bound in torch.aminmax(x))
    if not (np.isfinite(low) and np.isfinite(high)):
        found = "NaN" if np.isnan(low) or np.isnan(high) else "infinity"
        count = int((~torch.isfinite(x)).sum())
        raise NonFiniteError(f"frame with {found}: {count} of its {x.numel()} values are not finite")
    least, most = (-LARGEST_VALUE, LARGEST_VALUE) if input_range is None else input_range
    if not (least - _ROUNDING <= low and high <= most + _ROUNDING):
        other = "" if input_range is None else "pass uint8 as it is, build the network with input_range=None, or "
        raise ValueRangeError(
            f"frame with values from {digits(low, least)} to {digits(high, most)}:"
            f" expected {least:.15g} to {most:.15g} ({other}scale floats)"
        )


def _size(shape: tuple[int, ...] | torch.Size) -> str:
    return f"{shape[-2]}×{shape[-1]}"


def stacked(frames: Sequence[Any]) -> Any:
    """Return frames as one batch, an array or a tensor as they are.

    Raises
    ------
    InputError
        If they are not of one kind and shape.

    Examples
    --------
    >>> stacked([torch.zeros(3, 4, 4)] * 2).shape
    torch.Size([2, 3, 4, 4])
    """
    try:
        return torch.stack(list(frames)) if isinstance(frames[0], Tensor) else np.stack(frames)
    except (TypeError, ValueError, RuntimeError) as error:
        shapes = " and ".join(dict.fromkeys(str(tuple(getattr(frame, "shape", ()))) for frame in frames))
        raise InputError(
            f"frames of shapes {shapes} in one batch ({first_line(error)}): expected one kind and shape"
        ) from None


def batched(frames: Iterable[Tensor], size: int, ready: Callable[[], bool] = lambda: True) -> Iterator[Tensor]:
    """Join checked frames, each (1, C, H, W), to batches of up to `size` that are alike; those before a failure first.

    A batch does not wait for a frame that is not `ready`.

    Examples
    --------
    >>> [len(batch) for batch in batched([torch.zeros(1, 3, 4, 4)] * 3 + [torch.zeros(1, 3, 5, 5)], 2)]
    [2, 1, 1]
    """
    waiting: list[Tensor] = []
    failure: BaseException | None = None
    source = iter(frames)
    while True:
        try:
            frame = next(source, None)
        except BaseException as error:  # Ctrl-C, too
            failure, frame = error, None
        if waiting and (frame is None or not _alike(frame, waiting[0])):
            yield _joined(waiting)
            waiting = []
        if frame is None:
            break
        waiting.append(frame)
        if len(waiting) == size or not ready():
            yield _joined(waiting)
            waiting = []
    if failure is not None:
        raise failure


def _joined(frames: list[Tensor]) -> Tensor:
    return frames[0] if len(frames) == 1 else torch.cat(frames)


def _alike(frame: Tensor, other: Tensor) -> bool:
    return (frame.shape, frame.dtype, frame.device) == (other.shape, other.dtype, other.device)
