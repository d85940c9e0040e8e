"""`RidgeProbe`: recursive least squares on one-hot labels."""

from typing import ClassVar, Unpack

from torch import Tensor

from hebbstream._numbers import plain_number, quantity
from hebbstream.errors import ConfigurationError
from hebbstream.probe._moments import MomentOptions, MomentProbe
from hebbstream.probe._sums import least_squares


class RidgeProbe(MomentProbe):
    """Ridge regression of one-hot labels on standardised features: the exact solution for all samples so far.

    Its probabilities are a softmax of the regression's outputs over twice their mean squared residual. A class removed by
    `forget` takes its weights along; its samples stay among those that the other classes are told from.

    Parameters
    ----------
    l2
        Penalty on the squared weights of standardised features, divided by their number: with 1, an output's deviation
        before any sample, if every feature is 1, is that of the labels.
    dimensions, seed, solve_every, half_life, calibrate, min_confidence
        See `MomentProbe`.

    Examples
    --------
    >>> probe = RidgeProbe()
    >>> for _ in range(20):
    ...     probe.learn_one([1.0, 0.0], "left")
    ...     probe.learn_one([0.0, 1.0], "right")
    >>> probe.predict_one([0.9, 0.1])
    'left'
    >>> probe
    RidgeProbe(features=2, classes=2, labels=40)
    """

    solver: ClassVar[str] = "ridge"
    option_names: ClassVar[tuple[str, ...]] = ("l2", *MomentProbe.option_names)

    def __init__(self, l2: float = 1.0, **options: Unpack[MomentOptions]) -> None:
        super().__init__(**options)
        if not quantity(l2) > 0:
            raise ConfigurationError(f"l2={l2!r}: expected a number above 0")
        self.l2 = plain_number(l2)

    def _solve(self) -> tuple[Tensor, Tensor]:
        moments = self._moments()
        mean, share = moments.total / moments.weight, moments.counts / moments.weight
        solved = least_squares(moments, float(self.l2))
        explained = (solved.weight * solved.targets).sum() + solved.penalty * solved.weight.square().sum()
        residual = (share * (1 - share)).mean() - explained / len(share)
        # Normal noise of the residuals' variance would give a temperature of that variance. On features of CIFAR-10 and
        # pixels of MNIST twice as much was nearer the truth, for these are the residuals of samples that were learned.
        temperature = (2 * residual).clamp(min=1e-4)
        weight = solved.weight / solved.scale / temperature
        return weight, share / temperature - weight @ mean
