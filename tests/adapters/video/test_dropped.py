"""Streams that nobody holds any more give back their thread and file; cameras without a frame yet are waited for."""

import gc
import threading
import time
from itertools import islice

import av
import psutil
import pytest
from clips import ramp, write_clip

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.video import _decoding as decoding
from hebbstream.adapters.video import open_video
from hebbstream.streams import interleave, novel


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("dropped") / "clip.mp4", ramp())


def begun(stream):
    next(stream)


def never_begun(stream):
    pass


def broken_off(stream):
    for _ in stream:
        break


def partly_listed(stream):
    list(islice(stream, 3))


def wrapped(stream):
    next(novel(stream))


def merged(stream):
    next(interleave({"one": stream}, by="arrival"))


def failed(stream):
    with pytest.raises(ZeroDivisionError):
        [1 / 0 for _ in stream]


def learned(stream):
    hs.learn(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), stream, limit=3, progress=False)


def held():
    return threading.active_count(), psutil.Process().num_threads(), psutil.Process().num_fds()


@pytest.mark.parametrize("options", [{}, {"prefetch": 0}, {"live": True}, {"loop": True}], ids=str)
@pytest.mark.parametrize("use", [begun, never_begun, broken_off, partly_listed, wrapped, merged, failed, learned])
def test_what_nobody_holds_any_more_gives_back_its_thread_and_file(clip, use, options):
    use(open_video(clip, size=16, **options))
    gc.collect()
    time.sleep(0.2)
    before = held()
    for _ in range(4):
        use(open_video(clip, size=16, **options))
    deadline = time.monotonic() + 10
    while any(now > then for now, then in zip(held(), before, strict=True)) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    assert all(now <= then for now, then in zip(held(), before, strict=True))


def test_a_stream_that_is_held_by_another_goes_on(clip):
    samples = novel(open_video(clip, size=16), threshold=0.0)
    gc.collect()
    assert sum(1 for _ in samples) > 40


class Camera:
    """Stands for an opened camera that is asked too early, a few times before the first packet and once after each."""

    def __init__(self, container, early):
        self._container, self._early, self._packets = container, early, None

    def __getattr__(self, name):
        return getattr(self._container, name)

    def demux(self, *streams):
        self._packets = self._packets or self._container.demux(*streams)
        while True:
            if self._early > 0:
                self._early -= 1
                raise av.error.BlockingIOError(11, "Resource temporarily unavailable")
            packet = next(self._packets, None)
            if packet is None:
                return
            self._early = 1
            yield packet


@pytest.mark.parametrize("early", [0, 1, 30])
@pytest.mark.parametrize("live", [True, False])
def test_no_frame_yet_is_waited_for(clip, monkeypatch, early, live):
    cameras, whole = [], decoding.open_container

    def opened(*arguments, **options):
        container, video = whole(*arguments, **options)
        cameras.append(Camera(container, early))
        return cameras[-1], video

    monkeypatch.setattr(decoding, "open_container", opened)
    with open_video(clip, size=16, live=live, retry_for=0) as stream:
        assert len(list(stream)) + stream.stats.dropped == 50
        assert stream.stats.reconnects == 0
    assert len(cameras) == 1


def test_a_camera_that_never_has_a_frame_is_stalled(clip, monkeypatch):
    whole = decoding.open_container

    def never(*arguments, **options):
        container, video = whole(*arguments, **options)
        return Camera(container, 10**9), video

    monkeypatch.setattr(decoding, "open_container", never)
    with open_video(clip, size=16, live=True, read_timeout=0.3, retry_for=0) as stream:
        began = time.monotonic()
        with pytest.raises(errors.StalledStreamError, match=r"no frame for 0\.3 s"):
            next(stream)
        assert 0.3 <= time.monotonic() - began < 3
