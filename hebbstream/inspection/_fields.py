"""Receptive fields: the pixels that a neuron sees, and the first layer's weights as pictures."""

from dataclasses import dataclass

from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.inspection._neurons import check_layer
from hebbstream.learning._arguments import check_net
from hebbstream.network._folded import fold_normalisation
from hebbstream.network._network import SoftHebbNet


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The pixels that a neuron sees, through all the convolutions and pools before it.

    Parameters
    ----------
    height, width
        In pixels.
    stride
        Pixels between the fields of neighbouring positions, (down, across).
    start
        First row and first column of the field of position (0, 0); negative where it reaches into the padding.

    Examples
    --------
    >>> ReceptiveField(height=5, width=5, stride=(1, 1), start=(-2, -2)).corner(0, 3)
    (-2, 1)
    """

    height: int
    width: int
    stride: tuple[int, int]
    start: tuple[int, int]

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Return (top, left), in pixels, of the field of a position of the layer, before its pool."""
        return self.start[0] + row * self.stride[0], self.start[1] + column * self.stride[1]


def receptive_field(net: SoftHebbNet, layer: int) -> ReceptiveField:
    """Return the receptive field of a layer's neurons; the whole frame from the first dense layer on, and above ``"time_avg"``.

    Parameters
    ----------
    net
        The network.
    layer
        Index in ``net.layers``.

    Raises
    ------
    ConfigurationError
        If there is no such layer, or it sees all of a frame whose size is not fixed.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> [receptive_field(net, layer).width for layer in range(3)]
    [5, 12, 26]
    """
    check_layer(net, layer)
    specs = [each.spec for each in net.layers[: layer + 1]]
    if any(spec.kernel_size is None for spec in specs) or any(spec.pool == "time_avg" for spec in specs[:-1]):
        if net.input_size is None:
            raise ConfigurationError(
                f"layer {layer + 1} sees frames of any width: expected a network with an input_size"
            )
        return ReceptiveField(*net.input_size, stride=(1, 1), start=(0, 0))
    size, stride, start = [1, 1], [1, 1], [0, 0]
    for index, spec in enumerate(specs):
        pool, steps, borders = spec.window
        for axis in range(2):
            size[axis] += (spec.kernel[axis] - 1) * stride[axis]
            start[axis] -= spec.padding[axis] * stride[axis]
            if index < layer:
                size[axis] += (pool[axis] - 1) * stride[axis]
                start[axis] -= borders[axis] * stride[axis]
                stride[axis] *= steps[axis]
                size[axis] += (spec.average[axis] - 1) * stride[axis]
                stride[axis] *= spec.average[axis]
    return ReceptiveField(size[0], size[1], stride=(stride[0], stride[1]), start=(start[0], start[1]))


def receptive_fields(net: SoftHebbNet) -> Tensor:
    """Return the first layer's weights as pictures, each scaled to [0, 1] with zero at 0.5.

    Where the layer whitens its input, they are the weights of the pixels before that. Those of a layer for signals are
    pictures of channels by moments.

    Returns
    -------
    Tensor
        Shape (K, k, k, C), on the CPU; for a dense layer (K, H, W, C) of its input, for signals (K, C, k, 1).

    Raises
    ------
    ConfigurationError
        If its input has neither one channel nor three.

    Examples
    --------
    >>> receptive_fields(SoftHebbNet.from_preset("cifar10", width=8)).shape
    torch.Size([8, 5, 5, 3])
    """
    check_net(net)
    layer = net.layers[0]
    weights = layer.weight.detach().cpu()
    if layer.spec.normalization.startswith("whiten"):  # what the weights look for in the pixels themselves
        weights = fold_normalisation(layer)[0].float()
    if layer.spec.kernel_size is None and net.input_size is not None:
        weights = weights.reshape(-1, net.in_channels, *net.input_size)
    if weights.shape[2] == 1 < weights.shape[3]:  # of signals
        weights = weights.transpose(1, 2)
    if weights.shape[1] not in (1, 3):
        raise ConfigurationError(f"first layer with {weights.shape[1]} input channels: expected 1 or 3 for a picture")
    largest = weights.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_(min=1e-12)
    return (0.5 + 0.5 * weights / largest).permute(0, 2, 3, 1)
