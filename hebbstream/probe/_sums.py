"""`Moments`: what a classifier is solved from, and how far features lie apart in it."""

from dataclasses import dataclass

import torch
from torch import Tensor

_CONSTANT = 1e-12  # of its mean square from the origin: a variance below this is rounding
_DIGITS = 1e-14  # of its mean: a deviation below this is rounding of what a feature was computed from
_LEAST_PENALTY, _LARGEST_PENALTY = 1e-15, 1e100  # per feature: by rounding, one column twice would have no solution


@dataclass(frozen=True, slots=True)
class Moments:
    """First and second moments of the features, from an origin, all float64; d features, C classes.

    Parameters
    ----------
    origin
        Where it lies, (d,).
    products
        Σ w x xᵀ, (d, d).
    total
        Σ w x, (d,).
    weight
        Σ w, a scalar.
    sums
        Σ w x of each class, (C, d).
    counts
        Σ w of each class, (C,).
    samples
        Number of samples of equal weight whose mean is as uncertain as that of each class, (C,); without fading, `counts`.
    """

    origin: Tensor
    products: Tensor
    total: Tensor
    weight: Tensor
    sums: Tensor
    counts: Tensor
    samples: Tensor


@dataclass(frozen=True, slots=True)
class Solved:
    """Least squares on standardised features; d features, C outputs.

    Parameters
    ----------
    weight
        Weights of features divided by `scale`, (C, d).
    scale
        Their standard deviations, (d,).
    targets
        Their covariances with the outputs, (C, d).
    penalty
        On the squared weights.
    """

    weight: Tensor
    scale: Tensor
    targets: Tensor
    penalty: Tensor


def least_squares(moments: Moments, l2: float) -> Solved:
    """Regress outputs, whose weights `Moments.sums` and `Moments.counts` are made with, on standardised features."""
    mean, share = moments.total / moments.weight, moments.counts / moments.weight
    covariance = moments.products / moments.weight - torch.outer(mean, mean)
    scale = deviation(covariance.diagonal(), moments)
    targets = (moments.sums / moments.weight - torch.outer(share, mean)) / scale
    covariance = covariance / scale / scale.unsqueeze(1)
    least = _LEAST_PENALTY * len(mean)
    penalty = (l2 * len(mean) / moments.weight).clamp(least, _LARGEST_PENALTY)
    covariance.diagonal().add_(penalty)
    weight = torch.cholesky_solve(targets.T, torch.linalg.cholesky_ex(covariance)[0]).T
    return Solved(weight, scale, targets, penalty)


def deviation(variance: Tensor, moments: Moments) -> Tensor:
    """Return standard deviations (d,), and infinity, which leaves no weight, for features that have not varied."""
    mean = moments.origin + moments.total / moments.weight
    rounding = _CONSTANT * moments.products.diagonal() / moments.weight + (_DIGITS * mean).square()
    return torch.where(variance > rounding, variance, torch.inf).sqrt()
