"""From what a user hands over to the batch that a model reads."""

from typing import Any

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from hebbstream.errors import DtypeError
from hebbstream.export._contract import ModelInput
from hebbstream.network._frames import check_frames


def model_batch(frames: Any, taken: ModelInput, *, single: bool) -> Tensor:
    """Check frames and return them in a model's type and layout, contiguous, where they lie.

    Parameters
    ----------
    frames
        As `SoftHebbNet` takes them, or anything with ``__dlpack__``. A model that reads uint8 takes only that.
    taken
        What the model reads.
    single
        Whether `frames` is one sample; it comes back as a batch of one.

    Raises
    ------
    InputError
        If they are refused: one subclass per reason.

    Examples
    --------
    >>> taken = ModelInput(dtype="uint8", layout="NHWC", channels=3, height=4, width=4, value_range=(0, 255))
    >>> model_batch(torch.zeros(3, 4, 4, dtype=torch.uint8), taken, single=True).shape
    torch.Size([1, 4, 4, 3])
    """
    if not isinstance(frames, Tensor) and hasattr(frames, "__dlpack__") and not hasattr(frames, "__array__"):
        frames = from_dlpack(frames)
    batch = check_frames(
        frames,
        single=single,
        in_channels=taken.channels,
        input_size=None if taken.height is None or taken.width is None else (taken.height, taken.width),
        input_range=taken.value_range,
        signal=taken.height == 1,
    )
    if taken.dtype == "float32":
        scaled = batch.dtype == torch.uint8
        batch = batch.to(torch.float32)
        batch = batch.div_(255.0) if scaled else batch  # a float batch may be the caller's own memory
    elif batch.dtype != torch.uint8:
        raise DtypeError(f"frame of dtype {str(batch.dtype).removeprefix('torch.')}: this model reads uint8, 0 to 255")
    return (batch if taken.layout == "NCHW" else batch.permute(0, 2, 3, 1)).contiguous()
