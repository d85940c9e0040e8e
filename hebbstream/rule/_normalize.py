"""`StreamNorm`: per-channel standardisation by statistics that follow a stream."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from hebbstream.rule._rounding import rounded_in_turn

FLAT = 1e-6
"""Variance below which a channel has shown nothing so far: a tenth of what is added to variances anyway."""


@dataclass(frozen=True, slots=True)
class Moments:
    """First and second moments of the pixels of one step, float32.

    Parameters
    ----------
    mean
        Shape (C,).
    spread
        What a normalisation follows besides: the variance, shape (C,), or the covariance, shape (C, C).
    samples
        Number of samples in the step.
    """

    mean: Tensor
    spread: Tensor
    samples: int


class StreamNorm(nn.Module):
    """Standardise channels by a running mean and variance.

    Batch normalisation takes its statistics from the mini-batch while learning and from a running average
    afterwards. For single samples that would be two different functions, so here the running statistics, which include
    the present sample, serve both. They are exact (every sample weighs the same) for the first ``1/momentum``
    samples and exponential after that. There are no learned scale and shift (section 4 of the paper).

    A channel that has had one value so far, as in the dark, in silence or of a sensor that is off, begins anew with the first
    sample in which it varies. Beside a variance of next to nothing, that sample and dozens after it would be huge.

    Parameters
    ----------
    channels
        C.
    momentum
        Weight of one sample in the exponential phase. A step of B samples weighs ``1 − (1 − momentum)^B``.
    use_batch_statistics
        Standardise by each step's own statistics while learning, as the paper does; the running ones are kept for
        inference all the same, and serve a step that has but one value of each channel.
    device
        Where the statistics lie.

    Examples
    --------
    >>> norm = StreamNorm(1)
    >>> x = torch.tensor([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)
    >>> norm.learn(x).flatten()
    tensor([-1.2247,  0.0000,  1.2247])
    >>> norm(x).flatten()
    tensor([-1.2247,  0.0000,  1.2247])
    """

    eps: ClassVar[float] = 1e-5
    """Added to the variance."""
    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(
        self,
        channels: int,
        momentum: float = 0.01,
        *,
        use_batch_statistics: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        self.momentum = momentum
        self.use_batch_statistics = use_batch_statistics
        self.register_buffer("mean", torch.zeros(channels, dtype=torch.float32, device=device))
        self.register_buffer("var", torch.ones(channels, dtype=torch.float32, device=device))
        # On the device, not in Python: a captured CUDA graph replays tensors, and would freeze a Python number.
        self.register_buffer("count", torch.zeros((), dtype=torch.int64, device=device))

    def learn(self, x: Tensor, moments: Moments | None = None) -> Tensor:
        """Take a step's statistics in, then standardise it.

        Parameters
        ----------
        x
            Shape (B, C, H, W).
        moments
            Those of a step of which `x` is a part; ``None`` where it is all of it.

        Returns
        -------
        Tensor
            Shape (B, C, H, W).
        """
        moments = moments or self.moments(x)
        self.follow(moments)
        values = moments.samples * x.shape[2] * x.shape[3]
        if self.use_batch_statistics and values > 1:  # the only value is its own mean, and all would be 0
            return _standardise(x, moments.mean, torch.rsqrt(moments.spread + self.eps))
        return self.forward(x)

    def take_in(self, x: Tensor) -> None:
        """Take a step's statistics in."""
        self.follow(self.moments(x))

    def moments(self, x: Tensor) -> Moments:
        """Return what `follow` takes in of a step, shape (B, C, H, W); nothing changes."""
        # Two passes: torch.var_mean is as exact, but several times slower on channels-last memory.
        channels_last = x.permute(0, 2, 3, 1)
        # From a pixel on: the sum of equal values far from 0 would be rounded, and their mean be another value.
        first = x.select(0, 0).select(2, 0).select(1, 0) if len(x) else x.new_zeros(x.shape[1])
        centred = channels_last - first
        shift = centred.mean(dim=(0, 1, 2))
        return Moments(first + shift, centred.sub_(shift).square_().mean(dim=(0, 1, 2)), x.shape[0])

    def follow(self, moments: Moments) -> None:
        """Let the statistics follow those of a step."""
        self._update(moments.mean, moments.spread, moments.samples)

    def forward(self, x: Tensor) -> Tensor:
        """Standardise by the running statistics; shape (B, C, H, W) in and out."""
        return _standardise(x, self.mean, torch.rsqrt(self.var + self.eps))

    def _update(self, mean: Tensor, var: Tensor, samples: int) -> tuple[Tensor, Tensor, Tensor]:
        """Let the statistics follow; return which channels begin anew, the weight of the step, and how far its mean was from theirs."""
        flat = self.var < FLAT
        begin = flat & (var > 10 * FLAT)
        # Where nothing has varied before, what came before counts no more.
        self.count.mul_(begin.any().logical_and(flat.all()).logical_not()).add_(samples)
        steady = 1.0 - (1.0 - self.momentum) ** samples
        weight = (samples / self.count.to(torch.float32)).clamp_(min=steady)
        shift = (mean - self.mean).masked_fill_(begin, 0.0)
        weights = weight.expand_as(begin).masked_fill(begin, 1.0)
        # The variance of two pooled groups; with weight = samples/count this is the exact variance so far.
        self.var.addcmul_(shift, weight * shift).lerp_(var, weights)
        mean = torch.lerp(self.mean.double(), mean.double(), weights.double())
        self.mean.copy_(rounded_in_turn(mean, self.count))
        return begin, weight, shift

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return the map that it applies to the channels of a pixel, ``A·x + b``; float64, shapes (C, C) and (C,).

        Examples
        --------
        >>> StreamNorm(1).affine()
        (tensor([[1.0000]], dtype=torch.float64), tensor([-0.], dtype=torch.float64))
        """
        scale = torch.rsqrt(self.var + self.eps).double()
        return torch.diag(scale), -self.mean * scale


def _standardise(x: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    return (x.permute(0, 2, 3, 1) - mean).mul_(scale).permute(0, 3, 1, 2)
