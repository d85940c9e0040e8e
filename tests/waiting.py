"""Threads that wait for their turn."""

import threading
from contextlib import contextmanager

_SOON = 0.1  # seconds in which a call that waits for nothing has ended


@contextmanager
def waiting(turns, call):
    """Make a call in another thread, which has to wait for the block to end; give a list that then holds its result or error."""
    found = []

    def make():
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=make)
    with turns.lock:
        thread.start()
        thread.join(_SOON)
        assert not found, f"it did not wait: {found}"
        yield found
    thread.join()
