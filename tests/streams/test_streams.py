"""What holds for every stream function, then `shuffle` and `schedule`."""

from itertools import count, islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hebbstream as hs
from hebbstream.errors import ConfigurationError, DtypeError, InputError, LabelError, RankError
from hebbstream.streams import augment, crops, for_live, interleave, novel, schedule, shuffle

few = settings(derandomize=True, deadline=None, max_examples=50)

# Name: a function of a stream, and the most frames it reads for three of its samples.
FUNCTIONS = {
    "shuffle": (lambda s: shuffle(s, 4), 7),
    "schedule": (lambda s: schedule(s, learn=1, skip=1), 5),
    "schedule, seconds": (lambda s: schedule(s, learn=0.1, skip=0.1, unit="seconds"), 5),
    "novel": (lambda s: novel(s, 0.0), 3),
    "crops": (lambda s: crops(s, 16, per_frame=2), 2),
    "augment": (augment, 3),
    "for_live": (lambda s: for_live(s, threshold=0.0), 3),
    "turn": (lambda s: interleave({"door": s}), 3),
    "time": (lambda s: interleave({"door": s}, by="time"), 3),
}
UNTAGGED = [name for name in FUNCTIONS if name not in ("turn", "time")]


class Source:
    """A source that says how much of it was read and whether it was closed."""

    def __init__(self, items):
        self.items, self.read, self.closed = iter(items), 0, 0

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self.items)
        self.read += 1
        return item

    def close(self):
        self.closed += 1


def samples(frames):
    return [hs.Sample(frame, y=index % 3, t=index / 10, source="clip") for index, frame in enumerate(frames)]


def unpacked(items):
    return [(np.asarray(s.x).tobytes(), s.y, s.t, s.source) for s in map(hs.Sample.of, items)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_stream_gives_the_same_samples(name, frames):
    compose, _ = FUNCTIONS[name]
    first, again = (unpacked(compose(samples(frames[:20]))) for _ in range(2))
    assert first == again
    assert len(first) >= 5


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_is_read_unasked(name, frames):
    compose, most = FUNCTIONS[name]
    source = Source(samples(frames))
    stream = compose(source)
    assert source.read == 0
    assert len(list(islice(stream, 3))) == 3
    assert source.read == most


@pytest.mark.parametrize("name", FUNCTIONS)
def test_closing_reaches_the_source_and_dropping_does_not(name, frames):
    compose, _ = FUNCTIONS[name]
    source = Source(samples(frames))
    dropped = compose(source)
    next(dropped)
    del dropped
    assert source.closed == 0
    with novel(compose(source), 0.0) as stream:
        next(stream)
    assert source.closed == 1
    assert next(stream, None) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "sample") for name in UNTAGGED]
    + [(name, kind) for name in UNTAGGED if "seconds" not in name for kind in ("pair", "frame")],
)
def test_an_item_keeps_its_kind_and_what_is_known_of_it(name, kind, frames):
    known = samples(frames[:8])
    items = {"sample": known, "pair": [(s.x, s.y) for s in known], "frame": [s.x for s in known]}[kind]
    compose, _ = FUNCTIONS[name]
    for item in compose(items):
        assert type(item) is type(items[0])
        if kind == "sample":
            assert (item.y, item.source) == (round(10 * item.t) % 3, "clip")
        elif kind == "pair":
            assert item[1] in (0, 1, 2)


@pytest.mark.parametrize("name", ["schedule", "schedule, seconds", "novel"])
def test_what_passes_untouched_is_handed_on_as_it_is(name, frames):
    items = samples(frames[:8])
    compose, _ = FUNCTIONS[name]
    assert all(any(item is given for given in items) for item in compose(items))


@pytest.mark.parametrize(
    ("frame", "error", "message"),
    [
        ("picture", DtypeError, "frame of type str"),
        (np.zeros((2, 3, 32, 32)), RankError, r"frame of shape \(2, 3, 32, 32\): expected \(H, W\), \(C, H, W\) or"),
        (np.zeros(5), RankError, r"shape \(5,\)"),
        (np.zeros((32, 32, 3), dtype=np.int32), DtypeError, "dtype int32"),
        (np.full((32, 32, 3), np.nan), InputError, "NaN"),
        (np.zeros((0, 32, 3)), InputError, "no values"),
    ],
)
@pytest.mark.parametrize("name", ["novel", "crops", "augment", "for_live"])
def test_a_frame_that_cannot_be_read_is_refused(name, frame, error, message):
    compose, _ = FUNCTIONS[name]
    with pytest.raises(error, match=message):
        list(compose([frame]))


