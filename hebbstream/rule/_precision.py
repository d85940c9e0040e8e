"""Matrix products at a chosen precision. Weights, statistics and everything else stay float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

import torch
from torch import Tensor

PrecisionName = Literal["float32", "tf32", "bfloat16", "float16"]
"""Of the factors of a product; sums are float32 in every case."""


class Product(Protocol):
    """``a @ b`` into ``out``; all three float32."""

    def __call__(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        """Return `out`."""
        ...


def product(precision: PrecisionName) -> Product:
    """Return the product for a precision.

    ``"bfloat16"`` and ``"float16"`` round the factors and use an accelerator's tensor cores. Elsewhere the rounded
    factors are multiplied in float32: the same numbers, at no gain in speed.

    Examples
    --------
    >>> a, b, out = torch.tensor([[1.001]]), torch.tensor([[1.0]]), torch.empty(1, 1)
    >>> product("float32")(a, b, out), product("bfloat16")(a, b, out.clone())
    (tensor([[1.0010]]), tensor([[1.]]))
    """
    if precision in ("float32", "tf32"):
        return _float32
    return _BFLOAT16 if precision == "bfloat16" else _FLOAT16


def _float32(a: Tensor, b: Tensor, out: Tensor) -> Tensor:
    return torch.mm(a, b, out=out)


class _Rounded:
    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __call__(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        a, b = a.to(self.dtype), b.to(self.dtype)
        if a.device.type == "cuda":
            return torch.mm(a, b, out_dtype=torch.float32, out=out)
        return torch.mm(a.float(), b.float(), out=out)


_BFLOAT16, _FLOAT16 = _Rounded(torch.bfloat16), _Rounded(torch.float16)


@contextmanager
def tensor_float32(*, enabled: bool) -> Iterator[None]:
    """Let, or forbid, float32 products on CUDA use TensorFloat-32 (10 bits of mantissa) inside the block."""
    before = torch.backends.cuda.matmul.allow_tf32
    if before == enabled:
        yield
        return
    torch.backends.cuda.matmul.allow_tf32 = enabled
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
