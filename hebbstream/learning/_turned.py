"""`Turned`: which share of the neurons has learned something by now."""

import torch
from torch import Tensor

from hebbstream.network import SoftHebbNet
from hebbstream.rule._init import initial_weights

_COSINE = 0.9
_MOST_VALUES = 1 << 23  # of a layer's initial weights that are kept


class Turned:
    """The share of neurons in each layer that have turned away from their initial weights: to a cosine below 0.9.

    Weight norms converge to 1 only after tens of thousands of samples; a neuron that wins turns much earlier. The
    initial weights of a network that has learned before are drawn again, from its seed. Of a layer with more than eight
    million of them, only as many neurons are looked at, spread evenly over the layer.

    Parameters
    ----------
    net
        The network.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> turned = Turned(net)
    >>> turned.shares()
    (0.0, 0.0, 0.0)
    >>> _ = net.layers[1].weight_matrix[:4].neg_()
    >>> turned.shares()
    (0.0, 0.25, 0.0)
    """

    def __init__(self, net: SoftHebbNet) -> None:
        self._net = net
        generator = torch.Generator("cpu").manual_seed(net.seed)
        self._initial = []
        for layer in net.layers:
            weights = layer.weight_matrix
            if net.samples_seen:
                weights = initial_weights(
                    (weights.shape[0], weights.shape[1]), layer.spec.init, layer.spec.radius, generator
                )
            self._initial.append(_some(weights).to(layer.device, copy=True))

    @torch.no_grad()
    def shares(self) -> tuple[float, ...]:
        """Return the share of each layer."""
        return tuple(
            _share(_some(layer.weight_matrix), initial.to(layer.device))
            for layer, initial in zip(self._net.layers, self._initial, strict=True)
        )


def _some(weights: Tensor) -> Tensor:
    return weights[:: -(-weights.numel() // _MOST_VALUES)]


def _share(now: Tensor, initial: Tensor) -> float:
    bound = _COSINE * torch.linalg.vector_norm(now, dim=1) * torch.linalg.vector_norm(initial, dim=1)
    return float(((now * initial).sum(dim=1) < bound).float().mean())
