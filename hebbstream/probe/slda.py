"""`SldaProbe`: streaming linear discriminant analysis."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.probe.moments import MomentProbe, Moments, deviation


class SldaProbe(MomentProbe):
    """Linear discriminant analysis: a mean for each class, one covariance for all.

    Hayes and Kanan 2020, *Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis*: every class is as
    likely as any other before its features are seen. Where that work runs the covariance along with the stream, this one
    is the exact covariance within the classes, and the distance to a mean is reduced by what its few samples add to it:
    by tr(ΛΣ) (n − 1) / n², which is the expected excess where n is large, and nothing for the first sample of a class.

    Parameters
    ----------
    shrinkage
        Share of the covariance, of standardised features, that is replaced by the identity; above 0 and below 1.
    dimensions, seed, solve_every, calibrate, min_confidence
        See `MomentProbe`.

    Examples
    --------
    >>> probe = SldaProbe()
    >>> for _ in range(20):
    ...     probe.learn_one([1.0, 0.0], "left")
    ...     probe.learn_one([0.0, 1.0], "right")
    >>> probe.predict_one([0.9, 0.1])
    'left'
    """

    solver: ClassVar[str] = "slda"
    option_names: ClassVar[tuple[str, ...]] = ("shrinkage", *MomentProbe.option_names)

    def __init__(self, shrinkage: float = 0.1, **options: Any) -> None:
        super().__init__(**options)
        if not 0 < shrinkage < 1:
            raise ConfigurationError(f"shrinkage={shrinkage!r}: expected a number above 0 and below 1")
        self.shrinkage = shrinkage

    def _solve(self, moments: Moments) -> tuple[Tensor, Tensor]:
        counts = moments.counts.unsqueeze(1)
        means = moments.sums / counts
        center = moments.sums.sum(dim=0) / counts.sum()
        covariance = (moments.products - means.T @ moments.sums) / moments.weight
        between = ((means - center).square() * counts).sum(dim=0) / counts.sum()
        scale = deviation(covariance.diagonal() + between, moments)
        covariance = covariance / scale / scale.unsqueeze(1) * (1 - self.shrinkage)
        covariance.diagonal().add_(self.shrinkage)
        factor = torch.linalg.cholesky_ex(covariance)[0]
        apart = (means - center) / scale
        weight = torch.cholesky_solve(apart.T, factor).T
        inverse = torch.linalg.solve_triangular(factor, torch.eye(len(factor)).to(factor), upper=False)
        spread = (len(factor) - self.shrinkage * inverse.square().sum()) / (1 - self.shrinkage)  # tr(ΛΣ)
        excess = spread * (counts[:, 0] - 1).clamp(min=0) / counts[:, 0].square()
        bias = 0.5 * (excess - (weight * apart).sum(dim=1))
        weight = weight / scale
        return weight, bias - weight @ center

    def _remove_row(self, row: int) -> None:
        # What the class had within it stays in the covariance of all; where it lay is taken out.
        total, count = self._sums[row, :-1], self._sums[row, -1]
        self._gram[:-1, :-1].addr_(total, total / count, alpha=-1.0)
        super()._remove_row(row)
