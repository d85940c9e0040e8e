"""How the layers of a network fit on top of each other: channels and sizes."""

from collections.abc import Sequence

import torch

from hebbstream.errors import ConfigurationError, ImageSizeError
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._spec import LayerSpec


def build_layers(
    specs: Sequence[LayerSpec], channels: int, input_size: tuple[int, int] | None, generator: torch.Generator | None
) -> list[SoftHebbLayer]:
    """Make the layers of a network whose frames have that many channels, each as wide as the one below it demands.

    Raises
    ------
    ConfigurationError
        If a dense layer's input has no known size, or a frame of `input_size` is too small.
    """
    built: list[SoftHebbLayer] = []
    size = input_size
    for index, spec in enumerate(specs):
        if spec.kernel_size is None:
            if size is None:
                raise ConfigurationError(f"layer {index + 1} is dense: expected input_size=(height, width)")
            channels *= size[0] * size[1]
        built.append(SoftHebbLayer(spec, channels, generator))
        channels = spec.channels
        size = None if size is None else spec.output_size(*size)
        if size is not None and min(size) < 1:
            raise ConfigurationError(f"input_size={input_size}: too small for layer {index + 1} of this network")
    return built


def output_size(layers: Sequence[SoftHebbLayer], height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) of the last layer's output for a frame of that size.

    Raises
    ------
    ImageSizeError
        If the frame is smaller than the layers can pool.
    """
    size = (height, width)
    for index, layer in enumerate(layers):
        size = layer.spec.output_size(*size)
        if min(size) < 1:
            raise ImageSizeError(f"frame of {height}×{width} pixels: too small for layer {index + 1} of this network")
    return size
