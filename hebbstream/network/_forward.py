"""`ForwardPass`: a forward pass that keeps what an update needs, so that learning from it later costs the update alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._parts import Forward
from hebbstream.rule._workspace import Workspace

LayerPasses: TypeAlias = tuple[tuple[Tensor, Forward, Workspace], ...]


@dataclass(frozen=True, slots=True)
class ForwardPass:
    """What a network computed for one frame; made by `SoftHebbNet._forward_one`.

    Parameters
    ----------
    features
        1-D, on the network's device.
    layers
        The input and the forward pass of each layer, and the memory that holds them.
    frame_size
        (H, W) of the frame.
    samples_seen
        By the network, at the time.
    """

    features: Tensor
    layers: LayerPasses
    frame_size: tuple[int, int]
    samples_seen: int


def forward_through(layers: Sequence[SoftHebbLayer], x: Tensor, memory: LayerPasses | None) -> LayerPasses:
    """Return the input and the forward pass of each layer, in the memory of an earlier pass if there is one."""
    passes = []
    for index, layer in enumerate(layers):
        workspace = Workspace() if memory is None else memory[index][2]
        x = x.to(layer.device)
        forward = layer.forward(x, workspace)
        passes.append((x, forward, workspace))
        x = forward.output
    return tuple(passes)
