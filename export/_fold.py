"""Layers as inference needs them: one affine map each, with everything linear folded into it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hebbstream.network._folded import fold_normalisation
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._spec import LayerSpec


@dataclass(frozen=True, slots=True)
class FoldedLayer:
    """A layer's affine map and what follows it.

    Parameters
    ----------
    spec
        Of the layer: its padding, activation and pooling.
    weight
        (K, C, k, k), or (K, C) of a dense layer; float64, on the CPU.
    bias
        (K,), likewise.
    mean
        That its normalisation takes off, of each channel, of each value of a patch, or of each value that a dense layer
        reads; ``None`` without one.
    """

    spec: LayerSpec
    weight: Tensor
    bias: Tensor
    mean: Tensor | None = None

    def scaled_input(self, scale: float) -> "FoldedLayer":
        """Return the layer that reads ``x`` as this one reads ``x · scale``."""
        return replace(self, weight=self.weight * scale)

    def center(self, channels: int) -> Tensor | None:
        """Return what the values of each channel lie around, (channels,), float32; ``None`` where it is not known."""
        if self.mean is None:
            return None
        # A patch ends with its channels; what a dense layer reads begins with them.
        rows = self.mean.view(-1, channels) if self.spec.kernel_size is not None else self.mean.view(channels, -1).t()
        return rows.mean(dim=0)

    def centred(self, center: Tensor) -> "FoldedLayer":
        """Return the layer that reads ``x − center`` as this one reads ``x``."""
        sums = self.weight.reshape(len(self.weight), len(center), -1).sum(dim=2)
        return replace(self, bias=self.bias + sums @ center.double())


@torch.no_grad()
def fold(layer: SoftHebbLayer) -> FoldedLayer:
    """Copy a layer, with its normalisation, and the linear part of its activation, in its weights and bias.

    All of it is exact. Subtracting the mean over neurons (eq. 7) is
    subtracting the mean of their weights. A softmax over neurons takes no notice of that, but its sums become smaller and
    their rounding with them.

    Examples
    --------
    >>> from hebbstream import LayerSpec, SoftHebbNet
    >>> net = SoftHebbNet([LayerSpec(channels=4, pool="none", activation="triangle")], in_channels=1)
    >>> folded = fold(net.layers[0])
    >>> folded.weight.shape, bool(folded.weight.mean(dim=0).abs().max() < 1e-12)
    (torch.Size([4, 1, 3, 3]), True)
    """
    spec = layer.spec
    weight, bias = fold_normalisation(layer)
    if spec.activation in ("triangle", "softmax"):
        weight = weight - weight.mean(dim=0, keepdim=True)
        bias = bias - bias.mean()
    if spec.kernel_size is None:
        weight = weight.flatten(1)
    return FoldedLayer(spec, weight, bias, None if layer.norm is None else layer.norm.mean.cpu())
