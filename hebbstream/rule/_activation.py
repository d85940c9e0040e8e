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
    return activate(weighted_input, "triangle", power=power)


def prepare(weighted_input: Tensor, activation: ActivationName, inverse_temperature: float = 1.0) -> Tensor:
    """Do the part of an activation that needs all neurons of a position; shape (P, K) in and out.

    What is left, `rectify`, treats every value alone and never decreases, so that max-pooling may come between the
    two: it gives the same result on a quarter of the values.
    """
    if activation == "triangle":
        return weighted_input - weighted_input.mean(dim=1, keepdim=True)
    if activation == "softmax":
        return torch.softmax(weighted_input * inverse_temperature, dim=1)
    return weighted_input


def rectify(prepared: Tensor, activation: ActivationName, power: float = 1.0) -> Tensor:
    """Do the part of an activation that treats every value alone; any shape."""
    if activation in ("triangle", "repu"):
        return repu(prepared, power)
    if activation == "relu":
        return torch.relu(prepared)
    return torch.tanh(prepared) if activation == "tanh" else prepared


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
    return rectify(prepare(weighted_input, activation, inverse_temperature), activation, power)