@pytest.mark.parametrize("name", ["novel", "crops", "augment", "for_live"])
def test_a_label_that_cannot_be_one_is_refused(name, frames):
    compose, _ = FUNCTIONS[name]
    with pytest.raises(LabelError, match="type list"):
        list(compose([(frames[0], ["cat"])]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: shuffle(s, 0), "buffer_size=0: expected a positive integer"),
        (lambda s: schedule(s, learn=0, skip=1), "learn=0, skip=1: expected whole numbers of samples, above 0"),
        (lambda s: schedule(s, learn=1, skip=-1), "learn=1, skip=-1"),
        (lambda s: schedule(s, learn=1.5, skip=1), "learn=1.5, skip=1: expected whole"),
        (lambda s: schedule(s, learn=1, skip=float("nan"), unit="seconds"), "skip=nan: expected numbers of seconds"),
        (lambda s: schedule(s, learn=float("inf"), skip=1, unit="seconds"), "learn=inf"),
        (lambda s: schedule(s, learn=1, skip=1, unit="frames"), "unit='frames': expected 'samples' or 'seconds'"),
        (lambda s: novel(s, -0.1), "threshold=-0.1: expected a share"),
        (lambda s: novel(s, float("nan")), "threshold=nan"),
        (lambda s: novel(s, grid=0), "grid=0"),
        (lambda s: novel(s, at_least_every=0), "at_least_every=0"),
        (lambda s: crops(s, 0), "size=0: expected a positive number of pixels"),
        (lambda s: crops(s, (32, -1)), r"size=\(32, -1\)"),
        (lambda s: crops(s, 32, per_frame=0), "per_frame=0"),
        (lambda s: crops(s, 32.5), "size=32.5: expected a positive number of pixels"),
        (lambda s: novel(s, at_least_every=2.5), "at_least_every=2.5: expected a positive integer, or None"),
        (lambda s: schedule(s, learn="a", skip=1), "learn='a', skip=1: expected whole"),
        (lambda s: for_live(s, threshold=2), "threshold=2"),
        (lambda s: for_live(s, share=0), "share=0: expected the share of frames that are to pass"),
        (lambda s: novel(s, share=1.5), "share=1.5"),
        (lambda s: augment(s, shift=-1), "shift=-1"),
        (lambda s: augment(s, brightness=1.5), "brightness=1.5: expected a share, 0 to 1"),
        (lambda s: augment(s, contrast=-0.5), "contrast=-0.5"),
        (lambda s: interleave({}), "no streams: expected a mapping"),
        (lambda s: interleave({"a": s, "b": None}), "stream of type NoneType: expected something to iterate over"),
        (lambda s: interleave([s]), "streams of type list: expected a mapping"),
        (lambda s: interleave({"a": s}, by="chance"), "by='chance': expected 'turn', 'time' or 'arrival'"),
        (lambda s: interleave({"a": s}, ahead=0), "ahead=0"),
    ],
)
def test_an_option_that_cannot_work_is_refused_before_reading(call, message):
    source = Source([])
    with pytest.raises(ConfigurationError, match=message):
        call(source)
    assert source.read == source.closed == 0


def test_a_run_goes_on_by_replay(frames):
    def stream():
        cameras = {"left": samples(frames[:40]), "right": samples(frames[40:60])}
        views = crops(novel(interleave(cameras, by="time"), 0.01), 24, per_frame=2, seed=1)
        return schedule(shuffle(augment(views, seed=2), 8, seed=3), learn=7, skip=2)

    whole, halted = (hs.SoftHebbNet.from_preset("cifar10", width=4, seed=0) for _ in range(2))
    report = hs.learn(whole, stream(), progress=False)
    learner = hs.Learner(halted)
    learner.learn(stream(), limit=report.samples // 3, progress=False)
    learner.learn(stream(), resume=True, progress=False)
    assert report.samples > 30
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(whole.layers, halted.layers, strict=True))


def test_a_camera_s_still_scene_gives_its_first_frame_and_a_heartbeat(frames):
    still = [(frames[0], index) for index in range(600)]
    assert [y for _, y in for_live(still)] == [0, 250, 500]
    moving = [(frames[index], index) for index in range(9)]
    assert unpacked(for_live(moving, threshold=0.1, seed=5)) == unpacked(augment(novel(moving, 0.1), seed=5))


@pytest.mark.parametrize(
    ("move", "least", "most"),
    [
        pytest.param(0.0, 1, 1, id="nothing moves"),
        pytest.param(0.00004, 1, 60, id="a codec's noise"),
        pytest.param(0.002, 200, 300, id="a ball"),
        pytest.param(0.01, 200, 300, id="a person"),
        pytest.param(0.1, 850, 1000, id="a street"),
    ],
)
def test_the_threshold_lets_a_quarter_pass_and_all_that_is_news(move, least, most):
    brightness = 0.5 + move * np.random.default_rng(0).standard_normal(1000)
    stream = novel(np.float32(brightness)[:, None, None].repeat(8, 1).repeat(8, 2))
    assert least <= len(list(stream)) <= most


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


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 9))
@few
def test_a_schedule_by_samples_is_by_position(length, learn, skip):
    expected = [number for number in range(length) if number % (learn + skip) < learn]
    assert list(schedule(range(length), learn, skip)) == expected


@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 9), st.integers(0, 9), st.integers(-50, 50))
@few
def test_a_schedule_by_time_counts_from_the_first_sample(gaps, learn, skip, start):
    # Quarters of seconds, which floating point holds exactly.
    times = [(start + sum(gaps[: index + 1])) / 4 for index in range(len(gaps))]
    found = [s.t for s in schedule([hs.Sample(0, t=t) for t in times], learn / 4, skip / 4, unit="seconds")]
    assert found == [t for t in times if round(4 * (t - times[0])) % (learn + skip) < learn]


@pytest.mark.parametrize("t", [None, float("nan"), float("inf")])
def test_a_schedule_by_time_needs_times(t):
    stream = schedule([hs.Sample(0, t=1.0), hs.Sample(0, t=t)], 1, 0, unit="seconds")
    assert next(stream).t == 1.0
    with pytest.raises(InputError, match=f"sample with t={t}: expected its time in seconds"):
        next(stream)


def test_a_shuffled_stream_that_fails_loses_nothing():
    def failing():
        yield from range(20)
        raise OSError("the camera is gone")

    stream, seen = shuffle(failing(), 15), []
    with pytest.raises(OSError, match="the camera is gone"):
        any(seen.append(number) for number in stream)
    assert sorted(seen) == list(range(20))
