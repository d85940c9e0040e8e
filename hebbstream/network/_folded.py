"""A layer's weights and normalisation as one affine map of its input."""

import torch
from torch import Tensor

from hebbstream.network._layer import SoftHebbLayer


@torch.no_grad()
def fold_normalisation(layer: SoftHebbLayer) -> tuple[Tensor, Tensor]:
    """Return the weights, shape (K, C, k, k), and the bias, (K,), that do without the normalisation; float64, on the CPU.

    It is exact. An affine map of the channels of a pixel commutes with reflection padding, so ``conv(pad(A·x + b))`` is a
    convolution of ``pad(x)`` with other weights and a constant; one of whole patches comes after the padding anyway.
    """
    weight = layer.weight.detach().to("cpu", torch.float64, copy=True)
    bias = weight.new_zeros(weight.shape[0])
    if layer.norm is None:
        return weight, bias
    matrix, shift = (value.detach().cpu() for value in layer.norm.affine())
    if layer.spec.normalization == "whiten_patches":
        rows = weight.permute(0, 2, 3, 1)
        folded = (rows.flatten(1) @ matrix).view(rows.shape).permute(0, 3, 1, 2)
        return folded, rows.flatten(1) @ shift
    return torch.einsum("kcij,cd->kdij", weight, matrix), torch.einsum("kcij,c->k", weight, shift)
