"""A small network, and its weighted inputs computed in another way than its own."""

import torch
import torch.nn.functional as F

import hebbstream as hs
from hebbstream.inspection._forward import differentiable_forward


def small_net(**changes):
    """Return two layers, the first pooled, of every kind of arithmetic that inspection goes through."""
    first = {"channels": 6, "kernel_size": 5, "power": 0.7, "pool_size": 4, "pool_stride": 2, "pool_padding": 1}
    return hs.SoftHebbNet([hs.LayerSpec(**(first | changes)), hs.LayerSpec(channels=10, kernel_size=3)], 3, seed=0)


def pixels(frames):
    return torch.as_tensor(frames).permute(0, 3, 1, 2) / 255


def weighted_input(net, x, layer):
    """Return ``u`` of a layer by a plain convolution, shape (B, K, H, W); differentiable."""
    layers = net.layers
    x = layers[layer].norm(differentiable_forward(layers[:layer], x))
    above, left = layers[layer].spec.padding
    return F.conv2d(F.pad(x, (left, left, above, above), mode="reflect"), layers[layer].weight)
