"""`Discriminant`: linear discriminant analysis of samples that are fewer than their features."""

import torch
import torch.nn.functional as F
from torch import Tensor

_TINY = 1e-12  # of samples that are all the same
_AT_ONCE = 256  # samples that are summed in float64, of which torch makes a copy


class Discriminant:
    """Solves for any rows of some features, without a product of two features.

    A discriminant of n samples is a weighted sum of them, so products of the samples with each other are enough: of the order of n³
    steps for F features, where `SldaProbe` takes F³, or first adds features up. It is the same solution, but that features
    are not standardised.

    Parameters
    ----------
    features
        Shape (n, F).
    classes
        Number of each sample's class; shape (n,), int64.
    weights
        How many samples each stands for in what a class varies by; shape (n,).

    Examples
    --------
    >>> features = torch.tensor([[1.0, 0.1, 0.0], [0.9, -0.1, 0.1], [0.0, 1.0, 0.1], [0.1, 0.9, 0.0]])
    >>> solver = Discriminant(features, torch.tensor([0, 0, 1, 1]), torch.ones(4))
    >>> weight, bias = solver.solve(torch.arange(4), shrinkage=0.5)
    >>> (features @ weight.T + bias).argmax(dim=1)
    tensor([0, 0, 1, 1])
    """

    def __init__(self, features: Tensor, classes: Tensor, weights: Tensor) -> None:
        self._classes, self._weights = classes, weights.double()
        # In float64 the mean of equal features is what they are. By its rounding classes would seem to lie apart.
        starts = range(0, len(features), _AT_ONCE)
        sums = [features[start : start + _AT_ONCE].sum(dim=0, dtype=torch.float64) for start in starts]
        self._mean = (torch.stack(sums).sum(dim=0) / len(features)).to(features.dtype)
        self._apart = features - self._mean
        self._products = self._apart @ self._apart.T

    def solve(self, rows: Tensor, shrinkage: float) -> tuple[Tensor, Tensor]:
        """Return scores as an affine map of features, (C, F) and (C,): log-likelihoods, but for a constant.

        Parameters
        ----------
        rows
            Indices of the samples to learn from; the C classes are those that have one, in the order of their numbers.
        shrinkage
            Share of the covariance within classes that is replaced by the mean variance of a feature; above 0 and below 1.
        """
        present, numbers = torch.unique(self._classes[rows], return_inverse=True)
        own = F.one_hot(numbers, len(present)).double()
        products, weights = self._products[rows][:, rows].double(), self._weights[rows]
        n, features = len(rows), self._apart.shape[1]
        counts = own.sum(dim=0)
        mean = (own / counts).T  # of each class, as a sum of samples
        of_means = mean @ products
        # What a mean is times how far each sample is from that of its class, the sign turned.
        apart = own @ (of_means @ mean.T) - of_means.T
        root = (weights * (n / weights.sum())).sqrt().unsqueeze(1)
        least = shrinkage * (products.diagonal().mean() / features).clamp(min=_TINY)
        share = (1 - shrinkage) / n
        within = products.addmm_(own, of_means, alpha=-1).addmm_(apart, own.T).mul_(root * share).mul_(root.T)
        within.diagonal().add_(least)
        factor = torch.linalg.cholesky(within, out=within)
        solved = root * torch.cholesky_solve(root * apart, factor)
        dual = (mean + share * (solved.T - (solved.T @ own) @ mean)) / least
        # What chance adds to the squared distance from a mean of few samples: see `SldaProbe`.
        spread = (n - least * torch.cholesky_inverse(factor).trace()) / (1 - shrinkage)
        bias = 0.5 * (spread / counts - (dual * of_means).sum(dim=1))
        weight = dual.to(self._apart.dtype) @ self._apart[rows]
        return weight, bias.to(weight.dtype) - weight @ self._mean
