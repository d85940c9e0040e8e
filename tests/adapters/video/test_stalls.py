"""A live source of which no frame comes has stalled, whatever else it sends."""

import contextlib
import io
import socket
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from hebbstream import errors
from hebbstream.adapters.audio import open_audio
from hebbstream.adapters.video import open_video

TIMEOUT = 0.5
BRIEF = {"analyzeduration": "500000"}  # or else opening takes up most of what is sent
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n"


def serve(pieces, scheme="tcp"):
    """Send pieces of bytes to whoever connects first, 20 a second; then hang up."""
    server = socket.create_server(("127.0.0.1", 0))

    def send():
        with contextlib.suppress(OSError), server, server.accept()[0] as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.05)

    threading.Thread(target=send, daemon=True).start()
    return f"{scheme}://127.0.0.1:{server.getsockname()[1]}/live"


def both(video_seconds, sound_seconds, key_frame_every=12):
    """Return a transport stream in pieces of a tenth of a second, of which pictures or sound stop early."""
    file, pieces = io.BytesIO(), []
    at_once = {"flush_packets": "1", "pes_payload_size": "0", "max_interleave_delta": "1"}
    with av.open(file, "w", format="mpegts", options=at_once) as container:
        video, sound = container.add_stream("mpeg2video", rate=10), container.add_stream("mp2", rate=16000)
        video.codec_context.gop_size = key_frame_every
        video.width, video.height, video.pix_fmt, sound.layout = 32, 32, "yuv420p", "mono"
        for index in range(round(10 * max(video_seconds, sound_seconds))):
            if index < 10 * video_seconds:
                frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), index, np.uint8), "rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 10)
                container.mux(video.encode(frame))
            if index < 10 * sound_seconds:
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), "s16", "mono")
                frame.sample_rate, frame.pts, frame.time_base = 16000, 1600 * index, Fraction(1, 16000)
                container.mux(sound.encode(frame))
            pieces.append(file.getvalue())
            file.seek(0)
            file.truncate()
    return pieces


@pytest.mark.parametrize(
    ("open_live", "video_seconds", "sound_seconds", "what"),
    [(open_video, 1, 10, "frame"), (open_audio, 10, 1, "sound")],
    ids=["video", "sound"],
)
def test_one_track_that_stops_is_a_stall_though_the_other_goes_on(open_live, video_seconds, sound_seconds, what):
    pieces = iter(both(video_seconds, sound_seconds))
    url = serve(pieces)
    stream = open_live(url, read_timeout=TIMEOUT, retry_for=0, prefetch=0, options=BRIEF)
    with stream, pytest.raises(errors.StalledStreamError, match=rf"no {what} for 0\.5 s"):
        list(stream)
    assert next(pieces, None) is not None  # it was not the end of the stream that told


def test_what_is_joined_between_key_frames_is_waited_for():
    pieces = both(6, 6, key_frame_every=30)[8:]  # the next key frame comes after about a second
    with open_video(serve(pieces), read_timeout=0.8, retry_for=0, prefetch=0, options=BRIEF) as stream:
        assert sum(1 for _ in stream) > 20


def test_pictures_that_cannot_be_decoded_are_a_stall_and_counted():
    file = io.BytesIO()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(file, "JPEG")
    good = file.getvalue()
    pictures = [good] * 10 + [good[:4] + bytes(300)] * 60
    parts = [
        b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(one), one) for one in pictures
    ]
    with open_video(serve([HEAD, *parts], "http"), read_timeout=TIMEOUT, retry_for=0, prefetch=0) as stream:
        with pytest.raises(errors.StalledStreamError, match=r"no frame for 0\.5 s"):
            list(stream)
        assert stream.stats.frames == 10
        assert 0 < stream.stats.corrupt < 40
