"""`start` gives what a full reading gives from there on, in every container."""

import itertools

import numpy as np
import pytest
from clips import ramp, write_clip
from PIL import Image

from hebbstream.adapters.video import open_video

CODECS = {
    "mp4": "libx264", "mov": "mpeg4", "mkv": "libx264", "avi": "mpeg4", "ts": "libx264", "m2ts": "libx264",
    "mpg": "mpeg2video", "vob": "mpeg2video", "flv": "libx264", "h264": "libx264", "hevc": "libx265",
    "mjpeg": "mjpeg", "webm": "libvpx", "wmv": "wmv2", "nut": "mpeg4", "gif": None,
}  # fmt: skip
STARTS = (0.03, 1.1, 1.5, 2.01, 2.3, 60.0)


def content(path, **options):
    with open_video(path, prefetch=0, **options) as stream:
        return [(sample.t, round(float(sample.x.mean()), 3)) for sample in stream]


def check(path):
    whole = content(path)
    for start in STARTS:
        assert content(path, start=start) == [found for found in whole if found[0] >= start], start
    return whole


@pytest.mark.parametrize(("container", "codec"), CODECS.items(), ids=CODECS)
def test_start_is_exact(tmp_path, container, codec):
    path = tmp_path / f"clip.{container}"
    if codec is None:
        pictures = [Image.fromarray(picture) for picture in ramp(60, (48, 64))]
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=40)
    else:
        write_clip(path, ramp(60, (48, 64)), codec=codec)
    assert len(check(path)) == 60


def test_start_is_exact_where_time_stamps_start_anew(tmp_path):
    parts = [write_clip(tmp_path / f"{count}.ts", ramp(count, (48, 64))).read_bytes() for count in (40, 30)]
    for name, order in itertools.product(("ts", "mts"), (parts, parts[::-1], parts * 2)):
        path = tmp_path / f"both.{name}"
        path.write_bytes(b"".join(order))
        assert len(check(path)) >= 50


def test_start_is_exact_where_frames_are_uneven(tmp_path):
    times = list(np.cumsum(np.random.default_rng(0).integers(1, 40, 60)))
    for container in ("mp4", "mkv", "mov"):
        assert len(check(write_clip(tmp_path / f"clip.{container}", ramp(60, (48, 64)), rate=100, times=times))) == 60


def test_damage_before_start_is_not_counted(tmp_path):
    path = write_clip(tmp_path / "clip.ts", ramp(60, (48, 64)), codec="mpeg2video")
    with open_video(path, start=1.6) as stream:
        assert len(list(stream)) == 20
        assert stream.stats.corrupt == 0
    path.write_bytes(bytes(byte ^ (at in (3000, 12000)) * 255 for at, byte in enumerate(path.read_bytes())))
    for start, corrupt in ((0.0, 2), (1.0, 1)):
        with open_video(path, start=start, prefetch=0) as stream:
            assert [stream.stats.corrupt for _ in stream][-1] == stream.stats.corrupt == corrupt
