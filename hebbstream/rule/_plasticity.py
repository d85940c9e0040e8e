"""The SoftHebb learning rule as pure functions on matrices.

Shapes use P positions (every place of every sample in the step), K neurons and N synapses per neuron. Rows are
positions: competition runs over the neurons of one position, and a row of neurons is contiguous in memory.
"""

from typing import Literal

import torch
from torch import Tensor

from hebbstream.rule._precision import Product, product

PlasticityName = Literal["soft_anti_hebbian", "soft_hebbian", "hard_wta", "hebbian", "imprinting"]

_FLOAT32 = product("float32")
_PEAK_DECAY, _PEAK_GROWTH, _NO_PEAK = 0.999, 1.5, 1e-20
_RATE_FLOOR = 1e-10
_SCALE_FLOOR = 1e-30
# Activities this small add nothing in float32, but a product slows down sixfold on subnormal numbers.
NEGLIGIBLE = 1e-30


def soft_winner_take_all(weighted_input: Tensor, inverse_temperature: float) -> Tensor:
    """Compete softly: a softmax over the neurons of each position (eq. 1).

    Parameters
    ----------
    weighted_input
        ``u``, shape (P, K).
    inverse_temperature
        ``t = 1/τ``; large values approach a hard winner-take-all.

    Returns
    -------
    Tensor
        ``y``, shape (P, K); each row sums to 1.

    Examples
    --------
    >>> soft_winner_take_all(torch.tensor([[0.0, 0.0]]), inverse_temperature=1.0)
    tensor([[0.5000, 0.5000]])
    """
    scaled = weighted_input if inverse_temperature == 1.0 else weighted_input * inverse_temperature
    return torch.softmax(scaled, dim=1)


def hard_winner_take_all(weighted_input: Tensor) -> Tensor:
    """Give 1 to the neuron with the largest weighted input at each position and 0 to the others.

    Examples
    --------
    >>> hard_winner_take_all(torch.tensor([[0.1, 0.7, 0.2]]))
    tensor([[0., 1., 0.]])
    """
    winner = weighted_input.argmax(dim=1, keepdim=True)
    return torch.zeros_like(weighted_input).scatter_(1, winner, 1.0)


def anti_hebbian_sign(activity: Tensor, weighted_input: Tensor) -> Tensor:
    """Negate the activity of every neuron but the winner of each position (section 3, soft anti-Hebbian plasticity).

    Parameters
    ----------
    activity
        ``y``, shape (P, K).
    weighted_input
        ``u``, shape (P, K); its largest entry in a row names the winner.

    Returns
    -------
    Tensor
        ``s·y``, shape (P, K).

    Examples
    --------
    >>> u = torch.tensor([[0.0, 2.0, 1.0]])
    >>> anti_hebbian_sign(torch.tensor([[0.1, 0.7, 0.2]]), u)
    tensor([[-0.1000,  0.7000, -0.2000]])
    """
    winner = weighted_input.argmax(dim=1, keepdim=True)
    return activity.neg().scatter_(1, winner, activity.gather(1, winner))


def drop_small(activity: Tensor, weighted_input: Tensor, threshold: float, budget: int | None) -> Tensor:
    """Zero the activities up to the threshold, and all but the `budget` largest of each position; in place, shape (P, K).

    In other words, the threshold rises at each position to the next largest activity, ``θ_p = max(θ, y_(n+1))``. What ties
    with that is dropped too, so that no position ever keeps more.

    Examples
    --------
    >>> y = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    >>> drop_small(y, y.log(), threshold=0.1, budget=2)
    tensor([[0.5000, 0.3000, 0.0000, 0.0000]])
    """
    torch.threshold_(activity, max(threshold, NEGLIGIBLE), 0.0)
    if budget is not None and budget < activity.shape[1]:
        first_dropped = weighted_input.topk(budget + 1, dim=1).values.narrow(1, budget, 1)
        activity.masked_fill_(weighted_input <= first_dropped, 0.0)
    return activity


def plastic_activity(
    weighted_input: Tensor,
    plasticity: PlasticityName,
    inverse_temperature: float,
    threshold: float = 0.0,
    budget: int | None = None,
) -> Tensor:
    """Return the signed activity that drives the update, ``s·y``, for a named rule.

    ``"soft_anti_hebbian"`` is SoftHebb as published; ``"soft_hebbian"`` leaves out the anti-Hebbian sign;
    ``"hard_wta"`` moves only the winner; ``"hebbian"`` has no competition at all (``y = u``, which makes the update
    Oja's rule in every neuron). The soft rules take activities up to `threshold`, and those that are not among the
    `budget` largest of their position, for zero.

    Examples
    --------
    >>> plastic_activity(torch.tensor([[1.0, 1.0]]), "soft_hebbian", inverse_temperature=1.0)
    tensor([[0.5000, 0.5000]])
    >>> plastic_activity(torch.tensor([[0.0, 2.0, 2.0]]), "soft_anti_hebbian", 1.0, threshold=0.1)
    tensor([[-0.0000,  0.4683, -0.4683]])
    """
    if plasticity == "hebbian":
        return weighted_input
    if plasticity == "hard_wta":
        return hard_winner_take_all(weighted_input)
    activity = soft_winner_take_all(weighted_input, inverse_temperature)
    drop_small(activity, weighted_input, threshold, budget)
    return activity if plasticity == "soft_hebbian" else anti_hebbian_sign(activity, weighted_input)


