"""Forward activations: what a layer hands to the next one (appendices A.3.1 and B.3).

Neither part modifies its argument: the learning rule still needs the weighted input.
"""

from typing import Literal

import torch
from torch import Tensor

ActivationName = Literal["triangle", "repu", "relu", "tanh", "softmax"]


def prepare(weighted_input: Tensor, activation: ActivationName, inverse_temperature: float = 1.0) -> Tensor:
    """Do the part of an activation that needs all neurons of a position, as Triangle does (eq. 7); shape (P, K) in and out.

    What is left, `rectify`, treats every value alone and never decreases, so that max-pooling may come between the
    two: it gives the same result on a quarter of the values.
    """
    if activation == "triangle":
        return weighted_input - weighted_input.mean(dim=1, keepdim=True)
    if activation == "softmax":
        return torch.softmax(weighted_input * inverse_temperature, dim=1)
    return weighted_input


def rectify(prepared: Tensor, activation: ActivationName, power: float = 1.0) -> Tensor:
    """Do the part of an activation that treats every value alone, such as ``max(0, u)^p`` (eq. 6); any shape."""
    if activation in ("triangle", "repu", "relu"):
        rectified = torch.relu(prepared)
        return rectified if activation == "relu" or power == 1.0 else rectified.pow_(power)
    return torch.tanh(prepared) if activation == "tanh" else prepared
