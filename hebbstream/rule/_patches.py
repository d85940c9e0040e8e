"""Patches of an image: what each neuron of a convolution sees."""

import torch
import torch.nn.functional as F
from torch import Tensor


def patches(x: Tensor, kernel: tuple[int, int]) -> Tensor:
    """Return a view of all patches of the kernel's size, one around each pixel; the border is reflected.

    A row of a patch, its columns and channels, is one run of memory, as images are laid out channels-last here.

    Parameters
    ----------
    x
        Shape (B, C, H, W).
    kernel
        (rows, columns), odd.

    Returns
    -------
    Tensor
        Shape (B, H, W, rows, columns·C).

    Examples
    --------
    >>> patches(torch.tensor([[[[1.0, 2.0, 3.0]]]]), (1, 3)).flatten(3)
    tensor([[[[2., 1., 2.],
              [1., 2., 3.],
              [2., 3., 2.]]]])
    """
    batch, channels, height, width = x.shape
    rows, columns = kernel
    above, left = rows // 2, columns // 2
    if above or left:
        x = F.pad(x, (left, left, above, above), mode="reflect")
    x = x.permute(0, 2, 3, 1)
    if not x.is_contiguous():
        x = x.clone(memory_format=torch.contiguous_format)
    # Strides are computed, for along an axis of length 1 a tensor's own may be anything.
    row = x.shape[2] * channels
    shape = (batch, height, width, rows, columns * channels)
    return x.as_strided(shape, (x.shape[1] * row, row, channels, row, 1))
