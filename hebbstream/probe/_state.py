"""What probes and `Replay` share: how they take their state over, keep it and show it."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, Self, TypeVar

import torch
from torch import Tensor

from hebbstream._pickled import tell_if_of_another_version
from hebbstream._quote import first_line
from hebbstream._turns import Turns, in_turn
from hebbstream._version import __version__

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def fitting(what: str) -> Iterator[None]:
    """Raise `ValueError`, saying what does not fit, for whatever goes wrong while a state is taken over."""
    try:
        yield
    except KeyError as error:
        raise ValueError(f"state of a {what} without {error}") from error
    except (ArithmeticError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"state of a {what}: {first_line(error)}") from error


def fitted(name: str, tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor that has the shape and dtype of another one.

    Raises
    ------
    ValueError
        If it has not.

    Examples
    --------
    >>> fitted("mean", torch.zeros(2), torch.ones(2))
    tensor([0., 0.])
    """
    if (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
        raise ValueError(f"tensor {name} of {kind(tensor)}: expected {kind(like)}")
    return tensor


def kind(tensor: Tensor) -> str:
    """Return a tensor's dtype and shape as a message shows them.

    Examples
    --------
    >>> kind(torch.zeros(2, 3, dtype=torch.uint8))
    'uint8 (2, 3)'
    """
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def ordinary(method: Callable[P, R]) -> Callable[P, R]:
    """Let a method make ordinary tensors even in `torch.inference_mode`: outside it, those of that mode cannot change in place.

    Methods that are called at every step do without, as it takes time: they change what such methods have made.
    """

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        with torch.inference_mode(False):
            return method(*args, **kwargs)

    return call


class OfOneTime:
    """Something that learns, and that one thread at a time may use: a copy of it is of one time, and learns as it does."""

    def __init__(self) -> None:
        self._turns, self._made_by = Turns(), __version__

    @in_turn
    @ordinary
    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__class__.__new__(self.__class__)
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    def __setstate__(self, state: dict[str, Any]) -> None:
        tell_if_of_another_version(state)
        if torch.is_inference_mode_enabled():  # outside it, what is unpickled there could not learn
            with torch.inference_mode(False):
                state = copy.deepcopy(state)
        self.__dict__.update(state)


def shown(what: Any, plain: Any, **learned: int | None) -> str:
    """Return a `repr`: the options that differ from those of `plain`, and what was learned, if anything was."""
    differing = {name: value for name, value in what.options().items() if value != getattr(plain, name)}
    terms = differing | (learned if any(learned.values()) else {})
    return f"{type(what).__name__}({', '.join(f'{name}={value!r}' for name, value in terms.items())})"
