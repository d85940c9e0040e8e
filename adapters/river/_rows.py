"""The network of flat rows, which gains synapses as features appear."""

import math
import zlib
from collections.abc import Hashable, Sequence

import torch

from hebbstream.network._network import SoftHebbNet
from hebbstream.network._spec import LayerSpec


def row_layer(neurons: int) -> LayerSpec:
    """Return the dense layer for flat rows.

    Its features are how the neurons share a row between them. The other activations grow as the row does, so that they tell
    directions apart, not what lies near from what lies far. Chosen on two of the tables in docs/evidence/streams.md.
    """
    return LayerSpec(
        channels=neurons,
        kernel_size=None,
        inverse_temperature=4.0,
        learning_rate=0.1,
        radius=1.5,
        activation="softmax",
        activation_inverse_temperature=1.0,
        pool="none",
        update_scale="running_max",
    )


def widened(
    old: SoftHebbNet | None, names: Sequence[Hashable], before: int, spec: LayerSpec, seed: int, device: str
) -> SoftHebbNet:
    """Give every neuron a synapse for each new feature; which weight it begins with depends on its name alone.

    Parameters
    ----------
    old
        The network so far, with `before` features; ``None`` makes the first.
    names
        Of the new features, in their order.
    before
        Features so far.
    spec
        The dense layer.
    seed, device
        As of `SoftHebbNet`.
    """
    features = before + len(names)
    net = SoftHebbNet([spec], features, input_size=(1, 1), input_range=None, seed=seed, device=device)
    layer = net.layers[0]
    scale = spec.radius / math.sqrt(features)
    for offset, name in enumerate(names):
        generator = torch.Generator("cpu").manual_seed(seed ^ zlib.crc32(repr(name).encode()))
        weights = torch.randn(spec.channels, generator=generator, dtype=torch.float32, device="cpu")
        for matrix in (layer.weight_matrix, layer.plastic_weights):
            matrix[:, before + offset] = scale * weights
    if old is not None:
        for name, value in old.layers[0].named_buffers():
            target = layer.get_buffer(name)
            if value.ndim and value.shape != target.shape:
                target.narrow(-1, 0, before).copy_(value)
            else:
                target.copy_(value)
        net.samples_seen = old.samples_seen
    return net