def weight_change(
    activity: Tensor,
    weighted_input: Tensor,
    patches: Tensor,
    weights: Tensor,
    *,
    multiply: Product = _FLOAT32,
    out: Tensor | None = None,
) -> Tensor:
    """Sum the local updates of every position (eq. 2), without the learning rate.

    Parameters
    ----------
    activity
        ``s·y``, shape (P, K).
    weighted_input
        ``u``, shape (P, K).
    patches
        ``x``, shape (P, N): the same patches that gave ``u``.
    weights
        ``w``, shape (K, N).
    multiply
        Computes the product of activity and patches.
    out
        Where the result goes, shape (K, N); ``None`` for new memory.

    Returns
    -------
    Tensor
        ``Σ s·y·(x − u·w)``, shape (K, N).

    Examples
    --------
    One neuron, one position: ``1·(3 − 2·0.5) = 2``.

    >>> one = torch.tensor([[1.0]])
    >>> weight_change(one, torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.tensor([[0.5]]))
    tensor([[2.]])
    """
    pull = (activity * weighted_input).sum(dim=0).unsqueeze(1)
    change = multiply(activity.t(), patches, torch.empty_like(weights) if out is None else out)
    return change.addcmul_(pull, weights, value=-1.0)


def largest_magnitude(change: Tensor) -> Tensor:
    """Return the largest ``|Δw|`` of the layer, the scale that the published learning rates assume, shape ().

    Examples
    --------
    >>> largest_magnitude(torch.tensor([[1.0, -4.0]]))
    tensor(4.)
    """
    low, high = torch.aminmax(change)
    return torch.maximum(high, low.neg()).add(_SCALE_FLOOR)


def averaging_share(learned: Tensor, samples: int, horizon: int) -> Tensor:
    """Return the share of the newest weights in their average, after a step of so many samples; shape ().

    Of the latest third at first, then of the latest `horizon` samples or so: what was learned early soon counts no more.

    Examples
    --------
    >>> [round(averaging_share(torch.tensor(n), 1, 1000).item(), 3) for n in (1, 10, 10_000)]
    [1.0, 0.25, 0.001]
    """
    return (3.0 * samples / (learned.to(torch.float32) + 2.0)).clamp_(1.0 - (1.0 - 1.0 / horizon) ** samples, 1.0)


def follow_peak(peak: Tensor, magnitude: Tensor) -> Tensor:
    """Return what to divide an update by, the larger of a running maximum and its own magnitude; shape ().

    Dividing by each step's own maximum gives every step the same size: a blank wall, or a covered lens, then moves
    the weights as far as a rich picture does, on noise. Dividing by a running maximum keeps a weak update weak.

    The maximum, `peak`, decays by a thousandth a step, and grows by a half at most, in place: after one false value
    of a sensor, a thousand times the others, a network would else learn nothing for thousands of steps.

    Examples
    --------
    >>> peak = torch.tensor(4.0)
    >>> follow_peak(peak, torch.tensor(1.0)), peak
    (tensor(3.9960), tensor(3.9960))
    >>> follow_peak(peak, torch.tensor(1000.0)), peak
    (tensor(1000.), tensor(5.9940))
    """
    decayed = peak * _PEAK_DECAY
    most = torch.where(peak > _NO_PEAK, peak * _PEAK_GROWTH, magnitude)
    peak.copy_(torch.maximum(decayed, torch.minimum(magnitude, most)))
    return torch.maximum(decayed, magnitude)


def norm_dependent_rate(
    weights: Tensor, learning_rate: float, rate_power: float, opening: Tensor | None = None
) -> Tensor:
    """Return each neuron's learning rate ``η·max(|r − 1|, ρ)^q``, where ``r`` is its weight vector's norm (eq. 5).

    It falls to zero as the norm reaches 1, unless ρ, which is 0 in the paper, keeps it open. A power of 0 makes the
    rate constant.

    Parameters
    ----------
    weights
        Shape (K, N).
    learning_rate
        ``η``.
    rate_power
        ``q``.
    opening
        ``ρ``, shape (); ``None`` for 0.

    Returns
    -------
    Tensor
        Shape (K,).

    Examples
    --------
    >>> weights = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
    >>> norm_dependent_rate(weights, learning_rate=0.1, rate_power=0.5)
    tensor([2.0000e-01, 1.0000e-06])
    >>> norm_dependent_rate(weights, learning_rate=0.1, rate_power=0.5, opening=torch.tensor(0.25))
    tensor([0.2000, 0.0500])
    """
    norms: Tensor = torch.linalg.vector_norm(weights, dim=1)
    distance = norms.sub_(1.0).abs_().add_(_RATE_FLOOR)
    if opening is not None:
        torch.maximum(distance, opening, out=distance)
    return distance.pow_(rate_power).mul_(learning_rate)


def linear_decay(samples_seen: Tensor, decay_samples: int) -> Tensor:
    """Return the factor ``max(0, 1 − n/N)`` that the rate may be multiplied with (appendix A.2), shape ().

    Examples
    --------
    >>> linear_decay(torch.tensor(25), decay_samples=100)
    tensor(0.7500)
    """
    return (1.0 - samples_seen.to(torch.float32) / decay_samples).clamp_(min=0.0)
