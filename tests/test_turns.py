import copy
import os
import pickle
import threading

import pytest
from waiting import waiting

from hebbstream._turns import Turns, in_turn


class Counter:
    def __init__(self):
        self._turns = Turns()
        self.count = 0

    @in_turn
    def step(self, by=1):
        """Count."""
        self.count += by
        return self.count


def test_one_thread_at_a_time_is_in_a_method_and_may_call_others():
    counter = Counter()
    with waiting(counter._turns, counter.step) as found:
        assert counter.step(by=2) == 2  # the thread that has the turn goes on
    assert found == [3]
    assert counter.step.__doc__ == "Count."


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda turns: pickle.loads(pickle.dumps(turns))])  # noqa: S301  # our own
def test_a_copy_does_not_wait_for_the_original(again):
    turns = Turns()
    with turns.lock:
        assert again(turns).lock.acquire(blocking=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside threads, which is what happens here
def test_in_a_forked_process_nobody_has_the_turn():
    turns, held, done = Turns(), threading.Event(), threading.Event()

    def hold():
        with turns.lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        os._exit(not turns.lock.acquire(timeout=5))
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 0
