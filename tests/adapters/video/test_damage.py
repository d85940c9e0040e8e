"""Damaged videos: frames come, or one clear error does; nothing crashes, hangs or leaks."""

import faulthandler
import gc
import threading
from itertools import islice

import av
import numpy as np
import psutil
import pytest
from clips import write_clip

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.errors import HebbstreamError

CONTAINERS = {"mp4": "libx264", "mkv": "libx264", "ts": "libx264", "avi": "mpeg4", "webm": "libvpx", "mjpeg": "mjpeg"}
CLIPS_EACH = 52  # of every container: 312 in all
BLOCK = 188  # bytes of a packet of an MPEG transport stream


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    with open_video(CLIP, size=(48, 64)) as stream:
        pictures = [sample.x for sample in islice(stream, 25)]
    return [write_clip(folder / f"clip.{name}", pictures, codec=codec) for name, codec in CONTAINERS.items()]


def truncated(content, generator):
    return content[: generator.integers(1, len(content))]


def flipped(content, generator):
    changed = bytearray(content)
    for position in generator.integers(0, 8 * len(content), generator.integers(1, 200)):
        changed[position // 8] ^= 1 << (position % 8)
    return bytes(changed)


def dropped(content, generator):
    blocks = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)]
    return b"".join(block for block in blocks if generator.random() > 0.1)


def swapped(content, generator):
    blocks = [content[start : start + BLOCK] for start in range(0, len(content), BLOCK)]
    for first, second in generator.integers(0, len(blocks), (len(blocks) // 10 + 1, 2)):
        blocks[first], blocks[second] = blocks[second], blocks[first]
    return b"".join(blocks)


def test_no_damage_crashes_hangs_or_leaks(clips, tmp_path):
    faulthandler.dump_traceback_later(300, exit=True)  # a hang inside FFmpeg would not end otherwise
    process = psutil.Process()
    gc.collect()
    threads, handles = threading.active_count(), process.num_fds()
    outcomes = {"frames": 0, "frames, then an error": 0, "error": 0}
    try:
        for clip in clips:
            content = clip.read_bytes()
            for seed in range(CLIPS_EACH):
                generator = np.random.default_rng(seed)
                damage = (truncated, flipped, dropped, swapped)[seed % 4]
                path = tmp_path / f"damaged{clip.suffix}"
                path.write_bytes(damage(content, generator))
                frames, error = read(path)
                assert frames or error, f"{damage.__name__}, seed {seed}, {clip.name}: neither frames nor an error"
                outcomes["frames, then an error" if frames and error else "frames" if frames else "error"] += 1
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert sum(outcomes.values()) == CLIPS_EACH * len(CONTAINERS) >= 300
    assert min(outcomes.values()) > 5, outcomes  # the damage did something, and not too much
    gc.collect()
    assert threading.active_count() == threads
    assert process.num_fds() == handles


def read(path):
    frames, error = 0, None
    try:
        with open_video(path, size=16) as stream:
            for sample in stream:
                assert sample.x.shape == (16, 16, 3)
                frames += 1
                assert frames < 1000
    except HebbstreamError as found:
        error = str(found)
        assert error
        assert "\n" not in error
    return frames, error


def test_a_whole_clip_of_each_container_gives_every_frame(clips):
    for clip in clips:
        with open_video(clip) as stream:
            assert sum(1 for _ in stream) == 25
            assert stream.stats.corrupt == 0
    assert av.open(str(clips[0])).streams.video[0].codec_context.name == "h264"
