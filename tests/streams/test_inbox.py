import signal
import threading
import time

import numpy as np
import pytest
from strategies import tiny_net

import hebbstream as hs
from hebbstream.errors import ConfigurationError, LabelError
from hebbstream.streams import Inbox, interleave, novel

SECONDS = 20  # that no test waits for unless it fails


def frame(number):
    return np.full((8, 8, 3), number, np.uint8)


def learning(learner, stream, **options):
    """Learn in another thread; return it, and a list that gets the report."""
    reports = []
    thread = threading.Thread(target=lambda: reports.append(learner.learn(stream, progress=False, **options)))
    thread.start()
    return thread, reports


def soon(happens):
    deadline = time.monotonic() + SECONDS
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert happens()


@pytest.mark.parametrize("resume", [False, True])
def test_a_callback_is_learned_from_until_the_inbox_is_closed(resume):
    learner, inbox = hs.Learner(tiny_net()), Inbox(4)
    learner.learn([frame(1)], progress=False)
    thread, reports = learning(learner, inbox, resume=resume)
    for number in range(3):
        assert inbox.put((frame(number), "a"))
    soon(lambda: learner.counters.position == 4)
    inbox.close()  # while it is waited for
    thread.join(SECONDS)
    assert (reports[0].samples, reports[0].stopped) == (3, "end of stream")
    assert 0 <= reports[0].latency[0] < SECONDS
    assert not inbox.put(frame(0))


def test_the_oldest_are_dropped_and_counted_and_memory_may_be_used_again():
    inbox, shared = Inbox(2), frame(0)
    for number in range(5):
        shared[:] = number
        inbox.put(hs.Sample(shared, t=5.0 - number, captured=100.0 + number))
    found = [next(inbox), next(inbox)]
    assert [int(sample.x[0, 0, 0]) for sample in found] == [3, 4]
    assert [(sample.t, sample.captured) for sample in found] == [(2.0, 103.0), (1.0, 104.0)]
    assert (inbox.stats.dropped, inbox.stats.frames, inbox.ready, inbox.live) == (3, 2, False, True)


def test_what_is_no_sample_is_refused_where_it_is_put():
    inbox = Inbox()
    with pytest.raises(LabelError, match="expected a hashable value"):
        inbox.put((frame(0), []))
    assert not inbox.ready


@pytest.mark.parametrize("ahead", [0, -1, 1.5, "2", None])
def test_it_holds_at_least_one(ahead):
    with pytest.raises(ConfigurationError, match=r"ahead=.*: expected"):
        Inbox(ahead)


def test_many_threads_may_put_and_none_is_lost_but_counted():
    inbox = Inbox(3)
    threads = [threading.Thread(target=lambda: [inbox.put(frame(0)) for _ in range(200)]) for _ in range(4)]
    reader, reports = learning(hs.Learner(tiny_net()), inbox)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    soon(lambda: not inbox.ready)
    inbox.close()
    reader.join(SECONDS)
    assert reports[0].samples + inbox.stats.dropped == 800


def test_several_inboxes_end_an_interleaved_run_when_they_are_closed():
    cameras = {name: Inbox() for name in ("front", "rear")}
    learner = hs.Learner(tiny_net())
    with interleave({name: novel(inbox, 0.0) for name, inbox in cameras.items()}, by="arrival") as stream:
        thread, reports = learning(learner, stream)
        cameras["front"].put(frame(1))
        soon(lambda: learner.counters.position == 1)
        for inbox in cameras.values():
            inbox.close()
        thread.join(SECONDS)
    assert reports[0].samples == 1


def test_after_an_interrupted_wait_the_same_inbox_goes_on():
    learner, inbox = hs.Learner(tiny_net()), Inbox()

    def interrupt():
        soon(lambda: learner.counters.position == 1)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    inbox.put(frame(1))
    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    assert learner.learn(inbox, progress=False).stopped == "interrupted"
    interrupting.join()
    inbox.put(frame(2))
    assert learner.learn(inbox, limit=1, progress=False).stopped == "limit"
    assert learner.counters.position == 2
