"""Matrix products at a chosen precision. Weights, statistics and everything else stay float32."""

from typing import Literal, Protocol

import torch
from torch import Tensor

PrecisionName = Literal["float32", "tf32", "bfloat16", "float16", "auto"]
"""Of the factors of a product; sums are float32 in every case. ``"auto"`` is bfloat16 where the processor has it."""


class Product(Protocol):
    """``a @ b`` into ``out``; all three float32."""

    precision: PrecisionName

    def __call__(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        """Return `out`."""
        ...


def product(precision: PrecisionName) -> Product:
    """Return the product for a precision.

    ``"bfloat16"`` and ``"float16"`` round the factors and use an accelerator's tensor cores. Elsewhere the rounded
    factors are multiplied in float32: the same numbers, at no gain in speed. Compiled kernels do better on a processor
    that multiplies bfloat16; ``"auto"`` leaves it to them, and is float32 here.

    Examples
    --------
    >>> a, b, out = torch.tensor([[1.001]]), torch.tensor([[1.0]]), torch.empty(1, 1)
    >>> product("float32")(a, b, out), product("bfloat16")(a, b, out.clone())
    (tensor([[1.0010]]), tensor([[1.]]))
    """
    return _PRODUCTS[precision]


_WIDENS = hasattr(torch.ops.aten.mm, "dtype_out")
"""Whether torch gives products of short factors as float32: from 2.8 on."""


class _Float32:
    def __init__(self, precision: PrecisionName) -> None:
        self.precision = precision

    def __call__(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        return torch.mm(a, b, out=out)


class _Rounded:
    def __init__(self, precision: PrecisionName, dtype: torch.dtype) -> None:
        self.precision, self.dtype = precision, dtype

    def __call__(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        a, b = a.to(self.dtype), b.to(self.dtype)
        if a.device.type == "cuda" and _WIDENS:
            return torch.mm(a, b, out_dtype=torch.float32, out=out)
        return torch.mm(a.float(), b.float(), out=out)


_PRODUCTS: dict[PrecisionName, Product] = {
    "auto": _Float32("auto"),
    "float32": _Float32("float32"),
    "tf32": _Float32("tf32"),
    "bfloat16": _Rounded("bfloat16", torch.bfloat16),
    "float16": _Rounded("float16", torch.float16),
}
