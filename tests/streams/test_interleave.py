import itertools
import logging
import queue
import threading
import time
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hebbstream as hs
from hebbstream.errors import ConfigurationError, InputError, LabelError, StreamError
from hebbstream.streams import interleave, schedule

few = settings(derandomize=True, deadline=None, max_examples=50)
MODES = ["turn", "time", "arrival"]
SECONDS = 20  # that no test waits for unless it fails


class Source:
    """Numbered samples, then an error if there is one."""

    def __init__(self, length, error=None, *, times=None, close_error=None):
        self.length, self.error, self.close_error = length, error, close_error
        self.times = range(length) if times is None else times
        self.closed = 0

    def __iter__(self):
        for number in range(self.length):
            yield hs.Sample(number, y=-number, t=float(self.times[number]), source="its own name")
        if self.error is not None:
            raise self.error

    def close(self):
        self.closed += 1
        if self.close_error is not None:
            raise self.close_error


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "hebbstream-source"]


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    deadline = time.monotonic() + SECONDS
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()


def listed(stream):
    return [(sample.source, sample.x) for sample in stream]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5))
@few
def test_turns_are_strict(lengths):
    sources = {str(number): range(length) for number, length in enumerate(lengths)}
    rounds = itertools.zip_longest(*sources.values())
    expected = [(name, x) for turn in rounds for name, x in zip(sources, turn, strict=True) if x is not None]
    assert listed(interleave(sources)) == expected


@given(st.lists(st.lists(st.integers(0, 9), max_size=6).map(sorted), min_size=1, max_size=4))
@few
def test_times_are_merged_and_the_first_listed_comes_first(times):
    sources = {str(number): Source(len(one), times=one) for number, one in enumerate(times)}
    expected = sorted((t, name, x) for name, one in zip(sources, times, strict=True) for x, t in enumerate(one))
    assert [(s.t, s.source, s.x) for s in interleave(sources, by="time")] == expected


@pytest.mark.parametrize("by", MODES)
def test_every_sample_comes_once_tagged_and_in_its_source_s_order(by):
    sources = {"door": Source(30), "yard": Source(7), "roof": Source(0)}
    with interleave(sources, by=by) as stream:
        found = list(stream)
    for name, source in sources.items():
        assert [s.x for s in found if s.source == name] == list(range(source.length))
        assert source.closed == 1
    assert all((s.y, s.t) == (-s.x, float(s.x)) for s in found)
    assert stream.failures == {}
    assert next(stream, None) is None


@pytest.mark.parametrize("by", MODES)
@pytest.mark.parametrize("error", [StreamError("gone"), OSError("gone")])
def test_a_source_that_dies_does_not_stop_the_others(by, error, caplog):
    sources = {"door": Source(3, error), "yard": Source(9)}
    with interleave(sources, by=by) as stream:
        found = listed(stream)
    assert sorted(found) == [("door", x) for x in range(3)] + [("yard", x) for x in range(9)]
    assert stream.failures == {"door": error}
    assert sources["door"].closed == sources["yard"].closed == 1
    assert [(record.name, record.levelno) for record in caplog.records] == [("hebbstream.streams", logging.WARNING)]
    assert caplog.messages == [f"source 'door' is dropped: {type(error).__name__}: gone"]


@pytest.mark.parametrize("by", MODES)
def test_the_last_error_surfaces_when_every_source_has_failed(by):
    sources = {"door": Source(2, OSError("first")), "yard": Source(4, StreamError("last"))}
    found = []
    with interleave(sources, by=by, ahead=1) as stream, pytest.raises((StreamError, OSError)) as caught:
        found.extend(iter(lambda: next(stream), None))
    assert caught.value is list(stream.failures.values())[-1]
    assert by == "arrival" or str(caught.value) == "last"
    assert set(stream.failures) == set(sources)
    assert len(found) == 6
    assert next(stream, None) is None


@pytest.mark.parametrize("by", MODES)
def test_a_source_is_closed_as_soon_as_it_is_done(by):
    sources = {"door": Source(1), "yard": Source(10**9)}
    with interleave(sources, by=by) as stream:
        deadline = time.monotonic() + SECONDS
        while not sources["door"].closed and time.monotonic() < deadline:
            next(stream)
        assert [source.closed for source in sources.values()] == [1, 0]


@pytest.mark.parametrize("by", MODES)
def test_a_source_that_ended_well_counts_as_no_failure(by):
    with interleave({"door": Source(2), "yard": Source(2, OSError("gone"))}, by=by) as stream:
        assert len(listed(stream)) == 4
    assert set(stream.failures) == {"yard"}


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (torch.tensor(1), TypeError),
        ([("x", ["label"])], LabelError),
        ([hs.Sample("x")], InputError),
        (["x"], InputError),
    ],
)
def test_a_source_that_cannot_be_read_is_one_that_dies(bad, error):
    stream = interleave({"bad": bad, "good": Source(3)}, by="time")
    assert listed(stream) == [("good", x) for x in range(3)]
    assert isinstance(stream.failures["bad"], error)


