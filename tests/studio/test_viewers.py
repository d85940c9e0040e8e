"""What viewers cost: pictures are made once for all of them, only when somebody looks, and smaller for slow lines."""

import asyncio
import json
import threading
import time

import numpy as np
import pytest
from clips import ramp, write_clip
from PIL import Image
from studio_bench import pictures

from hebbstream.studio import _shots, _source, _viewer
from hebbstream.studio._shots import SIZES, Shots
from hebbstream.studio._source import VideoSource
from hebbstream.studio._viewer import MOST_IN_FLIGHT, Viewer
from hebbstream.studio._viewers import Viewers


@pytest.fixture
def compressed(monkeypatch):
    """Widths of the pictures that were compressed."""
    widths = []

    def counted(pixels, width, quality):
        widths.append(width)
        return b"jpeg"

    monkeypatch.setattr(_shots, "jpeg", counted)
    return widths


def kinds(parts):
    return [about["kind"] for about, _ in parts]


def test_a_picture_is_compressed_once_for_all_viewers_and_not_again(bench, compressed):
    bench.show(*pictures("down", 1))
    shots = Shots(bench.session.board, bench.session.sources)
    viewers = [Viewer(str(number), None) for number in range(3)]
    shots.begin()
    assert [kinds(viewer.parts(shots)) for viewer in viewers] == [["picture", "seen"]] * 3
    assert compressed == [SIZES[1][0], 192]
    shots.begin()
    assert [viewer.parts(shots) for viewer in viewers] == [[]] * 3  # nothing is new
    viewers[2].level = 2
    bench.show(*pictures("down", 1, seed=1))
    compressed.clear()
    shots.begin()
    first = [viewer.parts(shots) for viewer in viewers[:2]]
    bench.show(*pictures("down", 1, seed=2))  # what comes meanwhile waits for the next turn, where the picture is there
    viewers[1]._numbers.clear()
    assert viewers[1].parts(shots)[0] == first[0][0]
    viewers[2].parts(shots)
    assert sorted(compressed) == [SIZES[2][0], 192, SIZES[1][0]]
    (about, _), *_ = first[0]
    assert about["captured"] <= bench.session.board.seen[0].picture.captured


def test_what_only_people_read_is_worked_out_while_they_look(bench):
    bench.show(*pictures("down", 3))
    board = bench.session.board
    assert board.filters is None
    assert board.likes is None
    assert board.slow == {}
    board.watch()
    bench.show(*pictures("down", 3))
    assert board.filters["shape"] == [4, 5, 5, 3]
    assert len(board.likes["neurons"]) == 6
    assert board.slow["rates"]["learned"] >= 3


class Line:
    """A socket that keeps what is sent; a clock that goes as it is told to."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(_viewer.time, "monotonic", lambda: self.now)

    def show(self, viewer, seconds):
        """Offer a message that is shown so many seconds later."""
        viewer.offer({"seen": {}}, [({"kind": "picture"}, b"x")])
        viewer._offered = None  # it was sent
        self.now += seconds
        viewer.acknowledged(viewer.sent)


def test_slow_lines_get_smaller_pictures_and_quick_ones_larger_ones(monkeypatch):
    viewer, line = Viewer("v", None), Line(monkeypatch)
    assert viewer.level == 1
    for _ in range(5):
        line.show(viewer, 0.05)
    assert viewer.level == 0
    line.show(viewer, 0.9)
    assert viewer.level == 1
    for _ in range(5):
        line.show(viewer, 0.05)
    assert viewer.level == 1  # after a bad turn it takes longer
    for _ in range(5):
        line.show(viewer, 0.05)
    assert viewer.level == 0
    for _ in range(9):
        line.show(viewer, 2.0)
    assert viewer.level == len(SIZES) - 1


def test_no_more_than_two_messages_are_on_their_way_and_one_waits_for_the_line(monkeypatch):
    viewer, _ = Viewer("v", None), Line(monkeypatch)
    for number in range(1, MOST_IN_FLIGHT + 1):
        assert viewer.has_room()
        viewer.offer({}, [({"kind": "picture"}, bytes(3))])
        assert not viewer.has_room()  # until the line has taken it
        head = viewer._offered[4 : 4 + int.from_bytes(viewer._offered[:4], "big")]
        assert json.loads(head) == {"n": number, "parts": [{"kind": "picture", "length": 3}]}
        viewer._offered = None
    assert not viewer.has_room()
    viewer.acknowledged(MOST_IN_FLIGHT)
    assert viewer.has_room()


def test_a_page_is_told_now_and_then_that_there_is_nothing_new(bench):
    viewers, viewer = Viewers(bench.session, None), Viewer("v", None)
    asyncio.run(viewers._offer([viewer]))
    asyncio.run(viewers._offer([viewer]))
    sent = viewer.sent
    asyncio.run(viewers._offer([viewer]))
    assert viewer.sent == sent
    viewer._told -= 5
    asyncio.run(viewers._offer([viewer]))
    asyncio.run(viewers._offer([viewer]))
    assert viewer.sent == sent + 1


def test_a_picture_as_a_source_is_shown_for_as_long_as_a_frame(tmp_path):
    Image.new("RGB", (64, 48)).save(tmp_path / "one.png")
    source = VideoSource(0, str(tmp_path / "one.png"), threading.Condition())
    time.sleep(0.5)
    source.close()
    assert 1 <= source.latest.number <= 13


def test_frames_that_nobody_took_in_time_are_dropped(bench):
    bench.do("learn", on=False)
    source = bench.source
    with bench.session.arrived:  # the learner cannot take any
        for frame in pictures("down", 5):
            source.put(frame, None)
    bench.within(lambda: None)
    bench.within(lambda: None)
    assert source.dropped == 4
    assert np.array_equal(bench.session.board.seen[0].picture.pixels, source.latest.pixels)


def test_a_file_that_was_turned_off_for_a_while_goes_on_at_its_own_pace(tmp_path, monkeypatch):
    class Clock:
        now, is_set = 0.0, staticmethod(lambda: False)

        def wait(self, seconds):
            self.now += seconds

    clip, clock, shown = write_clip(tmp_path / "clip.mp4", ramp(50)), Clock(), []
    with monkeypatch.context() as patch:
        patch.setattr(VideoSource, "begin", lambda source: None)
        patch.setattr(_source.time, "monotonic", lambda: clock.now)
        source = VideoSource(0, str(clip), threading.Condition())
        source._closing = clock
        source.put = lambda *_: shown.append(clock.now)
        source.rest = lambda: clock.wait(60 * (len(shown) == 5))
        source._play()
    assert shown[4] == pytest.approx(4 / 25, abs=0.01)
    assert shown[-1] - shown[5] == pytest.approx(44 / 25 - 1, abs=0.1)  # a second of the minute is made up for
