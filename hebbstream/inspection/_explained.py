"""How much of its input a layer explains."""

import torch
from torch import Tensor

from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._parts import Forward


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
    # Of the weights that gave u, be they averages or not.
    norms: Tensor = torch.linalg.vector_norm(layer.weight_matrix, dim=1)
    along = best.clamp(min=0.0) / norms.clamp(min=1e-12)[winner]
    return along.square().sum() / forward.patches.square().sum().clamp(min=1e-12)


@torch.no_grad()
def unexplained_share(layer: SoftHebbLayer, forward: Forward) -> float:
    """Return the share that no winner explains, from 0 to 1; 0 where there is nothing to explain, as in what never changes.

    Examples
    --------
    >>> import hebbstream as hs
    >>> layer = hs.SoftHebbNet([hs.LayerSpec(channels=1, kernel_size=1, normalization="none")], in_channels=2).layers[0]
    >>> unexplained_share(layer, layer.forward(torch.zeros(1, 2, 2, 2)))
    0.0
    """
    if not forward.patches.any():
        return 0.0
    return max(0.0, 1.0 - float(explained_share(layer, forward)))  # which rounding may bring above 1


@torch.no_grad()
def unusual(net: SoftHebbNet, layer: int, forward: Forward) -> float:
    """Return how unusual a sample is, from 0 to 1: the share of a picture or of sound that no winner of a layer explains.

    Of rows and signals it is ``e / (1 + e + e/n)`` after n samples, with ``e`` the mean square of what is not explained, in
    which 1 is the variance of a standardised value. A share would hide how far out a row lies: what is explained grows
    as well. In pictures and sound it hides the exposure, as it should. Variances of a few rows may be far too small, so
    that the score is below ``n / (n + 1)``.

    Parameters
    ----------
    net
        The network.
    layer
        Index in ``net.layers``.
    forward
        The forward pass of that layer.

    Examples
    --------
    >>> import hebbstream as hs
    >>> spec = hs.LayerSpec(channels=1, kernel_size=None, normalization="none", pool="none")
    >>> net = hs.SoftHebbNet([spec], in_channels=2, input_size=1, input_range=None)
    >>> _ = net.layers[0].weight_matrix.copy_(torch.tensor([[2.0, 0.0]]))
    >>> row = torch.tensor([3.0, 2.0]).view(1, 2, 1, 1)
    >>> [round(unusual(net, 0, net.layers[0].forward(scale * row)), 3) for scale in (1.0, 3.0)]
    [0.4, 0.486]
    """
    share = unexplained_share(net.layers[layer], forward)
    if net.input_range is not None:
        return share
    size, samples = share * float(forward.patches.double().square().mean()), max(1, net.samples_seen)
    return size / (1.0 + size + size / samples)
