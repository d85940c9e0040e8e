"""A recording is whole or it is not, whatever its header declares."""

import io
import struct
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import av
import numpy as np
import pytest
from clips import ramp, write_clip
from PIL import Image

from benchmarks.core.serving import serving
from hebbstream import errors
from hebbstream.adapters.video import open_video

COUNT = 60
CODECS = {
    "mp4": "libx264", "mov": "mpeg4", "mkv": "libx264", "avi": "mjpeg", "ts": "libx264", "flv": "libx264",
    "webm": "libvpx", "wmv": "wmv2",
}  # fmt: skip


def make(path, count=COUNT, **options):
    if path.suffix in (".mp4", ".mov"):
        options.setdefault("movflags", "+faststart")
    noise = np.random.default_rng(0).integers(0, 256, (count, 48, 64, 3), np.uint8)  # larger than its index
    return write_clip(path, noise, codec=CODECS[path.suffix[1:]], **options)


def read(source, **options):
    """Return the number of frames, and whether it was told that some are missing."""
    count = 0
    try:
        with open_video(source, prefetch=0, **options) as stream:
            for _ in stream:
                count += 1
    except errors.TruncatedVideoError:
        return count, True
    return count, False


def copy(clip, path, *, lengths=None, empty=(), count=COUNT):
    """Copy packets with other lengths in hundredths of a second, or without content."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if packet.size and index < count:
                same = av.Packet(b"" if index in empty else bytes(packet))
                same.is_keyframe, same.stream = packet.is_keyframe, video
                same.pts, same.dts, same.time_base = packet.pts, packet.dts, packet.time_base
                same.duration = packet.duration
                if lengths:
                    same.pts = same.dts = sum(lengths[:index])
                    same.time_base, same.duration = Fraction(1, 100), lengths[index]
                target.mux(same)
    return path


@pytest.mark.parametrize("container", CODECS)
def test_what_is_cut_is_told_after_its_last_good_frame(tmp_path, container):
    clip = make(tmp_path / f"clip.{container}")
    content = clip.read_bytes()
    assert read(clip) == (COUNT, False)
    path = tmp_path / f"cut.{container}"
    for part in (0.5, 0.7, 0.8):
        path.write_bytes(content[: int(part * len(content)) | 1])  # not at the end of a packet
        count, told = read(path)
        assert count < COUNT, part
        assert told, part
        assert read(path, start=0.5)[1], part


def test_what_comes_from_a_pipe_is_whole_unless_it_is_cut(tmp_path):
    content = make(tmp_path / "clip.ts").read_bytes()
    assert read(SimpleNamespace(read=io.BytesIO(content).read)) == (COUNT, False)
    count, told = read(SimpleNamespace(read=io.BytesIO(content[: len(content) // 2 | 1]).read))
    assert count < COUNT
    assert told


@pytest.mark.parametrize("last", [200, 2000])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_a_long_last_frame_is_whole(tmp_path, container, last):
    clip = write_clip(tmp_path / "clip.avi", ramp(20, (48, 64)), codec="mjpeg")
    path = copy(clip, tmp_path / f"long.{container}", lengths=[4] * 19 + [last], count=20)
    assert read(path) == (20, False)


def test_a_picture_that_moves_and_then_stays_is_whole(tmp_path):
    pictures = [Image.fromarray(picture) for picture in ramp(10)]
    pictures[0].save(path := tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=[40] * 9 + [5000])
    assert read(path) == (10, False)
    path.write_bytes(path.read_bytes()[:-20])
    assert read(path)[1]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mjpeg"])
@pytest.mark.parametrize("shown", [0.5, 1.0, 1.4])
def test_an_edit_list_that_shows_less_is_whole(tmp_path, codec, shown):
    content = bytearray(write_clip(tmp_path / "clip.mp4", ramp(COUNT, (48, 64)), codec=codec).read_bytes())
    movie, edit = content.find(b"mvhd"), content.find(b"elst")
    scale = int.from_bytes(content[movie + 16 : movie + 20])
    content[edit + 12 : edit + 16] = struct.pack(">I", int(scale * shown))
    (path := tmp_path / "shorter.mp4").write_bytes(content)
    count, told = read(path)
    assert not told
    assert count == pytest.approx(25 * shown, abs=1)


@pytest.mark.parametrize("empty", [range(10, 20), range(1, COUNT, 2), range(50, COUNT)])
def test_empty_chunks_are_no_missing_frames(tmp_path, empty):
    clip = make(tmp_path / "clip.avi")
    assert read(copy(clip, tmp_path / "fewer.avi", empty=empty)) == (COUNT - len(empty), False)


def test_a_header_that_declares_more_than_there_ever_was_is_not_believed(tmp_path):
    content = bytearray(make(tmp_path / "clip.mkv").read_bytes())
    place = content.find(b"\x44\x89\x88") + 3  # the duration, in milliseconds
    content[place : place + 8] = struct.pack(">d", 9000.0)
    content = content.replace(b"00:00:02.4", b"00:00:09.0")
    (path := tmp_path / "more.mkv").write_bytes(content)
    assert read(path) == (COUNT, False)


class Files(BaseHTTPRequestHandler):
    """``/folder/…`` sends a file, ``/early/folder/…`` hangs up halfway, ``/plain/folder/…`` knows no ranges."""

    protocol_version = "HTTP/1.1"
    files: dict[str, bytes]

    def do_GET(self):
        how, _, path = self.path[1:].partition("/")
        content, asked = self.files[path], self.headers.get("Range")
        ranged = asked is not None and how != "plain"
        start = int(asked[6:].split("-")[0]) if ranged else 0
        self.send_response(206 if ranged else 200)
        if ranged:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        self.wfile.write(content[start : max(start, len(content) // 2) if how == "early" else None])


@pytest.fixture
def site():
    with serving(Files) as address:
        yield address


@pytest.mark.parametrize("container", ["mp4", "mkv", "avi", "ts", "webm"])
def test_what_is_missing_over_http_is_told(tmp_path, site, container):
    content = make(tmp_path / f"clip.{container}").read_bytes()
    Files.files = {f"clip.{container}": content, f"cut.{container}": content[: int(0.6 * len(content)) | 1]}
    for how in ("whole", "plain"):
        assert read(f"{site}/{how}/clip.{container}") == (COUNT, False)
        count, told = read(f"{site}/{how}/cut.{container}")
        assert 0 < count < COUNT
        assert told
    with pytest.raises(errors.ConnectionLostError):  # the file itself is whole
        read(f"{site}/early/clip.{container}")
