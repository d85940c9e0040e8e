"""`Workspace`: memory that steps use again and again."""

import math
import threading
from collections.abc import Callable, Hashable
from typing import Any

import torch
from torch import Tensor

_MOST_PLANS = 4


def aligned(shape: tuple[int, ...], dtype: torch.dtype) -> Any:
    """Return an array with undefined contents that begins at a cache line.

    torch's memory does, and NumPy's need not. A vector of 512 bits that lies in two lines is loaded twice: products of
    bfloat16 then take a third longer.

    Examples
    --------
    >>> aligned((3,), torch.float32).ctypes.data % 64
    0
    """
    return torch.empty(shape, dtype=dtype, device="cpu").numpy()


class Workspace:
    """Named buffers that grow to the largest size asked for, and no further.

    Large allocations are the slow ones: the system hands them out as pages of zeros, one fault at a time. What a step
    writes here is valid until the same name is taken again. A copy, or a pickle, of a workspace is an empty one.

    Examples
    --------
    >>> workspace = Workspace()
    >>> large = workspace.take("patches", (4, 5), torch.zeros(1))
    >>> small = workspace.take("patches", (2, 3), torch.zeros(1))
    >>> small.shape, small.data_ptr() == large.data_ptr(), workspace.nbytes
    (torch.Size([2, 3]), True, 80)
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Tensor] = {}
        self._latest: dict[str, Tensor] = {}  # views of the buffers
        self._plans: dict[Hashable, Any] = {}

    def take(self, name: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Return a contiguous tensor of that shape, with `like`'s dtype and device; its contents are undefined."""
        latest = self._latest.get(name)
        if latest is not None and latest.shape == shape and latest.device == like.device and latest.dtype == like.dtype:
            return latest
        size = math.prod(shape)
        buffer = self._buffers.get(name)
        if buffer is None or buffer.numel() < size or buffer.device != like.device or buffer.dtype != like.dtype:
            buffer = self._buffers[name] = torch.empty(size, dtype=like.dtype, device=like.device)
        latest = self._latest[name] = buffer.narrow(0, 0, size).view(shape)
        return latest

    def plan(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Return what was made for a key, with its memory, or make it; the four latest are kept."""
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) == _MOST_PLANS:
                del self._plans[next(iter(self._plans))]
            found = self._plans[key] = make()
        return found

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(held.nbytes for held in (*self._buffers.values(), *self._plans.values()))

    def __reduce__(self) -> tuple[type["Workspace"], tuple[()]]:
        return Workspace, ()


class PerThread:
    """Workspaces that belong to the calling thread, so that several may compute at the same time.

    A copy, or a pickle, is an empty one.
    """

    def __init__(self) -> None:
        self._local = threading.local()

    def take(self, count: int) -> list[Workspace]:
        """Return so many workspaces."""
        held: list[Workspace] = self._local.__dict__.setdefault("held", [])
        held.extend(Workspace() for _ in range(count - len(held)))
        return held[:count]

    def __reduce__(self) -> tuple[type["PerThread"], tuple[()]]:
        return PerThread, ()
