"""`SldaProbe`: streaming linear discriminant analysis."""

from typing import ClassVar, Unpack

import torch
from torch import Tensor

from hebbstream._numbers import plain_number, quantity
from hebbstream.errors import ConfigurationError
from hebbstream.probe._moments import FADED, MomentOptions, MomentProbe
from hebbstream.probe._sums import deviation


class SldaProbe(MomentProbe):
    """Linear discriminant analysis: a mean for each class, one covariance for all.

    Hayes and Kanan 2020, *Lifelong Machine Learning with Deep Streaming Linear Discriminant Analysis*: before its features
    are seen, every class is as likely as any other. Two things differ from that work. The covariance is the exact one
    within the classes. And the squared distance to a mean of n samples is reduced by tr(ΛΣ) / n, what chance adds to it
    on average; without that, a new class would lie too far from everything to be predicted. With it, the first sample of
    a new class takes too much from the others, until a few more have come (docs/evidence/labels.md).

    Parameters
    ----------
    shrinkage
        Share of the covariance, of standardised features, that is replaced by the identity; above 0 and below 1. More of
        it finds more of a class that has shown a few samples, and tells classes of many samples apart less well.
    dimensions, seed, solve_every, half_life, calibrate, min_confidence
        See `MomentProbe`.

    Examples
    --------
    >>> probe = SldaProbe()
    >>> for _ in range(20):
    ...     probe.learn_one([1.0, 0.0], "left")
    ...     probe.learn_one([0.0, 1.0], "right")
    >>> probe.predict_one([0.9, 0.1])
    'left'
    >>> probe
    SldaProbe(features=2, classes=2, labels=40)
    """

    solver: ClassVar[str] = "slda"
    option_names: ClassVar[tuple[str, ...]] = ("shrinkage", *MomentProbe.option_names)

    def __init__(self, shrinkage: float = 0.1, **options: Unpack[MomentOptions]) -> None:
        super().__init__(**options)
        if not 0 < quantity(shrinkage) < 1:
            raise ConfigurationError(f"shrinkage={shrinkage!r}: expected a number above 0 and below 1")
        self.shrinkage = plain_number(shrinkage)

    def _solve(self) -> tuple[Tensor, Tensor]:
        moments = self._moments()
        means = moments.sums / moments.counts.unsqueeze(1)
        present = self._among_products()
        sums, counts = present[:, :-1], present[:, -1:]
        center = sums.sum(dim=0) / counts.sum()
        covariance = (moments.products - means.T @ sums) / moments.weight
        between = ((means - center).square() * counts).sum(dim=0) / counts.sum()
        scale = deviation(covariance.diagonal() + between, moments)
        covariance = covariance / scale / scale.unsqueeze(1) * (1 - self.shrinkage)
        covariance.diagonal().add_(self.shrinkage)
        apart = (means - center) / scale
        factor = torch.linalg.cholesky_ex(covariance)[0]
        weight = torch.cholesky_solve(apart.T, factor).T
        trace = torch.cholesky_inverse(factor).trace()  # tr Λ: an estimate would depend on the features' order
        spread = (len(covariance) - self.shrinkage * trace) / (1 - self.shrinkage)  # tr(ΛΣ)
        bias = 0.5 * (spread / moments.samples - (weight * apart).sum(dim=1))
        weight = weight / scale
        return weight, bias - weight @ center

    def _remove_row(self, row: int) -> None:
        # What the class had within it stays in the covariance of all; where it lay is taken out.
        total, count = self._among_products()[row].tensor_split([-1])
        self._shared["gram"][:-1, :-1].addr_(total, total / count.clamp(min=FADED), alpha=-1.0)
        super()._remove_row(row)

    def _among_products(self) -> Tensor:
        """Return the sums of the classes, and zeros for those that fade no more: among the products, they have gone."""
        sums, weight = self._per_class["sums"], self._shared["gram"][-1, -1]
        if self.half_life is None:
            return sums
        return torch.where(sums[:, -1:] > 2 * FADED * weight.clamp(max=1.0), sums, 0.0)
