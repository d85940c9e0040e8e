"""`Requests`: what other threads ask to have done in one thread, between two frames of it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Requests:
    """A queue of functions, each with the future of what it returns.

    Parameters
    ----------
    arrived
        Is notified of each.

    Examples
    --------
    >>> requests = Requests(threading.Condition())
    >>> answer = requests.put(lambda: 6 * 7)
    >>> requests.do_all()
    True
    >>> answer.result()
    42
    """

    def __init__(self, arrived: threading.Condition) -> None:
        self._arrived = arrived
        self._waiting: SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = SimpleQueue()
        self._refusal: Exception | None = None

    def __len__(self) -> int:
        return self._waiting.qsize()

    def put(self, action: Callable[[], T]) -> "Future[T]":
        """Have something done."""
        future: Future[T] = Future()
        with self._arrived:
            if self._refusal is None:
                self._waiting.put((action, future))
                self._arrived.notify_all()
            else:
                future.set_exception(self._refusal)
        return future

    def do_all(self) -> bool:
        """Do what is asked for, in the thread that calls this; return whether there was anything."""
        some = False
        with suppress(Empty):
            while True:
                action, future = self._waiting.get_nowait()
                some = True
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(action())
                    except Exception as error:  # whoever asked is told
                        future.set_exception(error)
        return some

    def refuse_all(self, error: Exception) -> None:
        """Answer all that is asked for, from now on too, with an error."""
        with self._arrived:
            self._refusal = error
        with suppress(Empty):
            while True:
                self._waiting.get_nowait()[1].set_exception(error)
