from itertools import count, islice

import pytest

from hebbstream.errors import ConfigurationError
from hebbstream.streams import shuffle


@pytest.mark.parametrize(("length", "buffer_size"), [(0, 4), (3, 4), (4, 4), (100, 1), (100, 7)])
def test_nothing_is_lost_or_repeated(length, buffer_size):
    assert sorted(shuffle(range(length), buffer_size)) == list(range(length))


def test_a_buffer_of_one_keeps_the_order():
    assert list(shuffle(range(20), 1)) == list(range(20))


def test_one_seed_gives_one_order():
    first, again, other = (list(shuffle(range(50), 10, seed=seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_an_endless_stream_is_read_one_sample_ahead_of_the_buffer():
    numbers = count()
    assert len(list(islice(shuffle(numbers, 10), 5))) == 5
    assert next(numbers) == 15


def test_samples_wait_about_as_long_as_the_buffer_is_large():
    order = list(shuffle(range(10_000), 100))
    waits = [position + 100 - value for position, value in enumerate(order[:9_000])]
    assert 80 < sum(waits) / len(waits) < 120


def test_a_buffer_of_nothing_is_refused_before_reading():
    numbers = count()
    with pytest.raises(ConfigurationError, match="buffer_size=0"):
        shuffle(numbers, 0)
    assert next(numbers) == 0
