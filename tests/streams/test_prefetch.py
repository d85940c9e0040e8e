import gc
import itertools
import threading
import time
from concurrent.futures import Future
from queue import Queue

import numpy as np
import pytest

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.errors import ConfigurationError, StreamError
from hebbstream.streams import _interleave, interleave
from hebbstream.streams._prefetch import Bursts, Prefetch


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "hebbstream-prefetch"]


def test_it_works_ahead_by_so_many_and_no_more():
    made = []

    def source():
        for number in itertools.count():
            made.append(number)
            yield number

    with Prefetch(source(), ahead=3) as numbers:
        assert made == []  # nothing is taken before it is asked for
        assert [next(numbers) for _ in range(2)] == [0, 1]
        time.sleep(0.3)
        assert made == list(range(2 + 3 + 1))  # three held, and one in hand
    assert not threads()
    assert list(numbers) == []


def test_an_error_comes_where_the_source_raised_it():
    def source():
        yield from "ab"
        raise ConnectionError("gone")

    numbers = Prefetch(source())
    assert [next(numbers), next(numbers)] == ["a", "b"]
    with pytest.raises(ConnectionError, match="gone"):
        next(numbers)
    assert not threads()
    assert list(numbers) == []


def test_producing_and_using_overlap():
    inside = threading.Event()

    def source():
        yield 0
        inside.set()
        yield 1

    numbers = Prefetch(source())
    next(numbers)
    assert inside.wait(5)  # the source goes on although nobody has asked for the second
    numbers.close()
    assert not threads()


def test_closing_before_the_start_and_twice_is_harmless():
    numbers = Prefetch(iter([1]))
    numbers.close()
    numbers.close()
    assert list(numbers) == []


def test_ahead_must_be_positive():
    with pytest.raises(ConfigurationError, match="ahead=0"):
        Prefetch([], ahead=0)


def test_the_oldest_are_dropped_when_asked_to_and_the_end_is_not():
    produced = threading.Event()

    def source():
        yield from range(10)
        produced.set()

    with Prefetch(source(), ahead=3, overflow="drop_oldest") as numbers:
        seen = [next(numbers)]  # the thread runs from here on
        produced.wait(5)
        seen += numbers
        assert seen[-3:] == [7, 8, 9]
        assert len(seen) + numbers.dropped == 10
    with pytest.raises(ConfigurationError, match="overflow='newest'"):
        Prefetch([], overflow="newest")


def test_an_error_of_a_dropping_source_still_arrives_after_what_is_held():
    def source():
        yield from range(5)
        raise KeyError("gone")

    with Prefetch(source(), ahead=2, overflow="drop_oldest") as numbers:
        while next(numbers) < 4:
            pass
        with pytest.raises(KeyError):
            next(numbers)


def test_closing_leaves_a_source_that_waits_alone_after_the_timeout():
    release, closed = threading.Event(), threading.Event()

    def source():
        try:
            yield 1
            release.wait(10)
            yield 2
        finally:
            closed.set()

    numbers = Prefetch(source(), ahead=1)
    assert next(numbers) == 1
    assert numbers.close(timeout=0.1) is False
    assert list(numbers) == []
    release.set()
    assert closed.wait(5)
    assert numbers.close(timeout=5) is True


@pytest.mark.parametrize("overflow", ["block", "drop_oldest"])
@pytest.mark.parametrize("taken", [0, 1, 5])
def test_what_nobody_holds_any_more_ends(overflow, taken):
    closed = threading.Event()

    def source():
        try:
            yield from itertools.count()
        finally:
            closed.set()

    numbers = Prefetch(source(), ahead=2, overflow=overflow)
    for _ in range(taken):
        next(numbers)
    del numbers
    gc.collect()
    assert closed.wait(5 * (taken > 0)) == (taken > 0)  # what was not begun has nothing to close
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()


def quick(count, made=None):
    for number in range(count):
        if made is not None:
            made.append(number)
        yield number


def slow(count):
    for number in range(count):
        time.sleep(0.002)
        yield number


def test_quick_items_are_taken_in_bursts_without_a_thread():
    made = []
    numbers = Bursts(quick(100, made), ahead=2)
    assert made == []
    assert next(numbers) == 0
    assert 1 < len(made) <= 32
    assert list(numbers) == list(range(1, 100))
    assert not threads()
    assert list(numbers) == []


