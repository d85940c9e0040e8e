"""Compiled kernels, where numba is installed (extra ``fast``), and the threads that they run on.

They are loaded in the background when a network is made, and the first step waits for them: a run computes every step in
the same way, so that one which is resumed gives the same bits. Numba keeps what it has compiled; the first time on a
machine takes tens of seconds, later ones a fraction of one. ``NUMBA_DISABLE_JIT=1`` does without.
"""

import contextlib
import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import torch


class _Loader:
    def __init__(self) -> None:
        self.module: Any = None
        self.reason = ""
        self.wanted = True
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        with self._lock:
            if self._thread is None:
                # Not a daemon: a process must not end under a compiler at work.
                self._thread = threading.Thread(target=self._load, name="hebbstream-kernels")
                self._thread.start()

    def wait(self) -> Any:
        if self.module is None and not self.reason:
            self.start()
            assert self._thread is not None  # noqa: S101  # just started
            self._thread.join()
        return self.module if self.wanted else None

    def _load(self) -> None:
        if ("numba" in sys.modules and sys.modules["numba"] is None) or find_spec("numba") is None:
            self.reason = "numba is not installed: pip install 'hebbstream[fast]'"
        elif os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
            self.reason = "NUMBA_DISABLE_JIT is set"
        else:
            try:
                self.module = importlib.import_module("hebbstream.rule._kernels")
            except Exception as error:  # torch does the same work
                self.reason = f"numba failed: {str(error).splitlines()[0] if str(error) else type(error).__name__}"


_LOADER = _Loader()


def prepare() -> None:
    """Begin to load the kernels in the background."""
    _LOADER.start()


def kernels() -> Any:
    """Return the module of kernels, or ``None`` where torch has to do their work; wait for them if need be."""
    return _LOADER.wait()


def reason() -> str:
    """Return why there are no kernels; empty if there are."""
    return "" if kernels() is not None else _LOADER.reason


class without_kernels:  # noqa: N801  # used as a function
    """Do without kernels inside the block, as tests and benchmarks do to compare."""

    def __enter__(self) -> None:
        _LOADER.wanted = False

    def __exit__(self, *_: object) -> None:
        _LOADER.wanted = True


_POOL: list[ThreadPoolExecutor] = []
_POOL_LOCK = threading.Lock()
os.register_at_fork(after_in_child=_POOL.clear)  # its threads stay with the parent


def spread(call: Callable[[int, int], Any], count: int, least: int) -> list[Any]:
    """Split the range up to `count` over torch's number of threads, at least `least` a thread; return all results.

    Examples
    --------
    >>> spread(lambda first, last: last - first, 10, least=100)
    [10]
    """
    threads = min(torch.get_num_threads(), count // least)
    if threads < 2:
        return [call(0, count)]
    bounds = [count * index // threads for index in range(threads + 1)]
    with _POOL_LOCK:
        if not _POOL:
            _POOL.append(ThreadPoolExecutor(os.cpu_count(), "hebbstream-kernels"))
    here = _processor()
    others = [_POOL[0].submit(_elsewhere, here, call, *pair) for pair in pairwise(bounds[1:])]
    return [call(bounds[0], bounds[1]), *(other.result() for other in others)]


def _elsewhere(caller: int, call: Callable[[int, int], Any], first: int, last: int) -> Any:
    """Make a call on another processor than the caller's.

    Linux wakes a thread where it ran last. Where few processors share a cache it may not look for an idle one, and two
    threads take turns on one processor for good.
    """
    if caller >= 0 and _processor() == caller:
        with contextlib.suppress(OSError):  # a sandbox may forbid it
            allowed = os.sched_getaffinity(0)
            if allowed - {caller}:
                os.sched_setaffinity(0, allowed - {caller})  # it moves at once
                os.sched_setaffinity(0, allowed)
    return call(first, last)


def _no_processor() -> int:
    return -1


_processor: Callable[[], int] = (
    getattr(ctypes.CDLL(None), "sched_getcpu", _no_processor) if sys.platform == "linux" else _no_processor
)
