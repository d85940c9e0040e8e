"""Small videos and senders for the tests."""

import subprocess
import sys
import textwrap
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

SENDER = textwrap.dedent("""
    import sys, time
    import av
    import numpy as np
    url, container_format, codec, rate = sys.argv[1:5]
    options = dict(option.split("=") for option in sys.argv[5:])
    container = av.open(url, "w", format=container_format, options=options)
    video = container.add_stream(codec, rate=int(rate))
    video.width, video.height, video.pix_fmt, video.gop_size = 64, 48, "yuv420p", 5
    if codec == "libx264":
        video.options = {"preset": "ultrafast", "tune": "zerolatency"}
    started, index = time.monotonic(), 0
    while True:
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * index % 256, np.uint8), format="rgb24")
        frame.pts = index
        for packet in video.encode(frame):
            container.mux(packet)
        index += 1
        time.sleep(max(0.0, started + index / int(rate) - time.monotonic()))
""")


def sender(url, container_format="mpegts", codec="mpeg2video", rate=25, **options):
    """Send frames for ever from a second process, at `rate` frames a second."""
    arguments = [url, container_format, codec, str(rate), *(f"{name}={value}" for name, value in options.items())]
    return subprocess.Popen([sys.executable, "-c", SENDER, *arguments], stderr=subprocess.DEVNULL)


def write_clip(path, frames, *, rate=25, codec="libx264", rotation=None, times=None, **container_options):
    """Encode an iterable of (H, W, 3) uint8 pictures; `times` are in hundredths of a second."""
    with av.open(str(path), "w", options=container_options) as container:
        video = None
        for index, picture in enumerate(frames):
            if video is None:
                video = container.add_stream(codec, rate=rate, options={"crf": "10"} if codec == "libx264" else {})
                video.height, video.width, video.pix_fmt = (
                    *picture.shape[:2],
                    "yuvj420p" if codec == "mjpeg" else "yuv420p",
                )
                if rotation is not None:
                    video.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 100)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return Path(path)


def ramp(count=50, size=(24, 40)):
    """Frame i has the brightness 4·i."""
    return (np.full((*size, 3), 4 * index, np.uint8) for index in range(count))