@pytest.mark.parametrize("by", MODES)
@pytest.mark.parametrize("begun", [False, True])
def test_closing_reaches_through_streams_to_every_source(by, begun):
    sources = {"door": Source(1000), "yard": Source(1000)}
    stream = interleave({name: schedule(source, learn=1, skip=0) for name, source in sources.items()}, by=by)
    if begun:
        next(stream)
    stream.close()
    stream.close()
    assert [source.closed for source in sources.values()] == [1, 1]
    assert next(stream, None) is None


def test_a_source_that_cannot_be_closed_is_reported(caplog):
    sources = {"door": Source(1, close_error=OSError("stuck")), "yard": Source(2)}
    with interleave(sources) as stream:
        assert len(list(stream)) == 3
    assert caplog.messages == ["source 'door' could not be closed: OSError: stuck"]
    assert stream.failures == {}


class Live:
    """A source whose samples the test hands over one by one."""

    def __init__(self):
        self.queue, self.closed = queue.Queue(), threading.Event()

    def __iter__(self):
        while (sample := self.queue.get(timeout=SECONDS)) is not None:
            yield sample

    def close(self):
        self.closed.set()


def test_by_arrival_a_silent_source_does_not_hold_up_the_others():
    silent = Live()
    with interleave({"silent": silent, "busy": Source(50)}, by="arrival") as stream:
        assert [next(stream).source for _ in range(50)] == ["busy"] * 50
        silent.queue.put("at last")
        sample = next(stream)
        assert (sample.x, sample.source) == ("at last", "silent")
        silent.queue.put(None)
        assert next(stream, None) is None


def test_by_arrival_reading_ahead_is_bounded_and_sources_with_something_take_turns():
    read = Counter()

    def counted(name):
        for number in itertools.count():
            read[name] += 1
            yield number

    with interleave({"a": counted("a"), "b": counted("b")}, by="arrival", ahead=3) as stream:
        assert not read  # nothing before the first is asked for
        taken = Counter({"a": 0, "b": 0})
        for _ in range(60):
            taken[next(stream).source] += 1
            deadline = time.monotonic() + SECONDS
            while any(read[name] < taken[name] + 3 for name in "ab") and time.monotonic() < deadline:
                time.sleep(0.001)
            assert read == {name: taken[name] + 3 for name in "ab"}
            assert abs(taken["a"] - taken["b"]) <= 3
        time.sleep(0.1)
        assert read == {name: taken[name] + 3 for name in "ab"}  # and no more comes later


@pytest.mark.parametrize("by", ["turn", "time"])
def test_a_batch_of_recordings_is_whole(by):
    sources = {"door": Source(5), "yard": Source(3)}
    with interleave(sources, by=by, batch=4) as stream:
        assert (stream.batch, stream.ready) == (4, True)
        assert schedule(stream, learn=1, skip=0).batch == 4
    with pytest.raises(ConfigurationError, match="batch=0: expected a positive integer"):
        interleave(sources, batch=0)


def test_by_arrival_a_stream_knows_whether_a_sample_has_come():
    door, yard = Live(), Live()
    with interleave({"door": door, "yard": yard}, by="arrival", batch=3) as stream:

        def come(count):
            deadline = time.monotonic() + SECONDS
            while stream._arrived.qsize() + len(stream._pending) < count and time.monotonic() < deadline:
                time.sleep(0.001)

        for camera, x in ((door, "a"), (door, "b"), (yard, "c")):
            camera.queue.put(x)
        next(stream)  # which starts the threads
        come(2)
        assert (stream.ready, stream.ready) == (True, True)
        found = {next(stream).x, next(stream).x}
        assert len(found) == 2
        assert not stream.ready
        yard.queue.put(None)
        come(1)
        assert not stream.ready  # an end is no sample
        door.queue.put("d")
        come(2)
        assert stream.ready
        assert next(stream).x == "d"
        door.queue.put(None)
        assert next(stream, None) is None


def test_by_arrival_a_source_that_hangs_does_not_hold_up_closing():
    hanging = Live()
    with interleave({"hanging": hanging, "busy": Source(3)}, by="arrival") as stream:
        next(stream)
        started = time.monotonic()
    assert time.monotonic() - started < SECONDS / 2
    assert not hanging.closed.is_set()  # its own thread is inside it
    hanging.queue.put("too late")
    assert hanging.closed.wait(SECONDS)


def test_closing_by_arrival_ends_another_thread_that_waits_for_a_sample():
    silent = Live()
    stream = interleave({"silent": silent}, by="arrival")
    found = []
    reading = threading.Thread(target=lambda: found.extend(stream))
    reading.start()
    silent.queue.put("the last before the cable is pulled")
    deadline = time.monotonic() + SECONDS
    while not found and time.monotonic() < deadline:
        time.sleep(0.001)
    stream.close()
    reading.join(SECONDS / 2)
    ended = not reading.is_alive()
    silent.queue.put(None)
    reading.join()
    assert ended
    assert len(found) == 1
