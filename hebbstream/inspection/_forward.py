"""The forward pass, open to inspection: every layer's weighted input, no state changed, gradients where asked for.

The layers themselves learn under `torch.no_grad`; looking inside needs their intermediate values, and the search for an
optimal input needs gradients with respect to the input.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.network._frames import check_frames, to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.rule._activation import prepare, rectify

# The derivative of u^p is infinite at 0 for p < 1.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The pixels that a neuron sees, through all the convolutions and pools before it.

    Parameters
    ----------
    height, width
        In pixels.
    stride
        Pixels between the fields of neighbouring positions.
    start
        First row, and first column, of the field of position (0, 0); negative where it reaches into the padding.

    Examples
    --------
    >>> ReceptiveField(height=5, width=5, stride=1, start=-2).corner(0, 3)
    (-2, 1)
    """

    height: int
    width: int
    stride: int
    start: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return (top, left), in pixels, of the field of a position of the layer, before its pool."""
        return self.start + row * self.stride, self.start + column * self.stride


def receptive_field(net: SoftHebbNet, layer: int) -> ReceptiveField:
    """Return the receptive field of a layer's neurons; the whole frame from the first dense layer on.

    Parameters
    ----------
    net
        The network.
    layer
        Index in ``net.layers``.

    Raises
    ------
    ConfigurationError
        If there is no such layer.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> [receptive_field(net, layer).width for layer in range(3)]
    [5, 12, 26]
    """
    check_layer(net, layer)
    specs = [each.spec for each in net.layers[: layer + 1]]
    if net.input_size is not None and any(spec.kernel_size is None for spec in specs):
        return ReceptiveField(*net.input_size, stride=1, start=0)
    size, stride, start = 1, 1, 0
    for index, spec in enumerate(specs):
        size += ((spec.kernel_size or 1) - 1) * stride
        start -= spec.padding * stride
        if spec.pool != "none" and index < layer:
            size += (spec.pool_size - 1) * stride
            start -= spec.pool_padding * stride
            stride *= spec.pool_stride
    return ReceptiveField(size, size, stride, start)


def check_layer(net: SoftHebbNet, layer: int) -> None:
    """Refuse an index that names no layer."""
    if not 0 <= layer < len(net.layers):
        raise ConfigurationError(f"layer={layer}: expected an index from 0 to {len(net.layers) - 1}")


def check_neurons(net: SoftHebbNet, layer: int, neurons: Any) -> list[int]:
    """Return the indices as a list, all of the layer for ``None``; refuse one that names no neuron."""
    check_layer(net, layer)
    count = net.layers[layer].spec.channels
    chosen = list(range(count)) if neurons is None else [int(neuron) for neuron in neurons]
    wrong = [neuron for neuron in chosen if not 0 <= neuron < count]
    if wrong or not chosen:
        raise ConfigurationError(f"neurons={wrong or chosen}: expected indices from 0 to {count - 1}")
    return chosen


def some_neurons(net: SoftHebbNet, layer: int, most: int) -> list[int]:
    """Return up to `most` indices of neurons, spread evenly over the layer.

    Examples
    --------
    >>> some_neurons(SoftHebbNet.from_preset("cifar10", width=12), 0, 4)
    [0, 3, 6, 9]
    """
    count = net.layers[layer].spec.channels
    shown = min(most, count)
    return [index * count // shown for index in range(shown)]


def read_frame(net: SoftHebbNet, frame: Any) -> Tensor:
    """Check one frame as `SoftHebbNet.learn_one` does and return it as float32, shape (1, C, H, W)."""
    x = check_frames(
        frame, single=True, in_channels=net.in_channels, input_size=net.input_size, input_range=net.input_range
    )
    net.output_shape(x.shape[2], x.shape[3])
    return to_input(x, net.device)


def weigh(layer: SoftHebbLayer, x: Tensor) -> Tensor:
    """Normalise and weigh: (B, C, H, W) in, ``u`` of shape (B, K, H, W) out, differentiable."""
    x = x.to(layer.device)
    if layer.spec.kernel_size is None:
        x = x.reshape(x.shape[0], -1, 1, 1)
    if layer.norm is not None:
        x = layer.norm(x)
    if p := layer.spec.padding:
        x = F.pad(x, (p, p, p, p), mode="reflect")
    return F.conv2d(x, layer.weight)


def respond(layer: SoftHebbLayer, weighted_input: Tensor) -> Tensor:
    """Activate and pool: ``u`` in, the layer's output of shape (B, K, H', W') out, differentiable."""
    spec = layer.spec
    out = prepare(weighted_input, spec.activation, spec.activation_inverse_temperature)
    if spec.pool == "max":
        out = F.max_pool2d(out, spec.pool_size, spec.pool_stride, spec.pool_padding)
    if torch.is_grad_enabled() and spec.activation in ("triangle", "repu"):
        out = torch.where(out > _LEAST, out.clamp(min=_LEAST) ** spec.power, 0.0)
    else:
        out = rectify(out, spec.activation, spec.power)
    if spec.pool == "avg":
        out = F.avg_pool2d(out, spec.pool_size, spec.pool_stride, spec.pool_padding)
    return out


def run_before(net: SoftHebbNet, x: Tensor, layer: int) -> Tensor:
    """Return what a layer receives: the output of the layers before it."""
    for each in net.layers[:layer]:
        x = respond(each, weigh(each, x))
    return x
