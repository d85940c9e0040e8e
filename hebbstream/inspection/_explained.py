"""How much of what comes in the neurons of a network explain."""

import torch
from torch import Tensor

from hebbstream.network._forward import LayerPasses
from hebbstream.network._layer import Forward, SoftHebbLayer
from hebbstream.network._network import SoftHebbNet


@torch.no_grad()
def explained_share(layer: SoftHebbLayer, forward: Forward) -> Tensor:
    """Return the share of its input's energy that the winners of a layer explain.

    The part of a patch along its winner's weights is ``u/‖w‖``, so that the share is ``Σ (u/‖w‖)² / Σ ‖x‖²`` over the
    positions: the mean squared cosine of a patch and its winner, patches with more contrast counting for more.

    Parameters
    ----------
    layer
        The layer.
    forward
        Its forward pass, from `SoftHebbLayer.forward`.

    Returns
    -------
    Tensor
        In [0, 1], shape ().

    Examples
    --------
    >>> import hebbstream as hs
    >>> layer = hs.SoftHebbNet([hs.LayerSpec(channels=1, kernel_size=1, normalization="none")], in_channels=2).layers[0]
    >>> _ = layer.weight_matrix.copy_(torch.tensor([[2.0, 0.0]]))
    >>> explained_share(layer, layer.forward(torch.tensor([3.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 2, 2)))
    tensor(0.3600)
    """
    best, winner = forward.weighted_input.max(dim=1)
    along = best.clamp(min=0.0) / layer.norms().clamp(min=1e-12)[winner]
    return along.square().sum() / forward.patches.square().sum().clamp(min=1e-12)


def novelty(net: SoftHebbNet, passes: LayerPasses) -> float:
    """Return the share of a frame's energy that the network does not explain: 1 − `explained_share`, mean of the layers.

    Parameters
    ----------
    net
        The network.
    passes
        Its forward pass of the frame, by layer.

    Examples
    --------
    >>> import hebbstream as hs
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> 0 <= novelty(net, net._forward_one(torch.rand(32, 32, 3)).layers) <= 1
    True
    """
    shares = [float(explained_share(layer, step[1])) for layer, step in zip(net.layers, passes, strict=True)]
    return 1.0 - sum(shares) / len(shares)
