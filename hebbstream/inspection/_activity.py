"""What the neurons of a network do on a stream of frames."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hebbstream._bar import progress_bar
from hebbstream.errors import EmptyStreamError
from hebbstream.inspection._forward import forward_frame
from hebbstream.learning._arguments import check_net, checked_stream
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._parts import Forward
from hebbstream.rule._activation import prepare, rectify
from hebbstream.rule._plasticity import soft_winner_take_all
from hebbstream.streams._sample import Sample


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

    Examples
    --------
    >>> half = torch.tensor([1.0, 0.5])
    >>> LayerActivity(positions=4, wins=torch.tensor([4, 0]), active=half, winner_share=0.9).dead
    1
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
    """Count what the neurons of a network do on a stream; nothing changes.

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
    InputError, EmptyStreamError
        If a frame is refused, or there is none.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> [layer.positions for layer in observe(net, torch.rand(2, 32, 32, 3))]
    [2048, 512, 128]
    """
    check_net(net)
    tallies = [_Tally(layer) for layer in net.layers]
    passes = None
    for item in progress_bar(checked_stream(frames), desc="activity", unit="frames", shown=progress):
        passes = forward_frame(net, Sample.of(item).x, memory=passes)
        for tally, (_, forward, _) in zip(tallies, passes, strict=True):
            tally.take(forward)
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

    def take(self, forward: Forward) -> None:
        spec, u = self.layer.spec, forward.weighted_input
        self.positions += len(u)
        activation = rectify(prepare(u, spec.activation, spec.activation_inverse_temperature), spec.activation)
        self.active += (activation != 0).sum(dim=0)
        self.layer.compete(forward)  # averaged weights make the features alone
        self.wins += torch.bincount(u.argmax(dim=1), minlength=spec.channels)
        self.winner_share += float(soft_winner_take_all(u, spec.inverse_temperature).amax(dim=1).sum())

    def result(self) -> LayerActivity:
        return LayerActivity(
            self.positions, self.wins.cpu(), self.active.cpu() / self.positions, self.winner_share / self.positions
        )
