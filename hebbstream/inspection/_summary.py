"""The weights of a network in numbers."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream.learning._arguments import check_net
from hebbstream.network._network import SoftHebbNet

_COSINE = 0.95
_BLOCK = 1024  # rows of a block of the matrix of cosines, which would not fit whole for a wide layer


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer in numbers.

    Parameters
    ----------
    neurons
        K.
    synapses
        Of each neuron.
    r1_fraction
        Share of neurons whose weight norm has converged to 1.
    norm_quantiles
        Least, median and greatest weight norm.
    duplicates
        Neurons whose weights point the way of an earlier neuron's.

    Examples
    --------
    >>> summarize(SoftHebbNet.from_preset("cifar10", width=8))[0].synapses
    75
    """

    neurons: int
    synapses: int
    r1_fraction: float
    norm_quantiles: tuple[float, float, float]
    duplicates: int


def summarize(net: SoftHebbNet) -> list[LayerSummary]:
    """Return a `LayerSummary` for each layer.

    Examples
    --------
    >>> [layer.neurons for layer in summarize(SoftHebbNet.from_preset("cifar10", width=8))]
    [8, 32, 128]
    """
    check_net(net)
    summaries = []
    for layer in net.layers:
        norms = layer.norms()
        neurons, synapses = layer.weight_matrix.shape
        quantiles = (float(norms.min()), float(norms.median()), float(norms.max()))
        copies = count_duplicates(layer.weight_matrix)
        summaries.append(LayerSummary(neurons, synapses, layer.r1_fraction(), quantiles, copies))
    return summaries


@torch.no_grad()
def count_duplicates(weights: Tensor) -> int:
    """Count the weight vectors whose cosine with an earlier one is at least 0.95.

    Parameters
    ----------
    weights
        Shape (K, N). A vector of zeros has no direction and duplicates nothing.

    Examples
    --------
    >>> count_duplicates(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.1]]))
    1
    """
    directions = F.normalize(weights.flatten(1), dim=1)
    found = 0
    for first in range(0, len(directions), _BLOCK):
        block = directions[first : first + _BLOCK]
        cosines = block @ directions[: first + len(block)].t()
        found += int((cosines.tril(first - 1) >= _COSINE).any(dim=1).sum())
    return found
