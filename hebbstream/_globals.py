"""What of torch is global, and may be set to anything by whoever runs us."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import torch

from hebbstream._quote import first_line
from hebbstream.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")

# From torch 2.9 on, the older name fails where somebody has set the newer one.
_MATMUL = torch.backends.cuda.matmul
_NEWER = hasattr(_MATMUL, "fp32_precision")
_SETTING, _ON, _OFF = ("fp32_precision", "tf32", "ieee") if _NEWER else ("allow_tf32", True, False)


class _TensorFloat32:
    """Sets what is one for all threads: once none is in a block any more, it is what it was before the first of them."""

    def __init__(self) -> None:
        self._lock, self._open = threading.Lock(), 0
        self._first: Any = None

    def is_on(self) -> bool:
        """Whether products are in TensorFloat-32 by now; never before the first use of a card, which alone computes so."""
        return _card_is_in_use() and bool(getattr(_MATMUL, _SETTING) == _ON)

    @contextmanager
    def __call__(self, *, enabled: bool) -> Iterator[None]:
        if not _card_is_in_use():
            yield
            return
        with self._lock:
            found = getattr(_MATMUL, _SETTING)
            self._first, self._open = self._first if self._open else found, self._open + 1
            if (found == _ON) != enabled:
                setattr(_MATMUL, _SETTING, _ON if enabled else _OFF)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                before = found if self._open else self._first
                if getattr(_MATMUL, _SETTING) != before:
                    setattr(_MATMUL, _SETTING, before)


def _card_is_in_use() -> bool:
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]


tensor_float32 = _TensorFloat32()
"""Lets, or forbids, float32 products on CUDA use TensorFloat-32 (10 bits of mantissa) inside the block."""


def in_float32() -> AbstractContextManager[object]:
    """Leave `torch.autocast` and TensorFloat-32 for a block that computes in float32: an engine's `precision` says which products do not.

    Examples
    --------
    >>> one = torch.ones(1, 1)
    >>> with torch.autocast("cpu", dtype=torch.bfloat16), in_float32():
    ...     (one @ one).dtype
    torch.float32
    """
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    if not kinds and not tensor_float32.is_on():
        return nullcontext()
    stack = ExitStack()
    stack.enter_context(tensor_float32(enabled=False))
    for kind in kinds:
        stack.enter_context(torch.autocast(kind, enabled=False))
    return stack


def outside_modes() -> AbstractContextManager[object]:
    """Leave `torch.inference_mode`, `torch.autocast` and TensorFloat-32 for a block that makes or changes state.

    A tensor made in inference mode can never be changed outside it: one step there would end all later ones.

    Examples
    --------
    >>> with torch.inference_mode(), outside_modes():
    ...     torch.zeros(1).is_inference()
    False
    """
    if not torch.is_inference_mode_enabled():
        return in_float32()
    stack = ExitStack()
    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.no_grad())  # as in inference mode; to leave it would turn gradients on
    stack.enter_context(in_float32())
    return stack


def uncompiled(method: Callable[P, R]) -> Callable[P, R]:
    """Let a program that `torch.compile` compiles call a method as it is.

    Tracing each layer would take many seconds for each size of a batch, warn, and end with the same kernels.

    Examples
    --------
    >>> uncompiled(len)("abc")
    3
    """
    eager: list[Callable[P, R]] = []

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if "torch._dynamo" not in sys.modules:  # nobody compiles; to load it takes seconds
            return method(*args, **kwargs)
        if not eager:
            eager.append(torch.compiler.disable(method))  # type: ignore[no-untyped-call]
        return eager[0](*args, **kwargs)

    return call


def usable_device(device: str | torch.device) -> torch.device:
    """Return a device on which tensors can hold values.

    Raises
    ------
    ConfigurationError
        If there is no such device here.

    Examples
    --------
    >>> usable_device("meta")
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: device='meta': expected one that holds values, such as 'cpu' or 'cuda'
    """
    try:
        found = torch.device(device)
    except TypeError:
        raise ConfigurationError(f"device={device!r}: expected a name, such as 'cpu' or 'cuda'") from None
    except RuntimeError as error:
        raise _not_usable(device, error) from None
    try:
        torch.empty(0, dtype=torch.float64, device=found)  # as probes and whitening need; Apple's mps has none
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:
        raise _not_usable(device, error) from None
    if found.type == "meta":
        raise ConfigurationError("device='meta': expected one that holds values, such as 'cpu' or 'cuda'")
    return found


def _not_usable(device: str | torch.device, error: Exception) -> ConfigurationError:
    reason = first_line(error).split(". ")[0]
    usable = ", ".join(["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))])
    return ConfigurationError(f"device={str(device)!r}: it cannot be used here ({reason}); expected one of {usable}")
