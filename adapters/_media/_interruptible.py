"""Waits that Ctrl-C ends at once."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from hebbstream.streams._prefetch import SIGNAL_SECONDS

Result = TypeVar("Result")


def interruptible(function: Callable[[], Result]) -> Result:
    """Call a function that waits inside FFmpeg, where no signal reaches it, in a thread that can be left behind.

    Examples
    --------
    >>> interruptible(lambda: "opened")
    'opened'
    """
    if threading.current_thread() is not threading.main_thread():
        return function()
    return result_of(started(function))


def result_of(future: "Future[Result]") -> Result:
    """Return what a future comes to, waited for in pieces: before Python 3.14, Windows lets no Ctrl-C into a wait.

    Examples
    --------
    >>> result_of(started(lambda: "opened"))
    'opened'
    """
    while not future.done():
        wait([future], SIGNAL_SECONDS)
    return future.result()


def started(function: Callable[[], Result]) -> "Future[Result]":
    """Call a function in a thread of its own, for which the program does not wait at its end.

    Examples
    --------
    >>> started(lambda: "opened").result()
    'opened'
    """
    future: Future[Result] = Future()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="hebbstream-connect", daemon=True).start()
    return future
