"""`open_video` with any options, on small clips: what it gives is computed here a second way."""

import math
import threading
from pathlib import Path

import numpy as np
import pytest
from clips import ramp, write_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import modest

from hebbstream.adapters._media import _recorded
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.errors import ConfigurationError

CLIPS = {
    "ramp": ([i / 25 for i in range(12)], (24, 40)),
    "one": ([0.0], (24, 40)),
    "rotated": ([i / 25 for i in range(4)], (40, 24)),
    "uneven": ([0, 0.1, 0.15, 2.0, 2.01], (24, 40)),
}
SIDES = st.one_of(st.integers(1, 70), st.integers(-1, 3))
SECONDS = st.one_of(st.floats(0, 3), st.integers(0, 60).map(lambda n: n / 25), st.floats())
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.one_of(st.none(), SIDES, st.tuples(SIDES, SIDES), st.tuples(SIDES)),
        "fit": st.sampled_from(["stretch", "crop", "pad", "squeeze"]),
        "gray": st.booleans(),
        "stride": st.one_of(st.integers(1, 15), st.integers()),
        "rate": st.one_of(st.none(), st.floats(0.1, 200), st.floats()),
        "start": SECONDS,
        "duration": st.one_of(st.none(), SECONDS),
        "prefetch": st.integers(-1, 5),
    },
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return {
        "ramp": write_clip(folder / "ramp.mp4", ramp(12)),
        "one": write_clip(folder / "one.mp4", ramp(1)),
        "rotated": write_clip(folder / "rotated.mp4", ramp(4), rotation=90),
        "uneven": write_clip(folder / "uneven.mp4", ramp(5), rate=100, times=[0, 10, 15, 200, 201]),
    }


def possible(size=None, fit="stretch", gray=False, stride=1, rate=None, start=0.0, duration=None, prefetch=4):
    sides = (size, size) if isinstance(size, int) else size or (1, 1)
    return (
        len(sides) == 2
        and min(sides) >= 1
        and fit != "squeeze"
        and stride >= 1
        and (rate is None or (stride == 1 and 0 < rate <= 1e6))
        and 0 <= start < math.inf
        and (duration is None or duration > 0)
        and prefetch >= 0
    )


def chosen(times, *, stride=1, rate=None, start=0.0, duration=None, **_):
    """The times of the frames that are kept."""
    end = math.inf if duration is None else start + duration
    inside = [t for t in times if start - 1e-6 <= t < end - 1e-6]
    if rate is None:
        return inside[::stride]
    first = {}
    for t in inside:
        first.setdefault(math.floor(t * rate + 1e-6), t)
    return list(first.values())


@given(st.sampled_from(sorted(CLIPS)), OPTIONS)
@settings(modest, max_examples=300)
def test_any_options_give_the_frames_they_name_or_one_error(clips, name, options):
    times, shape = CLIPS[name]
    if not possible(**options):
        with pytest.raises(ConfigurationError) as caught:
            open_video(clips[name], **options)
        assert "\n" not in str(caught.value)
        return
    with open_video(clips[name], **options) as stream:
        samples = list(stream)
    assert [sample.t for sample in samples] == pytest.approx(chosen(times, **options), abs=1e-5)
    size = options.get("size") or shape
    shape = ((size, size) if isinstance(size, int) else size) + (() if options.get("gray") else (3,))
    assert {sample.x.shape for sample in samples} <= {shape}
    assert {sample.x.dtype for sample in samples} <= {np.dtype(np.uint8)}
    assert all(sample.x.flags.c_contiguous for sample in samples)


def test_only_files_that_never_wait_are_decoded_by_whoever_asks(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", ramp())

    def decoding_threads(source):
        with open_video(source) as frames:
            next(frames)
            return [thread for thread in threading.enumerate() if thread.name == "hebbstream-prefetch"]

    assert not decoding_threads(clip)
    with clip.open("rb") as file:  # it may be a pipe, or anything else that makes a reader wait
        assert decoding_threads(file)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="needs a list of open files")
def test_no_file_stays_open_when_a_stream_is_closed():
    before = len([*Path("/dev/fd").iterdir()])
    streams = [open_video(CLIP, size=8, prefetch=0) for _ in range(3)]
    for stream in streams:
        next(stream)
        stream.close()
    assert len([*Path("/dev/fd").iterdir()]) <= before


def test_one_that_is_left_open_as_the_interpreter_exits_ends_in_silence(monkeypatch):
    stream = open_video(CLIP, size=8, prefetch=0)
    next(stream)
    monkeypatch.setattr(_recorded, "StreamError", None)  # as names of modules are by then
    stream.close()
