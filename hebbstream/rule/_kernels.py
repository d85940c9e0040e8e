"""A layer's step in a few loops over memory, compiled by numba: what a hundred small tensor operations do otherwise.

Importing this module compiles them, or reads what numba has kept; `hebbstream.rule._fast` does so in the background.
"""

from hebbstream.rule._forward_kernels import (
    BFLOAT16,
    SHAPE,
    convolve,
    convolve_short,
    follow,
    follow_together,
    pad,
    pool,
    whiten,
)
from hebbstream.rule._tile import TOGETHER
from hebbstream.rule._update_kernels import compete, measure, rates, round_rows, sort, update

__all__ = [
    "BFLOAT16", "SHAPE", "TOGETHER", "compete", "convolve", "convolve_short", "follow", "follow_together", "measure", "pad", "pool",
    "rates", "round_rows", "sort", "update", "whiten",
]  # fmt: skip
