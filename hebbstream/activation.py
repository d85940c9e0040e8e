"""Forward activations: what a layer hands to the next one (appendices A.3.1 and B.3).

Each takes the weighted input as a (positions, neurons) matrix and returns one of the same shape. They never modify
their argument: the learning rule still needs it.
"""

from typing import Literal

import torch
from torch import Tensor

ActivationName = Literal["triangle", "repu", "relu", "tanh", "softmax"]


def repu(weighted_input: Tensor, power: float = 1.0) -> Tensor:
    """Rectified polynomial unit, ``max(0, u)^p`` (eq. 6).

    Examples
    --------
    >>> repu(torch.tensor([[-1.0, 3.0]]), power=2.0)
    tensor([[0., 9.]])
    """
    rectified = torch.relu(weighted_input)
    return rectified if power == 1.0 else rectified.pow_(power)


def triangle(weighted_input: Tensor, power: float = 1.0) -> Tensor:
    """Subtract the mean over the neurons of each position, then apply RePU (eq. 7).

    Examples
    --------
    >>> triangle(torch.tensor([[1.0, 2.0, 6.0]]))
    tensor([[0., 0., 3.]])
    """
    centred = (weighted_input - weighted_input.mean(dim=1, keepdim=True)).relu_()
    return centred if power == 1.0 else centred.pow_(power)


def activate(
    weighted_input: Tensor,
    activation: ActivationName,
    *,
    power: float = 1.0,
    inverse_temperature: float = 1.0,
) -> Tensor:
    """Apply an activation by name.

    Parameters
    ----------
    weighted_input
        ``u``, shape (P, K).
    activation
        ``"triangle"``, ``"repu"``, ``"relu"``, ``"tanh"`` or ``"softmax"``.
    power
        Exponent of ``"triangle"`` and ``"repu"``; the others ignore it.
    inverse_temperature
        Of ``"softmax"``; the others ignore it.

    Returns
    -------
    Tensor
        Shape (P, K).

    Examples
    --------
    >>> activate(torch.tensor([[-1.0, 2.0]]), "relu")
    tensor([[0., 2.]])
    """
    if activation == "triangle":
        return triangle(weighted_input, power)
    if activation == "repu":
        return repu(weighted_input, power)
    if activation == "relu":
        return torch.relu(weighted_input)
    if activation == "tanh":
        return torch.tanh(weighted_input)
    return torch.softmax(weighted_input * inverse_temperature, dim=1)
