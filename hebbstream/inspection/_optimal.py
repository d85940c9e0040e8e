"""The inputs that excite neurons most, found by gradient ascent."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._bar import progress_bar
from hebbstream._globals import outside_modes
from hebbstream._numbers import check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._fields import receptive_field
from hebbstream.inspection._forward import differentiable_forward
from hebbstream.inspection._neurons import check_neurons
from hebbstream.network._arguments import make_generator
from hebbstream.network._network import SoftHebbNet

_LARGEST_STEP, _SMALLEST_STEP = 0.5, 0.02  # of the radius


@dataclass(frozen=True, slots=True)
class OptimalInputs:
    """The inputs that excite some neurons most.

    Parameters
    ----------
    layer, neurons
        Index in ``net.layers``, and N indices in that layer.
    pictures
        One for each neuron, of the size of its receptive field and in the network's input range, shape (N, H, W, C).
    responses
        The weighted input that each picture gives its neuron, shape (N,).

    Examples
    --------
    >>> optimal_inputs(SoftHebbNet.from_preset("cifar10", width=4), 0, neurons=[2], steps=2).responses.shape
    torch.Size([1])
    """

    layer: int
    neurons: list[int]
    pictures: Tensor
    responses: Tensor


def optimal_inputs(
    net: SoftHebbNet,
    layer: int,
    neurons: Iterable[int] | None = None,
    *,
    steps: int = 100,
    contrast: float | None = None,
    seed: int = 0,
    progress: bool = False,
) -> OptimalInputs:
    """Find, by projected gradient ascent from noise, the input that maximises each neuron's weighted input.

    This is the method of appendix A.7, for all neurons in one batch. The paper keeps the input on a sphere around
    zero; here the sphere lies around the mean pixel, its radius is the contrast of the frames learned, and values stay
    in the range of valid pixels, so that every result is a picture that could occur.

    Parameters
    ----------
    net
        The network, which does not change.
    layer
        Index in ``net.layers``.
    neurons
        Indices in the layer; ``None`` for all.
    steps
        Of the ascent; each follows the normalised gradient, at first for half the radius and in the end for a
        fiftieth.
    contrast
        Root-mean-square deviation from the mean pixel. ``None`` takes that of the frames learned, by the first
        layer's statistics, or a quarter of the input range where there are none.
    seed
        Of the noise.
    progress
        Whether to show a progress bar.

    Raises
    ------
    ConfigurationError
        If there is no such layer or neuron, or `steps` or `contrast` is not positive.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> optimal_inputs(net, 1, neurons=[0, 5], steps=2).pictures.shape
    torch.Size([2, 12, 12, 3])
    """
    chosen = check_neurons(net, layer, neurons)
    check_number("steps", steps)
    if contrast is not None and not quantity(contrast) > 0:
        raise ConfigurationError(f"contrast={quote(contrast)}: expected a positive number, or None")
    centre, typical = _pixel_statistics(net)
    field = receptive_field(net, layer)
    shape = (len(chosen), net.in_channels, field.height, field.width)
    radius = (contrast or typical) * (shape[1] * shape[2] * shape[3]) ** 0.5
    low, high = net.input_range or (-torch.inf, torch.inf)

    def project(x: Tensor) -> Tensor:
        projected: Tensor = (centre + radius * _normalised(x - centre)).clamp_(low, high)
        return projected

    with outside_modes():
        generator = make_generator(seed)
        noise = torch.randn(shape, generator=generator, dtype=torch.float32, device="cpu")
        x = project(centre + noise.to(net.device))
        for step in progress_bar(range(steps), desc=f"optimal inputs, layer {layer + 1}", unit="steps", shown=progress):
            with torch.enable_grad():
                x.requires_grad_()
                (gradient,) = torch.autograd.grad(_responses(net, layer, chosen, x).sum(), x)
            pace = _LARGEST_STEP + (_SMALLEST_STEP - _LARGEST_STEP) * step / steps
            x = project(x.detach() + pace * radius * _normalised(gradient))
        with torch.no_grad():
            responses = _responses(net, layer, chosen, x)
        return OptimalInputs(layer, chosen, x.permute(0, 2, 3, 1).cpu(), responses.cpu())


def _responses(net: SoftHebbNet, layer: int, neurons: list[int], x: Tensor) -> Tensor:
    """Return the weighted input of the i-th neuron for the i-th picture, at the position that sees just the picture."""
    field, target = receptive_field(net, layer), net.layers[layer]
    # The first position whose field lies inside the frame.
    row, column = (-(start // stride) for start, stride in zip(field.start, field.stride, strict=True))
    top, left = field.corner(row, column)
    x = differentiable_forward(net.layers[:layer], F.pad(x, (left, 0, top, 0)))
    x = target._normalised(x.to(target.device))
    height, width = target.spec.cut
    above, before = row - height // 2, column - width // 2
    seen = x[:, :, above : above + height, before : before + width].permute(0, 2, 3, 1).flatten(1)
    responses: Tensor = (seen * target.weight_matrix[neurons]).sum(dim=1)
    return responses


def _normalised(x: Tensor) -> Tensor:
    return F.normalize(x.flatten(1), dim=1).view_as(x)


def _pixel_statistics(net: SoftHebbNet) -> tuple[Tensor, float]:
    """Return the mean pixel, shape (C, 1, 1), and the root-mean-square deviation from it."""
    norm = net.layers[0].norm
    low, high = net.input_range or (-2.0, 2.0)
    # The norm of a dense first layer is one of pixels, not of channels.
    if norm is not None and int(norm.count) and len(norm.mean) % net.in_channels == 0:
        shape = (net.in_channels, -1)
        if net.layers[0].spec.normalization == "whiten_patches":  # of patches, in which channels come last
            mean, var = (value.view(-1, net.in_channels).t() for value in (norm.mean, norm.var))
        else:
            mean, var = norm.mean.view(shape), norm.var.view(shape)
        centre = mean.mean(dim=1, keepdim=True)
        return centre.view(-1, 1, 1), float((var + (mean - centre) ** 2).mean().sqrt())
    middle = torch.full((net.in_channels, 1, 1), (low + high) / 2, dtype=torch.float32, device=net.device)
    return middle, (high - low) / 4
