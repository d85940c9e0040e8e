"""What the parts of a layer's step hand to each other."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from hebbstream.network._spec import LayerSpec
from hebbstream.rule._activation import prepare, rectify


@dataclass(slots=True)
class Forward:
    """What a step's forward pass leaves for the next layer and for the update.

    Parameters
    ----------
    output
        For the next layer, shape (B, K, H', W').
    weighted_input
        ``u``, shape (P, K).
    patches
        ``x``, shape (P, N).
    """

    output: Tensor
    weighted_input: Tensor
    patches: Tensor

    def patches_at(self, places: Tensor, samples: int) -> Tensor:
        """Return the patches at some places of each of so many samples, shape (samples · places, N)."""
        return self.patches.view(samples, -1, self.patches.shape[1]).index_select(1, places).flatten(0, 1)


@dataclass(frozen=True, slots=True)
class Change:
    """The local updates of a step, summed over its positions: ``Σ s·y·(x − u·w)`` of each neuron, without rates.

    Those of several parts of a step, computed from the same weights, add up to that of the whole.

    Parameters
    ----------
    summed
        Shape (A, N).
    rows
        The weights of these neurons, shape (A, N).
    neurons
        Which they are, ascending, shape (A,); ``None`` for all.
    """

    summed: Tensor
    rows: Tensor
    neurons: Tensor | None


def output(spec: LayerSpec, weighted_input: Tensor, batch: int, height: int, width: int) -> Tensor:
    """Activate, pool and scale a weighted input of shape (P, K); return shape (B, K, H', W')."""
    out = prepare(weighted_input, spec.activation, spec.activation_inverse_temperature)
    out = out.view(batch, height, width, spec.channels).permute(0, 3, 1, 2)
    if spec.pool == "max":
        out = F.max_pool2d(out, *spec.window)
    out = rectify(out, spec.activation, spec.power)
    if spec.pools_averages:
        out = F.avg_pool2d(out, *spec.window_in(width))
    return finished(spec, out)


def finished(spec: LayerSpec, pooled: Tensor) -> Tensor:
    """Average and scale what is pooled, shape (B, K, H, W); return shape (B, K, H', W')."""
    out = pooled if spec.average_size == 1 else F.avg_pool2d(pooled, spec.average)
    return F.normalize(out) if spec.unit_length else out
