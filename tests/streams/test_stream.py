"""What functions hand on of the streams they are given, and what becomes a stream."""

import threading
from dataclasses import dataclass
from operator import length_hint

import pytest
import torch
from waiting import calling

import hebbstream as hs
from hebbstream.errors import ConfigurationError, EmptyStreamError, ImageSizeError, StreamError
from hebbstream.streams import Stream, augment, crops, for_live, interleave, novel, schedule, shuffle
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import as_stream

N = 12


def still():
    return [torch.full((3, 24, 40), 4 * index, dtype=torch.uint8) for index in range(N)]


class Camera(Stream):
    """A live stream of known length which knows of failures and drops."""

    def __init__(self, name="camera", live=True):
        super().__init__(still(), name=name, live=live, stats=StreamStats(dropped=7))

    @property
    def failures(self):
        return {"yard": OSError(repr(self))}


COMPOSED = {
    "shuffle": (lambda s: shuffle(s, 4), N),
    "schedule": (lambda s: schedule(s, learn=1, skip=1), N // 2),
    "novel": (novel, 0),
    "crops": (lambda s: crops(s, 8, per_frame=3), 3 * N),
    "augment": (augment, N),
    "for_live": (for_live, 0),
    "interleave": (lambda s: interleave({"door": s}), N),
}


@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize("live", [True, False])
def test_functions_hand_on_what_is_known_of_the_source(name, live):
    compose, length = COMPOSED[name]
    stream = compose(Camera(live=live))
    assert (stream.live, length_hint(stream), stream.stats) == (live, length, StreamStats(dropped=7))
    assert list(map(str, stream.failures.values())) == ["camera"]
    assert name in ("interleave", "for_live") or repr(stream).startswith(f"{name}(camera")
    begun = Camera(live=live)
    next(begun)
    assert length_hint(augment(begun)) == N - 1
    assert augment(begun).stats == StreamStats(frames=1, dropped=7)


@dataclass(frozen=True, slots=True, repr=False)
class Placed(hs.Sample):
    place: str = "nowhere"


@pytest.mark.parametrize("name", COMPOSED)
def test_functions_hand_on_what_a_program_of_ones_own_knows_of_a_sample(name):
    make, _ = COMPOSED[name]
    found = list(make(Placed(x, t=float(index), place="yard") for index, x in enumerate(still())))
    assert {(type(sample), sample.place) for sample in found} == {(Placed, "yard")}


def test_several_sources_are_live_if_all_are_and_their_counts_and_failures_add_up():
    both = interleave({"a": Camera("first"), "b": novel(Camera("second"), 0.02)})
    assert both.live
    assert length_hint(both) == 0  # how many are new is not known
    assert len(list(both)) == N + 6
    assert both.stats == StreamStats(frames=2 * N, dropped=14, skipped=6)
    assert not interleave({"a": Camera(), "b": []}).live
    broken = interleave({"a": iter("ab"), "b": augment([torch.zeros(1, 1)]), "c": Camera()})
    list(broken)
    assert broken.failures.keys() == {"b", "yard"}
    assert isinstance(broken.failures["b"], ImageSizeError)


def test_a_length_that_was_announced_and_does_not_come_is_not_waited_for():
    stream = interleave({"short": Stream(iter("ab"), length=9), "long": "abcd"})
    assert length_hint(stream) == 13
    for _ in range(5):
        next(stream)
    assert length_hint(stream) == 1


def test_credentials_are_not_shown():
    stream = augment(interleave({"rtsp://operator:secret@door/live": Stream([], name="http://a:b@c/d")}))
    assert repr(stream) == "augment(interleave('rtsp://***@door/live', by='turn'))"
    assert repr(shuffle(Stream([], name="http://a:b@c/d"), 2)) == "shuffle(http://***@c/d, buffer_size=2)"
    many = interleave({name: [] for name in "abcde"})
    assert repr(many) == "interleave('a', 'b', 'c', 2 more, by='turn')"


class Source:
    def __init__(self):
        self.closed = 0

    def __iter__(self):
        return iter(still())

    def close(self):
        self.closed += 1


def test_what_can_be_iterated_becomes_a_stream_which_closes_it():
    source = Source()
    stream = as_stream(source)
    assert as_stream(stream) is stream
    with stream:
        next(stream)
    stream.close()
    assert source.closed == 1
    letters = (letter for letter in "ab")
    as_stream(letters).close()
    assert next(letters, None) is None
    for nothing in (None, 3):
        with pytest.raises(ConfigurationError, match=f"of type {type(nothing).__name__}: expected something to iter"):
            as_stream(nothing)


def test_what_is_left_of_a_source_can_be_read_on_when_its_stream_was_dropped():
    letters = iter("abc")
    assert next(as_stream(letters)) == "a"
    assert list(as_stream(letters)) == ["b", "c"]


def test_a_generator_that_has_ended_is_used_up():
    def failing():
        yield 1
        raise StreamError("gone")

    stream = as_stream(failing())
    with pytest.raises(StreamError, match="gone"):
        list(stream)
    assert length_hint(stream) == 0
    for ended in (stream, as_stream(x for x in ())):
        next(ended, None)
        with pytest.raises(EmptyStreamError, match=r"\(generator\): used up"):
            list(ended)
    spent = (letter for letter in "")
    list(spent)
    with pytest.raises(EmptyStreamError, match="used up"):
        list(as_stream(spent))


class Letters:
    def __iter__(self):
        yield from "abc"
        raise KeyboardInterrupt


def test_interrupted_while_it_was_read_it_says_so():
    for make in (as_stream, lambda source: shuffle(source, 2), lambda source: interleave({"a": source})):
        for source in (Letters(), iter(Letters())):
            stream = make(source)
            with pytest.raises(KeyboardInterrupt):
                list(stream)
            with pytest.raises(StreamError) as caught:
                list(stream)
            assert str(caught.value) == f"{stream!r}: interrupted while it was read: open it again to go on"


def test_an_empty_stream_is_not_used_up_before_it_is_read():
    for stream in (as_stream([]), shuffle([], 3), interleave({"a": []})):
        assert length_hint(stream) == 0
        assert list(stream) == []


def test_a_sample_is_shown_whatever_its_label():
    assert repr(hs.Sample(1.0, 10**5000)) == "Sample(x=float, y=<int that is too long to show>)"


def test_a_sample_is_found_in_a_list_and_equal_to_itself_alone():
    first, second = (hs.Sample(torch.zeros(4, 4), "a") for _ in range(2))
    assert [first, second].index(second) == 1
    assert {first: 1, second: 2}[second] == 2
    assert first != second


class Held:
    """Frames of a generator that waits, before each of them, until it may go on."""

    def __init__(self, frames):
        self.inside, self.go_on, self.closed = threading.Event(), threading.Event(), threading.Event()
        self.frames = frames

    def read(self):
        try:
            for frame in self.frames:
                self.inside.set()
                assert self.go_on.wait(10)
                yield frame
        finally:
            self.closed.set()


FRAMES = [hs.Sample(frame, t=float(t)) for t, frame in enumerate(still())]


@pytest.mark.parametrize(
    "made",
    [
        as_stream,
        lambda read: shuffle(novel(read), 2),
        lambda read: interleave({"held": read, "other": FRAMES}, by="turn"),
        lambda read: interleave({"held": read, "other": FRAMES}, by="time"),
    ],
)
def test_another_thread_that_reads_it_as_it_is_closed_gets_no_more(made, caplog):
    held = Held(FRAMES)
    stream = made(held.read())
    thread, found = calling(lambda: list(stream))
    assert held.inside.wait(10)
    stream.close()
    held.go_on.set()
    thread.join(10)
    assert found == [[]]
    assert held.closed.wait(10)
    assert not caplog.records  # no source is said to have died


def test_what_a_source_says_as_it_is_closed_under_a_reader_is_its_end():
    inside, gone = threading.Event(), threading.Event()

    class Camera:
        def __iter__(self):
            return self

        def __next__(self):
            inside.set()
            assert gone.wait(10)
            raise OSError("no such device")

        def close(self):
            gone.set()

    stream = as_stream(Camera())
    thread, found = calling(lambda: list(stream))
    assert inside.wait(10)
    stream.close()
    thread.join(10)
    assert found == [[]]


def test_what_a_source_refuses_to_close_with_surfaces():
    def refusing():
        try:
            yield 1
        finally:
            raise ValueError("still in use")

    stream = as_stream(refusing())
    next(stream)
    with pytest.raises(ValueError, match="still in use"):
        stream.close()
