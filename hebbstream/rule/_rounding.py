"""Rounding of what grows, or moves, by less than float32 can tell, sample after sample."""

import torch
from torch import Tensor

_GOLDEN = 0.6180339887498949  # its multiples, without their integers, fill [0, 1) evenly
_DROPPED = 29  # bits that float64 has more than float32


def rounded_in_turn(exact: Tensor, turn: Tensor) -> Tensor:
    """Round float64 to float32, up as often as the part that is lost is large; `turn` counts the calls, shape ().

    Rounded to the nearest, a sum stands still once what is added is half its last digit: a count of ones at 2²⁴. So does a
    running mean far from 0. This way both are right on average, and a run that is resumed goes on as it would have.

    Examples
    --------
    >>> count = torch.tensor(2.0**24)
    >>> for turn in range(1000):
    ...     count = rounded_in_turn(count.double() + 1, torch.tensor(turn))
    >>> abs(count.item() - 2**24 - 1000) < 5
    True
    """
    lost = ((turn.double() * _GOLDEN).frac() * 2.0**_DROPPED).long()
    return ((exact.view(torch.int64) + lost) & -(1 << _DROPPED)).view(torch.float64).float()
