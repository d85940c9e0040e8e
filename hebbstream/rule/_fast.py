"""Compiled kernels, where numba is installed (extra ``fast``), and the threads that they run on.

They are loaded in the background when a network is made, and the first step waits for them: a run computes every step in
the same way, so that one which is resumed gives the same bits. A network that is read from a file loads them when it is used,
for it may only be looked at. Numba keeps what it has compiled; the first time on a
machine takes tens of seconds, later ones a fraction of one. ``NUMBA_DISABLE_JIT=1`` does without.
"""

import contextlib
import ctypes
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from hebbstream._quote import first_line

log = logging.getLogger("hebbstream.rule")

_FORK_PATIENCE = 300.0
"""Seconds for which a fork waits for the kernels: the one that forks may hold what they need."""


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

    def before_fork(self) -> None:
        """Finish: a child has not got the thread, and would wait for good for the modules that it was importing."""
        with self._lock:
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_FORK_PATIENCE)

    def after_in_child(self) -> None:
        """Do without what a thread of the parent has not finished."""
        self._lock = threading.Lock()
        if self._thread is not None and self.module is None and not self.reason:
            self.reason = "the process was forked before they were compiled"

    def _load(self) -> None:
        if ("numba" in sys.modules and sys.modules["numba"] is None) or find_spec("numba") is None:
            self.reason = "numba is not installed: pip install 'hebbstream[fast]'"
        elif os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
            self.reason = "NUMBA_DISABLE_JIT is set"
        else:
            self._compile()
            if self.reason:  # which nobody has chosen
                log.warning("no compiled kernels, so each step takes longer: %s", self.reason)

    def _compile(self) -> None:
        try:
            if _compiles_for_less():
                self.reason = (
                    "numba compiles for less than this processor has: do not set NUMBA_CPU_NAME, NUMBA_CPU_FEATURES "
                    "or NUMBA_ENABLE_AVX"
                )
            else:
                self.module = _compiled()
        except Exception as error:  # torch does the same work
            self.reason = f"numba failed: {first_line(error)}"


def _compiles_for_less() -> bool:
    """Whether numba leaves out instructions that the processor has: LLVM ends the process over a vector that it cannot split."""
    binding, registry = (importlib.import_module(name) for name in ("llvmlite.binding", "numba.core.registry"))
    *_, features = registry.cpu_target.target_context.codegen().magic_tuple()
    return any(has and f"+{name}" not in features.split(",") for name, has in binding.get_host_cpu_features().items())


def _compiled() -> Any:
    """Import the kernels; what numba keeps of them is made anew if it is damaged, and not kept if there is no place."""
    name = "hebbstream.rule._kernels"
    with _own_cache() as config:
        folder = _folder()
        if folder is None:
            log.warning(
                "numba finds no folder to write to, and compiles at each start: set NUMBA_CACHE_DIR to a folder that stays"
            )
            with TemporaryDirectory(prefix="hebbstream-") as config.CACHE_DIR:
                return importlib.import_module(name)
        if not any(folder.glob("_*_kernels.*.nb*")):  # the first step waits for them
            log.warning("compiling kernels for this processor: this takes up to a minute, and only once")
        try:
            return importlib.import_module(name)
        except Exception as error:
            kept = list(folder.glob("_*_kernels.*.nb*"))
            if not kept:
                raise
            for path in kept:
                path.unlink(missing_ok=True)
            module = importlib.import_module(name)
            log.warning("the kernels in %s were damaged, and have been compiled anew: %r", folder, error)
            return module


def _folder() -> Path | None:
    """Return where numba keeps what it compiles of this package; ``None`` if it may write nowhere."""
    caching: Any = importlib.import_module("numba.core.caching")
    with contextlib.suppress(RuntimeError):
        return Path(caching.FunctionCache(_folder).cache_path)
    return None


@contextlib.contextmanager
def _own_cache() -> Iterator[Any]:
    """Let numba keep its pickles where the environment says, not where a file in the current folder does: it may be anyone's."""
    config: Any = importlib.import_module("numba.core.config")
    before, config.CACHE_DIR = config.CACHE_DIR, os.environ.get("NUMBA_CACHE_DIR", "")
    try:
        yield config
    finally:
        config.CACHE_DIR = before


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


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    """Do without kernels inside the block, as tests and benchmarks do to compare."""
    _LOADER.wanted = False
    try:
        yield
    finally:
        _LOADER.wanted = True


_POOL: list[ThreadPoolExecutor] = []
_POOL_LOCK = threading.Lock()
if hasattr(os, "register_at_fork"):  # Windows has none
    os.register_at_fork(before=_LOADER.before_fork, after_in_child=_LOADER.after_in_child)
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
