"""Calls in other threads, and threads that wait for their turn."""

import threading
from contextlib import contextmanager

_SOON = 0.1  # seconds in which a call that waits for nothing has ended


def calling(call):
    """Start a call in another thread; return that, and a list that in the end holds what it returned, or raised."""
    found = []

    def make():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    return thread, found


def elsewhere(call):
    """Return what a call in another thread returned, or raised."""
    thread, found = calling(call)
    thread.join()
    return found[0]


@contextmanager
def waiting(turns, call):
    """Make a call in another thread, which has to wait for the block to end; give a list that then holds its result or error."""
    with turns.lock:
        thread, found = calling(call)
        thread.join(_SOON)
        assert not found, f"it did not wait: {found}"
        yield found
    thread.join()
