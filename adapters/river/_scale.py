"""`RunningScale`: features standardised by the mean and variance of those that came before."""

import torch
from torch import Tensor

_SLOWEST = 1e-3  # share of the latest sample once a thousand have come: features change as they learn


class RunningScale:
    """Standardises each sample as if it had just been taken in, and shortens those that are longer than √F then.

    √F is the length of an average one, F features. Features of neurons are mostly near 0 and sometimes large: behind
    50 of them standardised alone, river's ``LinearRegression`` diverges. A feature that has not varied becomes 0;
    before the first sample, features stay what they are.

    Examples
    --------
    >>> scale = RunningScale()
    >>> for value in (1.0, 3.0, 1.0, 3.0):
    ...     _ = scale.take_in(torch.tensor([value, 7.0]))
    >>> scale(torch.tensor([[2.0, 7.0], [1e9, 7.0]]))
    tensor([[0.0000, 0.0000],
            [1.4142, 0.0000]])
    """

    def __init__(self) -> None:
        self.count = 0
        """Samples taken in."""
        self._mean = self._variance = torch.zeros(0, dtype=torch.float64, device="cpu")

    @property
    def features(self) -> int | None:
        """How many there are of a sample; ``None`` before the first."""
        return len(self._mean) if self.count else None

    def __call__(self, rows: Tensor) -> Tensor:
        """Return rows (n, F) standardised, float32; nothing changes."""
        return rows if not self.count else self._standardised(rows)

    def take_in(self, features: Tensor) -> Tensor:
        """Take a sample (F,) in, and return it standardised."""
        if not self.count:
            self._mean, self._variance = features.double(), torch.zeros_like(features, dtype=torch.float64)
        standardised = self._standardised(features)
        share = self._share()
        shift = features - self._mean
        self._mean = self._mean + share * shift
        self._variance = (1 - share) * (self._variance + share * shift.square())
        self.count += 1
        return standardised

    def _share(self) -> float:
        return max(1 / (self.count + 1), _SLOWEST)

    def _standardised(self, rows: Tensor) -> Tensor:
        share = self._share()
        shift = rows - self._mean
        variance = (1 - share) * (self._variance + share * shift.square())
        standardised = (1 - share) * shift / torch.where(variance > 0, variance, 1.0).sqrt()
        length = standardised.square().mean(dim=-1, keepdim=True).sqrt()
        return (standardised / length.clamp(min=1.0)).float()
