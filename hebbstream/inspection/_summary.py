"""A network in numbers: what its weights are like, and what its neurons do on a stream of frames."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from hebbstream.errors import ConfigurationError, EmptyStreamError
from hebbstream.inspection._forward import read_frame, respond, weigh
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.rule._activation import prepare, rectify
from hebbstream.rule._plasticity import soft_winner_take_all
from hebbstream.streams._sample import Sample

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
    summaries = []
    for layer in net.layers:
        norms = layer.norms()
        neurons, synapses = layer.weight_matrix.shape
        quantiles = (float(norms.min()), float(norms.median()), float(norms.max()))
        copies = count_duplicates(layer.weight_matrix)
        summaries.append(LayerSummary(neurons, synapses, layer.r1_fraction(), quantiles, copies))
    return summaries


@torch.no_grad()
def count_duplicates(weights: Tensor, cosine: float = 0.95) -> int:
    """Count the weight vectors whose cosine with an earlier one is at least `cosine`.

    Parameters
    ----------
    weights
        Shape (K, N). A vector of zeros has no direction and duplicates nothing.
    cosine
        In (0, 1].

    Raises
    ------
    ConfigurationError
        If `cosine` is outside (0, 1].

    Examples
    --------
    >>> count_duplicates(torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.1]]))
    1
    """
    if not 0 < cosine <= 1:
        raise ConfigurationError(f"cosine={cosine}: expected a number in (0, 1]")
    directions = F.normalize(weights.flatten(1), dim=1)
    found = 0
    for first in range(0, len(directions), _BLOCK):
        block = directions[first : first + _BLOCK]
        cosines = block @ directions[: first + len(block)].t()
        found += int((cosines.tril(first - 1) >= cosine).any(dim=1).sum())
    return found


@dataclass(frozen=True, slots=True)
class LayerActivity:
    """What a layer's neurons did on a stream of frames.

    Parameters
    ----------
    positions
        Competitions held: one for each position of each frame.
    wins
        Of each neuron, shape (K,): the positions where its weighted input was the largest.
    active
        Share of the positions at which each neuron's activation was not zero, shape (K,).
    winner_share
        Mean activity ``y`` of the winner in the soft winner-take-all (eq. 1): 1 for a hard competition, 1/K where
        all neurons are alike.
    """

    positions: int
    wins: Tensor
    active: Tensor
    winner_share: float

    @property
    def dead(self) -> int:
        """Neurons that won at no position: the rule never pulled them towards an input, as it does winners."""
        return int((self.wins == 0).sum())

    @property
    def silent(self) -> int:
        """Neurons whose activation was zero at every position, so that the next layer never heard of them."""
        return int((self.active == 0).sum())

    @property
    def win_entropy(self) -> float:
        """Entropy of the wins over the neurons, from 0 (one wins always) to 1 (all win alike)."""
        share = self.wins / self.positions
        return float(torch.special.entr(share).sum()) / math.log(max(2, len(share)))


def observe(net: SoftHebbNet, frames: Iterable[Any], *, progress: bool = False) -> list[LayerActivity]:
    """Watch a network at work on a stream, and change nothing.

    Parameters
    ----------
    net
        The network.
    frames
        Frames, or samples, as for `hebbstream.learn`; read once, one at a time.
    progress
        Whether to show a progress bar.

    Returns
    -------
    list of LayerActivity
        One a layer.

    Raises
    ------
    InputError
        If a frame is refused.
    EmptyStreamError
        If there is no frame.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> [layer.positions for layer in observe(net, torch.rand(2, 32, 32, 3))]
    [2048, 512, 128]
    """
    tallies = [_Tally(layer) for layer in net.layers]
    with torch.no_grad():
        for item in tqdm(frames, desc="activity", unit=" frames", disable=not progress):
            x = read_frame(net, Sample.of(item).x)
            for tally in tallies:
                x = tally.take(x)
    if not tallies[0].positions:
        raise EmptyStreamError("no frames to observe: expected at least one")
    return [tally.result() for tally in tallies]


class _Tally:
    def __init__(self, layer: SoftHebbLayer) -> None:
        self.layer = layer
        self.positions = 0
        self.wins = torch.zeros(layer.spec.channels, dtype=torch.int64, device=layer.device)
        self.active = torch.zeros_like(self.wins)
        self.winner_share = 0.0

    def take(self, x: Tensor) -> Tensor:
        spec = self.layer.spec
        weighted = weigh(self.layer, x)
        u = weighted.permute(0, 2, 3, 1).reshape(-1, spec.channels)
        self.positions += len(u)
        self.wins += torch.bincount(u.argmax(dim=1), minlength=spec.channels)
        activation = rectify(prepare(u, spec.activation, spec.activation_inverse_temperature), spec.activation)
        self.active += (activation != 0).sum(dim=0)
        self.winner_share += float(soft_winner_take_all(u, spec.inverse_temperature).amax(dim=1).sum())
        return respond(self.layer, weighted)

    def result(self) -> LayerActivity:
        return LayerActivity(
            self.positions, self.wins.cpu(), self.active.cpu() / self.positions, self.winner_share / self.positions
        )
