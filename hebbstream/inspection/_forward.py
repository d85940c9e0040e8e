"""The forward pass, open to inspection: what each layer computes for a frame, and a pass that gradients go through."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._globals import outside_modes
from hebbstream.network._forward import LayerPasses, forward_through
from hebbstream.network._frames import to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._parts import finished
from hebbstream.rule._activation import prepare, rectify
from hebbstream.rule._patches import patches

_LEAST = 1e-6  # the derivative of u^p is infinite at 0 for p < 1


def forward_frame(
    net: SoftHebbNet, frame: Any, layers: int | None = None, memory: LayerPasses | None = None
) -> LayerPasses:
    """Return the forward pass of one frame, unmirrored, through the first `layers`; see `forward_through`."""
    x = net.checked(frame, single=True)
    with outside_modes():  # its memory serves later passes
        return forward_through(net.layers[:layers], to_input(x, net.device), memory)


def differentiable_forward(layers: Sequence[SoftHebbLayer], x: Tensor) -> Tensor:
    """Return what layers make of (B, C, H, W), as `SoftHebbLayer.forward` does, with gradients with respect to `x`."""
    for layer in layers:
        spec = layer.spec
        seen = patches(layer._normalised(x.to(layer.device)), spec.cut).flatten(3)
        x = (seen @ layer.weight_matrix.t()).permute(0, 3, 1, 2)
        x = prepare(x, spec.activation, spec.activation_inverse_temperature)
        if spec.pool == "max":
            x = F.max_pool2d(x, *spec.window)
        if spec.activation in ("triangle", "repu"):
            x = torch.where(x > _LEAST, x.clamp(min=_LEAST) ** spec.power, 0.0)
        else:
            x = rectify(x, spec.activation)
        if spec.pools_averages:
            x = F.avg_pool2d(x, *spec.window_in(x.shape[3]))
        x = finished(spec, x)
    return x
