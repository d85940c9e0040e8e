"""What the parts of a layer's step hand to each other."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Forward:
    """What a step's forward pass leaves for the next layer and for the update.

    Parameters
    ----------
    output
        For the next layer, shape (B, K, H', W').
    weighted_input
        ``u``, shape (P, K).
    patches
        ``x``, shape (P, N).
    """

    output: Tensor
    weighted_input: Tensor
    patches: Tensor


@dataclass(frozen=True, slots=True)
class Change:
    """The local updates of a step, summed over its positions: ``Σ s·y·(x − u·w)`` of each neuron, without rates.

    Those of several parts of a step, computed from the same weights, add up to that of the whole.

    Parameters
    ----------
    summed
        Shape (A, N).
    rows
        The weights of these neurons, shape (A, N).
    neurons
        Which they are, ascending, shape (A,); ``None`` for all.
    """

    summed: Tensor
    rows: Tensor
    neurons: Tensor | None
