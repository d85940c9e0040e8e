"""Recordings over HTTP, whole or in parts: they wait for learning as a file on a disk does."""

import socket
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clips import ramp, write_clip

from hebbstream import errors
from hebbstream.adapters.video import open_video


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def copyfile(self, source, outputfile):
        content = source.read()
        outputfile.write(content[: len(content) // 2] if "lost" in self.path else content)
        if "lost" in self.path:  # broken off, not ended
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


@pytest.fixture
def address(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


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
