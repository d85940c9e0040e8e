import itertools
import threading
import time

import pytest

from hebbstream.errors import ConfigurationError
from hebbstream.prefetch import Prefetch


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
