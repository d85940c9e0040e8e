"""`Temperature`: online calibration by one scale of the scores."""

import torch
from torch import Tensor

_RATE = 0.01  # share of what came before that each sample replaces
_LONGEST_STEP = 0.1
_FIT_STEPS, _LONGEST_FIT_STEP, _TINY = 60, 0.5, 1e-12
_LEAST_SPREAD = 0.01  # of scores, on average: probabilities that are all but equal are equal in a model's float32


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

    def fit(self, scores: Tensor, rows: Tensor, prior: Tensor | float = 0.0) -> None:
        """Take the most likely temperature, 1 at least, of scores (n, classes) of samples of the classes `rows` (n,).

        What is known before them, such as the logarithm of how often each class came (classes,), is added as it is.

        As if one more sample of each n + 2 had been of another class (Platt 1999): a few that are all right do not prove that
        all others are. However wrong they are, without a prior the likeliest class stays the likeliest.
        """
        scores = scores.double()
        count, classes = scores.shape
        doubt = 1.0 / (count + 2)
        wanted = torch.full_like(scores, doubt / max(classes - 1, 1)).scatter_(1, rows.unsqueeze(1), 1.0 - doubt)
        log_inverse = torch.zeros((), dtype=torch.float64, device=scores.device)
        spread = scores.std(dim=1, correction=0).mean()
        least = (_LEAST_SPREAD / spread.clamp(min=_TINY)).log().clamp(max=0.0)
        for _ in range(_FIT_STEPS):
            scaled = log_inverse.exp() * scores
            p = torch.softmax(scaled + prior, dim=1)
            mean = (p * scaled).sum(dim=1, keepdim=True)
            curvature = (p * (scaled - mean).square()).sum(dim=1).mean()
            gradient = (wanted * (scaled - mean)).sum(dim=1).mean()
            step = (gradient / curvature.clamp(min=_TINY)).clamp(-_LONGEST_FIT_STEP, _LONGEST_FIT_STEP)
            log_inverse = (log_inverse + step).clamp(max=0.0).maximum(least)
        self.state = torch.stack([log_inverse, torch.ones_like(log_inverse)])

    def update(self, scores: Tensor, row: int, w: float = 1.0) -> None:
        """Take the scores (classes,) of a sample of class `row`, of weight `w`."""
        scaled = self.inverse * scores.double()
        p = torch.softmax(scaled, dim=0)
        mean = p @ scaled
        curvature = torch.lerp(self.state.select(0, 1), w * (p @ (scaled - mean).square()), _RATE)
        step = (_RATE * w * (scaled.select(0, row) - mean) / curvature).clamp(-_LONGEST_STEP, _LONGEST_STEP)
        self.state = torch.stack([self.state.select(0, 0) + step, curvature])
