"""Recordings over HTTP, whole or in parts: they wait for learning as a file on a disk does."""

import errno
import socket
import struct
from http.server import SimpleHTTPRequestHandler

import av
import pytest
from clips import ramp, write_clip

from benchmarks.core.serving import serving
from hebbstream import errors
from hebbstream.adapters.video import open_video


class Files(SimpleHTTPRequestHandler):
    def send_header(self, keyword, value):
        if keyword != "Content-Length" or "untold" not in self.path:
            super().send_header(keyword, value)

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2] if "lost" in self.path or "half" in self.path else content)
        if "lost" in self.path:  # broken off, not ended
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


@pytest.fixture
def address(tmp_path):
    with serving(Files, directory=tmp_path) as address:
        yield address


@pytest.mark.parametrize("name", ["clip.mp4", "parts.m3u8"])
def test_a_recording_over_http_is_no_live_source(address, tmp_path, name):
    write_clip(tmp_path / "clip.mp4", ramp(50), movflags="faststart")
    write_clip(tmp_path / "part.ts", ramp(50), codec="mpeg2video")
    lines = ("#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", "part.ts", "#EXT-X-ENDLIST", "")
    (tmp_path / "parts.m3u8").write_text("\n".join(lines))
    with open_video(f"{address}/{name}", size=8, retry_for=0) as stream:
        assert not stream.live
        assert len(list(stream)) == 50


def test_a_connection_that_breaks_off_is_no_damaged_file(address, tmp_path):
    write_clip(tmp_path / "lost.ts", ramp(50), codec="mpeg2video")
    with open_video(f"{address}/lost.ts", size=8, retry_for=0) as stream, pytest.raises(errors.ConnectionLostError):
        list(stream)


@pytest.mark.parametrize("name", ["half.ts", "half.mp4"])
def test_one_that_ends_before_the_length_that_was_told_is_no_damaged_file(address, tmp_path, name):
    codec, options = ("mpeg2video", {}) if name.endswith(".ts") else ("libx264", {"movflags": "faststart"})
    write_clip(tmp_path / name, ramp(50), codec=codec, **options)
    with (
        open_video(f"{address}/{name}", size=8) as stream,
        pytest.raises(errors.ConnectionLostError, match="broke off"),
    ):
        list(stream)


def test_one_whose_length_is_not_told_is_read_to_its_last_frame(address, tmp_path):
    write_clip(tmp_path / "untold.mp4", ramp(50), movflags="faststart")
    with open_video(f"{address}/untold.mp4", size=8) as stream:
        assert not stream.live
        assert len(list(stream)) == 50


def test_another_recording_at_the_same_address_is_another(address, tmp_path):
    known = []
    for count in (50, 50, 60):
        write_clip(tmp_path / "latest.mp4", ramp(count), movflags="faststart")
        with open_video(f"{address}/latest.mp4", size=8) as stream:
            known.append(stream.fingerprint)
    assert known[0] == known[1] != known[2]


def test_those_whose_names_pass_for_credentials_are_told_apart(address, tmp_path):
    known = set()
    for count in (50, 60):
        write_clip(tmp_path / "clip.mp4", ramp(count), movflags="faststart")
        with open_video(f"{address}/clip.mp4?key={count}", size=8) as stream:
            known.add(stream.fingerprint)
    assert len(known) == 2


def test_a_host_that_nobody_knows_is_told_as_such(monkeypatch):
    for proxy in (
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
        "no_proxy",
        "NO_PROXY",
    ):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(errors.ConnectionLostError, match=r"no address of nowhere\.invalid is known") as caught:
        open_video("http://someone:hunter2@nowhere.invalid/live", open_timeout=30)
    assert "hunter2" not in str(caught.value)


def test_a_protocol_that_ffmpeg_lacks_is_no_lost_connection():
    with pytest.raises(errors.ConfigurationError, match=r"hls://h/x: the FFmpeg that PyAV uses does not know hls"):
        open_video("hls://h/x")


def test_what_listens_has_no_host_to_miss(monkeypatch):
    def fails(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(av, "open", fails)
    with pytest.raises(errors.ConnectionLostError, match=r"udp://:1234: cannot connect \(Input/output error\)"):
        open_video("udp://:1234")
