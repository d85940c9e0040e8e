"""What ranks add up within one step of a layer: moments of its input, and the changes that their samples ask for."""

from collections.abc import Callable

import torch
from torch import Tensor

from hebbstream.distributed._peers import Peers
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._parts import Change
from hebbstream.rule._normalize import Moments
from hebbstream.rule._workspace import Workspace

# Of its mean square: what rounding may leave of a constant channel's variance, as much as last bits of float32 that come and go.
_ROUNDING = 1e-13


def blank_moments(layer: SoftHebbLayer) -> Moments | None:
    """Return the moments of no sample, for a layer with a normalisation."""
    if layer.norm is None:
        return None
    spread = getattr(layer.norm, "covariance", layer.norm.var)
    return Moments(torch.zeros_like(layer.norm.mean), torch.zeros_like(spread), 0)


def as_sums(moments: Moments, pixels: int) -> Tensor:
    """Return moments as numbers that add up over the parts of a step: 1, x and x², or x·xᵀ, summed over its pixels.

    They are float64: the variance is the difference of two of them, and float32 would lose it where the mean is large.
    """
    mean, spread = moments.mean.double(), moments.spread.double()
    second = spread + (mean.square() if spread.ndim == 1 else torch.outer(mean, mean))
    return torch.cat([mean.new_ones(1), mean, second.flatten()]).mul_(pixels)


def from_sums(sums: Tensor, like: Moments, samples: int) -> Moments:
    """Return the moments of a step from the sums over its parts."""
    means, channels = sums / sums.select(0, 0), len(like.mean)
    mean, second = means[1 : channels + 1], means[channels + 1 :].view(like.spread.shape)
    spread = second - mean.square() if second.ndim == 1 else second - torch.outer(mean, mean)
    variance, squares = (spread, second) if spread.ndim == 1 else (spread.diagonal(), second.diagonal())
    constant = variance <= _ROUNDING * squares
    spread.masked_fill_(constant, 0.0)
    if spread.ndim > 1:
        spread.masked_fill_(constant.unsqueeze(1), 0.0)
    return Moments(mean.float(), spread.float(), samples)


class ChangeSum:
    """The sum of a layer's changes over all ranks, under way.

    Where updates are event-driven the ranks first agree on the neurons that were active anywhere: only theirs travel.

    Parameters
    ----------
    peers
        Who adds up.
    layer
        Whose change it is.
    own
        This rank's change; ``None`` where the layer does not learn, or the rank had no sample.
    workspace
        Memory that holds the sum until the layer's next step.
    """

    def __init__(self, peers: Peers, layer: SoftHebbLayer, own: Change | None, workspace: Workspace) -> None:
        self._peers, self._layer, self._own, self._workspace = peers, layer, own, workspace
        self._neurons: Tensor | None = None
        self._touched: Callable[[], Tensor] | None = None
        self._summed: Callable[[], Tensor] | None = None
        weights, spec = layer.plastic_weights, layer.spec
        # As for events: on a device, their number would have to be told to the host.
        if spec.learning_rate > 0 and spec.event_threshold and spec.plasticity != "hebbian" and weights.is_cpu:
            touched = torch.zeros(len(weights), dtype=torch.uint8, device="cpu")
            if own is not None:
                touched[slice(None) if own.neurons is None else own.neurons] = 1
            self._touched = peers.start_maximum(touched)

    def send(self) -> None:
        """Begin the sum, once it is known which neurons it is of."""
        layer, own = self._layer, self._own
        if not layer.spec.learning_rate > 0:
            return
        weights = layer.plastic_weights
        if self._touched is not None:
            touched = self._touched().nonzero().flatten()
            self._neurons = None if len(touched) == len(weights) else touched
        if own is not None and own.neurons is None:
            total = own.summed
        else:
            count = len(weights) if self._neurons is None else len(self._neurons)
            total = self._workspace.take("sum", (count, weights.shape[1]), weights).zero_()
            if own is not None and own.neurons is not None:
                places = own.neurons if self._neurons is None else torch.searchsorted(self._neurons, own.neurons)
                total.index_copy_(0, places, own.summed)
        self._summed = self._peers.start_sum(total)

    def wait(self) -> Change | None:
        """Return the change of the whole step; ``None`` where the layer does not learn."""
        if self._summed is None:
            return None
        weights = self._layer.plastic_weights
        rows = weights if self._neurons is None else weights.index_select(0, self._neurons)
        return Change(self._summed(), rows, self._neurons)
