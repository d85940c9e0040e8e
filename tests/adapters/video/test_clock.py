"""Time only rises, at the pace of the frames, whatever is wrong with their stamps."""

from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clips import ramp, write_clip

from hebbstream.adapters.video import open_video
from hebbstream.adapters.video._clock import Clock
from hebbstream.adapters.video._seeking import Opened, begin

STEP, COUNT = 0.04, 250  # ten seconds
CAMERA = SimpleNamespace(start_time=None, time_base=None), SimpleNamespace(format=SimpleNamespace(name="v4l2"))
LIVE = Opened(CAMERA[1], CAMERA[0], 1.0, STEP, live=True, local=False)
PLAIN = list(range(COUNT))


def timed(stamps, **options):
    frames = [SimpleNamespace(time=None if stamp is None else STEP * stamp) for stamp in stamps]
    found = list(Clock(STEP, **options).times(frames))
    assert [frame for _, frame in found] == frames  # every one, in order
    times = [seconds for seconds, _ in found]
    assert all(one < other for one, other in pairwise(times))
    return times


def swapped(pairs):
    stamps = PLAIN[:]
    for one, other in pairs:
        stamps[one], stamps[other] = stamps[other], stamps[one]
    return stamps


def some(number, distance, seed):
    generator = np.random.default_rng(seed)
    for _ in range(number):
        first = int(generator.integers(COUNT - distance))
        yield first, first + int(generator.integers(1, distance + 1))


WRONG = {
    "pairs": [index // 2 * 2 for index in PLAIN],
    "seconds": [index // 25 * 25 for index in PLAIN],
    "repeated here and there": [index - (index % 7 == 0 < index) for index in PLAIN],
    "neighbours swapped": [index ^ 1 for index in PLAIN],
    "fours reversed": [index ^ 3 for index in PLAIN],
    "in the order of decoding": [index // 4 * 4 + (3, 0, 1, 2)[index % 4] for index in PLAIN],
    "two swapped far apart": swapped([(10, 200)]),
    "some swapped": swapped(some(20, 1, seed=0)),
    "many swapped": swapped(some(60, 4, seed=1)),
    "swapped over half a second": swapped(some(20, 12, seed=2)),
    "one far ahead": [*PLAIN[:50], 1e9, *PLAIN[51:]],
    "one far behind": [*PLAIN[:50], -1e9, *PLAIN[51:]],
    "some missing": [None if index % 5 == 3 else index for index in PLAIN],
    "all missing": [None] * COUNT,
    "all the same": [7] * COUNT,
}


@pytest.mark.parametrize("stamps", WRONG.values(), ids=WRONG)
def test_ten_seconds_stay_ten_seconds(stamps):
    times = timed(stamps)
    assert times[-1] == pytest.approx(STEP * (COUNT - 1), abs=2 * STEP)
    assert max(abs(found - STEP * index) for index, found in enumerate(times)) < 14 * STEP


@pytest.mark.parametrize("part", [7, 10, 40, 125])
def test_stamps_that_start_anew_go_on(part):
    assert timed([index % part for index in PLAIN]) == pytest.approx([STEP * index for index in PLAIN])
    assert timed([*PLAIN[:part], *PLAIN]) == pytest.approx([STEP * index for index in range(COUNT + part)])


def test_right_stamps_are_kept_even_where_frames_are_long():
    stamps = [0, 1, 1.5, 500, 501, 501.1, 2000]
    assert timed(stamps) == pytest.approx([STEP * stamp for stamp in stamps])
    assert timed([100, 101], origin=STEP * 98) == pytest.approx([2 * STEP, 3 * STEP])


def test_missing_stamps_among_those_that_start_anew():
    assert timed([*range(20), 5, None, *range(7, 20)]) == pytest.approx([STEP * index for index in range(35)])


@pytest.mark.parametrize("make", [lambda: Clock(STEP, patience=0), lambda: begin(LIVE)[1]], ids=["clock", "camera"])
def test_a_live_source_never_waits(make):
    given = []

    def frames():
        for stamp in (0, 1, 1, 90, 3, 0, 1):
            given.append(stamp)
            yield SimpleNamespace(time=STEP * stamp)

    for count, _ in enumerate(make().times(frames()), 1):
        assert len(given) == count


@pytest.mark.parametrize("container", ["mkv", "nut"])
@pytest.mark.parametrize("kind", ["pairs", "neighbours swapped", "seconds"])
def test_files_with_such_stamps_last_as_long_as_they_do(tmp_path, container, kind):
    clip, path = write_clip(tmp_path / "clip.avi", ramp(50), codec="mjpeg"), tmp_path / f"wrong.{container}"
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size:
                copy = av.Packet(bytes(packet))
                copy.stream, copy.is_keyframe, copy.time_base = video, True, Fraction(1, 25)
                # A frame is not shown before it is decoded.
                copy.pts, copy.dts, copy.duration = WRONG[kind][index] + 25, index, 1
                target.mux(copy)
    with open_video(path) as stream:
        times = [sample.t for sample in stream]
    assert len(times) == 50
    assert times[-1] == pytest.approx(49 / 25, abs=0.1)