def test_slow_items_get_a_thread_and_none_is_lost():
    numbers = Bursts(slow(60), ahead=2)
    taken = [next(numbers) for _ in range(30)]
    assert threads()
    assert [*taken, *numbers] == list(range(60))
    assert not threads()


def test_one_slow_item_alone_is_no_reason_for_a_thread():
    def source():
        time.sleep(0.05)
        yield from range(200)

    numbers = Bursts(source(), ahead=2)
    assert list(numbers) == list(range(200))
    assert numbers._elsewhere is None


@pytest.mark.parametrize("pause", [0.0, 0.002])
def test_an_error_comes_after_all_items_before_it_in_bursts_too(pause):
    def source():
        for number in range(40):
            time.sleep(pause)
            yield number
        raise ConnectionError("gone")

    numbers = Bursts(source(), ahead=2)
    assert [next(numbers) for _ in range(40)] == list(range(40))
    with pytest.raises(ConnectionError, match="gone"):
        next(numbers)
    assert list(numbers) == []
    assert not threads()


def test_an_interruption_in_a_burst_is_told_at_once_and_does_not_look_like_the_end():
    def source():
        yield from "ab"
        raise KeyboardInterrupt

    letters = Bursts(source(), ahead=2)
    with pytest.raises(KeyboardInterrupt):
        next(letters)
    assert [next(letters), next(letters)] == ["a", "b"]  # what was ready is kept
    with pytest.raises(StreamError, match="interrupted"):
        next(letters)


@pytest.mark.parametrize(("make", "asked"), [(quick, 25), (slow, 25), (slow, 11)])
def test_closed_bursts_end_and_let_go_of_the_source(make, asked):
    closed = threading.Event()

    def source():
        try:
            yield from make(1000)
        finally:
            closed.set()

    numbers = Bursts(source(), ahead=2)
    for _ in range(asked):
        next(numbers)
    assert numbers.close()
    assert closed.is_set()
    assert list(numbers) == []
    assert not threads()


@pytest.mark.parametrize("pause", [0.0, 0.002])
def test_another_thread_may_close_bursts_at_any_time(pause):
    def source():
        while True:
            time.sleep(pause)
            yield 0

    for moment in range(10):
        numbers = Bursts(source(), ahead=2)
        user = threading.Thread(target=lambda given: list(given), args=[numbers])
        user.start()
        time.sleep(0.001 * moment)
        assert numbers.close()
        user.join(5)
        assert not user.is_alive()
        assert not threads()


def test_who_waits_for_an_item_is_told_of_the_end_when_another_thread_closes():
    gate = threading.Event()

    def source():
        yield 0
        gate.wait(5)
        yield 1

    numbers, taken = Prefetch(source()), []
    user = threading.Thread(target=lambda: taken.extend(numbers))
    user.start()
    time.sleep(0.1)
    numbers.close(timeout=0.1)
    user.join(2)
    assert not user.is_alive()
    gate.set()


def test_held_counts_what_was_made_and_neither_got_nor_dropped():
    numbers = Prefetch(iter(range(100)), ahead=3)
    assert numbers.held == 0
    next(numbers)
    time.sleep(0.2)
    assert numbers.held == 4  # three, and one in hand
    numbers.close()
    dropping = Prefetch(iter(range(100)), ahead=3, overflow="drop_oldest")
    next(dropping)
    time.sleep(0.2)
    assert dropping.held <= 3
    bursts = Bursts(quick(10), ahead=3)
    next(bursts)
    assert bursts.held == 9


def test_no_wait_is_so_long_that_a_signal_would_have_to_wait_for_its_end(monkeypatch):
    """As it would on Windows, before Python 3.14: a camera that is silent could not be left."""
    get, result = Queue.get, Future.result

    def get_in_pieces(queue, block=True, timeout=None):
        assert timeout is not None
        return get(queue, block, timeout)

    def result_once_done(future, timeout=None):
        assert future.done()
        return result(future, timeout)

    monkeypatch.setattr(Queue, "get", get_in_pieces)
    monkeypatch.setattr(Future, "result", result_once_done)
    monkeypatch.setattr(_interleave, "SimpleQueue", Queue)
    assert list(Prefetch([1, 2, 3])) == [1, 2, 3]
    cameras = {name: iter(np.zeros((2, 4, 4, 3), np.uint8)) for name in "ab"}
    assert len(list(interleave(cameras, by="arrival"))) == 4
    with open_video(CLIP, size=8) as frames:
        next(frames)
