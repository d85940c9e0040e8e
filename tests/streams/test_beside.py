"""`beside`: views of the same moment, paired by time."""

import pytest

from hebbstream import Sample, errors
from hebbstream.streams import Stream, beside


def stream(*times, name="x"):
    return Stream([Sample(f"{name}{i}", t=t) for i, t in enumerate(times)])


def pairs(*streams):
    return [tuple(sample.x for sample in samples) for samples in beside(*streams)]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 1, 2, 3), (0, 2), ["a0 b0", "a1 b0", "a2 b1", "a3 b1"]),
        ((0, 1, 2), (0.9, 1.9), ["a1 b0", "a2 b1"]),  # nothing to hear at first
        ((0, 10), (0, 1, 2, 3), ["a0 b0", "a1 b3"]),
        ((0, 1), (5,), []),
        ((), (0,), []),
        ((0, 1), (), []),
    ],
)
def test_the_latest_that_began_goes_on(first, second, expected):
    assert [" ".join(pair) for pair in pairs(stream(*first, name="a"), stream(*second, name="b"))] == expected


def test_three_views():
    assert pairs(stream(0, 1, name="a"), stream(0, name="b"), stream(1, name="c")) == [("a1", "b0", "c0")]


def test_what_goes_on_is_the_same_object():
    (_, one), (_, other) = beside(stream(0, 1), stream(0))
    assert one is other


def test_closing_closes_all():
    one, other = stream(0, 1), stream(0)
    with beside(one, other) as both:
        next(both)
    assert list(zip((one, other), (next(one, "closed"), next(other, "closed")), strict=True)) == [
        (one, "closed"),
        (other, "closed"),
    ]


def test_a_sample_without_a_time_is_refused():
    with pytest.raises(errors.InputError, match="sample with t=None: expected its time in seconds"):
        list(beside(["a"], stream(0)))
    with pytest.raises(errors.ConfigurationError, match="beside a single stream: expected at least two"):
        beside(stream(0))
