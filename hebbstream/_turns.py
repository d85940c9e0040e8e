"""`Turns`: threads take turns at what they read and change."""

import os
import threading
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Turns:
    """Holds a lock for what it belongs to; a copy, or a pickle, has one of its own, and in a forked process nobody has it.

    Examples
    --------
    >>> import copy
    >>> turns = Turns()
    >>> with turns.lock, copy.deepcopy(turns).lock:
    ...     pass
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        _ALL.add(self)

    def __reduce__(self) -> tuple[type["Turns"], tuple[()]]:
        return Turns, ()


class _TakesTurns(Protocol):
    @property
    def _turns(self) -> Turns: ...


Own = TypeVar("Own", bound=_TakesTurns)


def in_turn(method: Callable[Concatenate[Own, P], R]) -> Callable[Concatenate[Own, P], R]:
    """Let one thread at a time into the methods of an object that are marked so."""

    @wraps(method)
    def call(self: Own, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._turns.lock:
            return method(self, *args, **kwargs)

    return call


def _release_all() -> None:
    """Free what threads of the parent held: a forked process has none of them, and would wait for good."""
    for turns in list(_ALL):
        turns.lock = threading.RLock()


_ALL: "weakref.WeakSet[Turns]" = weakref.WeakSet()
if hasattr(os, "register_at_fork"):  # Windows has none
    os.register_at_fork(after_in_child=_release_all)
