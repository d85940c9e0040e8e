"""`Temperature`: online calibration by one scale of the scores."""

import torch
from torch import Tensor

_RATE = 0.01  # share of what came before that each sample replaces
_LONGEST_STEP = 0.1


class Temperature:
    """The inverse temperature of a softmax, fitted to a stream by Newton steps on the log-likelihood.

    Temperature scaling (Guo et al. 2017, *On Calibration of Modern Neural Networks*) with every sample used once, before
    the classifier learns from it, so that it is fitted to scores of samples the classifier has not seen.

    Attributes
    ----------
    state
        Float64, (2,): log of the inverse temperature, and the running mean of the log-likelihood's curvature in it.

    Examples
    --------
    >>> temperature = Temperature(torch.device("cpu"))
    >>> for _ in range(200):  # sure of itself, and wrong every other time
    ...     temperature.update(torch.tensor([9.0, 0.0]), 0)
    ...     temperature.update(torch.tensor([9.0, 0.0]), 1)
    >>> bool(temperature.inverse < 0.1)
    True
    """

    def __init__(self, device: torch.device) -> None:
        self.state = torch.tensor([0.0, 1.0], dtype=torch.float64, device=device)

    @property
    def inverse(self) -> Tensor:
        """What scores are multiplied by; a scalar."""
        return self.state.select(0, 0).exp()

    def update(self, scores: Tensor, row: int, w: float = 1.0) -> None:
        """Take the scores (classes,) of a sample of class `row`, of weight `w`."""
        scaled = self.inverse * scores.double()
        p = torch.softmax(scaled, dim=0)
        mean = p @ scaled
        curvature = torch.lerp(self.state.select(0, 1), w * (p @ (scaled - mean).square()), _RATE)
        step = (_RATE * w * (scaled.select(0, row) - mean) / curvature).clamp(-_LONGEST_STEP, _LONGEST_STEP)
        self.state = torch.stack([self.state.select(0, 0) + step, curvature])
