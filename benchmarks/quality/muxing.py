"""Write the clip of a `Mutation` by PyAV's muxers, and say what a reader must find in it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import merge
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.stream import Disposition

from benchmarks.core import barcode
from benchmarks.quality.mutations import CONTAINERS, Container, Mutation

HEIGHT, WIDTH = 48, 64  # of the picture that is shown
_AHEAD = 3  # frames from a decoding to a presentation time stamp, so that stamps may change places
_SOUND_AHEAD = 0.4  # seconds from the first sound to the first picture, where that is late
_LONG_SECONDS = 20.0
_LONGEST_GIF = 50  # hundredths of a second, which FFmpeg's muxer adds to a GIF's last frame alone
_FAST = {
    "libx264": {"preset": "veryfast", "crf": "10", "b-adapt": "0", "threads": "1"},
    "libx265": {
        "preset": "ultrafast",
        "crf": "10",
        "x265-params": "log-level=none:pools=none:frame-threads=1:b-adapt=0",
    },
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "4", "auto-alt-ref": "1", "lag-in-frames": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "4", "auto-alt-ref": "1", "lag-in-frames": "8"},
}
_PIXELS = {"mjpeg": "yuvj420p", "gif": "gray", "png": "rgb24", "huffyuv": "yuv422p"}
_SOUND = {"webm": "libopus", "mpg": "mp2", "avi": "mp2", "mov": "pcm_s16le"}
_SOUND_SAMPLES = {"libopus": 960, "mp2": 1152}


@dataclass(frozen=True, slots=True)
class Truth:
    """What is in a file.

    Parameters
    ----------
    path
        Of the file.
    numbers, seconds
        Of its frames, in order, from the first one's time.
    tolerance
        Seconds that a time may be off: a tick of the container's clock, or as far as damaged stamps leave it open.
    whole
        Whether all of it can be read; otherwise the reader has to raise an error.
    """

    path: Path
    numbers: list[int]
    seconds: list[float]
    tolerance: float
    whole: bool


def write(mutation: Mutation, folder: Path) -> Truth:
    """Write a mutation's file."""
    known, path = CONTAINERS[mutation.container], folder / mutation.filename
    seconds = times(mutation)
    if mutation.stamps == "restart":
        half = mutation.frames // 2
        with path.open("wb") as file:
            for first, last in ((0, half), (half, mutation.frames)):
                part = folder / "part"
                _write_container(mutation, known, part, list(range(first, last)), seconds[: last - first])
                file.write(part.read_bytes())
                part.unlink()
    else:
        _write_container(mutation, known, path, list(range(mutation.frames)), seconds)
    if any(mutation.trim):
        path.write_bytes(trimmed(path.read_bytes(), mutation))
    if mutation.stamps == "missing":
        path.write_bytes(unstamped(path.read_bytes()))
    if mutation.cut:
        content = path.read_bytes()
        path.write_bytes(content[: int(0.55 * len(content))])
    return _truth(mutation, path, seconds)


def times(mutation: Mutation) -> list[float]:
    """Return each frame's time, from 0."""
    random = np.random.default_rng(mutation.frames)
    steps = np.ones(mutation.frames - 1)
    if mutation.timing == "gap":
        steps[len(steps) // 2] = round(5 * mutation.rate)
    elif mutation.timing == "holes":
        steps[random.permutation(len(steps))[:6]] = random.integers(2, 5, 6)
    elif mutation.timing == "uneven":
        steps = random.integers(2, 30, len(steps)) * mutation.rate / 100  # whole hundredths of a second
    return [float(ticks) / mutation.rate for ticks in np.concatenate([[0], np.cumsum(steps)])]


def _truth(mutation: Mutation, path: Path, seconds: list[float]) -> Truth:
    first, last = mutation.trim
    numbers = list(range(mutation.frames))[first : mutation.frames - last]
    seconds = [time - seconds[first] for time in seconds[first : mutation.frames - last]]
    if mutation.streams == "song":
        numbers, seconds = [], []
    tolerance = 0.011 if mutation.container == "gif" else 0.002
    if mutation.stamps != "right":
        tolerance += {"missing": 1.5, "restart": 1.5, "repeated": 1.5, "swapped": 2.5}[mutation.stamps] / mutation.rate
    return Truth(path, numbers, seconds, tolerance, not mutation.cut and mutation.streams != "song")


def _write_container(
    mutation: Mutation, known: Container, path: Path, numbers: list[int], seconds: list[float]
) -> None:
    options = dict(known.options)
    if any(mutation.trim):
        options["movie_timescale"] = str(600 * mutation.rate)
    if mutation.container == "gif" and mutation.timing == "long last":
        options["final_delay"] = str(_LONGEST_GIF)
    sound, preview = "sound" in mutation.streams, mutation.streams.startswith("preview")
    with av.open(
        str(path), "w", format=known.format or _FORMATS.get(known.suffix, known.suffix), options=options
    ) as container:
        extra = None
        if mutation.streams.endswith("first"):
            extra = _sound(container, mutation, seconds) if sound else _preview(container, mutation)
        main = [] if mutation.streams == "song" else _video(container, mutation, numbers, seconds)
        if sound or preview:
            extra = extra or (_sound(container, mutation, seconds) if sound else _preview(container, mutation))
        if mutation.streams == "song":
            extra = _sound(container, mutation, seconds)
        cover = _cover(container) if mutation.streams in ("cover", "song") else []
        for packet in merge(cover, main, extra or [], key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)


_FORMATS = {"mkv": "matroska", "ts": "mpegts", "mpg": "vob"}


def _video(container: Any, mutation: Mutation, numbers: list[int], seconds: list[float]) -> Iterator[Any]:
    turned = mutation.orientation[0] == 0
    width, height = (HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT)
    wide, high = mutation.aspect
    width, height = (width * high // wide, height) if wide >= high else (width, height * wide // high)
    if mutation.codec == "libx265" and width == 48:  # there it overruns its memory
        width, height = 2 * width, 2 * height
    uneven = mutation.timing == "uneven"
    stream = _encoder(container, mutation.codec, mutation.rate, (width, height), mutation.group, mutation.b_frames)
    if wide != high:
        stream.sample_aspect_ratio = stream.codec_context.sample_aspect_ratio = Fraction(wide, high)
    if mutation.orientation != (1, 0, 0, 1):
        a, b, c, d = (65536 * value for value in mutation.orientation)
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
    if mutation.streams.startswith("preview"):
        stream.disposition = Disposition.default
    base = Fraction(1, 100 if uneven or mutation.codec == "gif" else mutation.rate)
    stream.codec_context.time_base = base
    ticks = [round((time + mutation.late) / base) for time in seconds]
    pictures = (stored(barcode.draw(number, HEIGHT, WIDTH), mutation.orientation, height, width) for number in numbers)
    return _stamped(_encoded(stream, pictures, ticks), mutation, ticks, base)


def stored(picture: Any, orientation: tuple[int, int, int, int], height: int, width: int) -> Any:
    """Return what a display matrix turns into a picture, scaled to a size by its nearest pixels.

    The matrix puts the stored pixel (p, q) at x = a·p + c·q and y = b·p + d·q.
    """
    a, b, c, d = orientation
    turned = picture.transpose(1, 0, 2)[::c, ::b] if a == 0 else picture[::d, ::a]
    rows, columns = np.arange(height) * turned.shape[0] // height, np.arange(width) * turned.shape[1] // width
    return np.ascontiguousarray(turned[rows][:, columns])


def _encoder(container: Any, codec: str, rate: int, size: tuple[int, int], group: int, b_frames: int) -> Any:
    options = _FAST.get(codec, {}) | ({"bf": str(b_frames)} if codec in ("libx264", "libx265") else {})
    if codec == "libx265":
        options["x265-params"] += f":bframes={b_frames}:keyint={group}"
    stream = container.add_stream(codec, rate=rate, options=options)
    stream.width, stream.height = size
    stream.pix_fmt = _PIXELS.get(codec, "yuv420p")
    context = stream.codec_context
    context.thread_count, context.time_base = 1, Fraction(1, rate)
    context.gop_size, context.max_b_frames = (0 if group == 1 and codec.startswith("mpeg") else group), b_frames
    if codec not in ("libx264", "libx265"):
        stream.bit_rate = 2_000_000
    return stream


def _encoded(stream: Any, pictures: Iterator[Any], ticks: list[int]) -> Iterator[Any]:
    base = stream.codec_context.time_base
    for picture, tick in zip(pictures, ticks, strict=True):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = tick, base
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _stamped(packets: Iterator[Any], mutation: Mutation, ticks: list[int], base: Fraction) -> Iterator[Any]:
    """Give packets their durations, and stamps that are out of order."""
    long = _LONG_SECONDS if mutation.timing == "long last" else 1 / mutation.rate
    durations = {tick: after - tick for tick, after in pairwise([*ticks, ticks[-1] + round(long / base)])}
    for index, packet in enumerate(packets):
        packet.duration = durations.get(packet.pts, 1)
        if mutation.stamps in ("repeated", "swapped"):
            odd = index % 7 == 3
            if mutation.stamps == "repeated":
                shown = index - odd
            else:
                shown = index + (1 if odd else -1 if index % 7 == 4 else 0)
            packet.dts = ticks[0] + index
            packet.pts = ticks[0] + shown + _AHEAD
        yield packet


def _preview(container: Any, mutation: Mutation) -> Iterator[Any]:
    stream = _encoder(container, mutation.codec, 5, (32, 32), 12, 0)
    stream.disposition = Disposition(0)
    ticks = [round(index + 5 * mutation.late) for index in range(5)]
    pictures = (barcode.draw(barcode.NUMBERS - 1 - index, 32, 32) for index in range(5))
    return _encoded(stream, pictures, ticks)


def _sound(container: Any, mutation: Mutation, seconds: list[float]) -> Iterator[Any]:
    codec = _SOUND.get(mutation.container, "aac")
    rate = 48000
    stream = container.add_stream(codec, rate=rate, layout="mono")
    samples = _SOUND_SAMPLES.get(codec, 1024)
    first = round(max(0.0, mutation.late - _SOUND_AHEAD) * rate)
    length = (3 if mutation.streams == "long sound" else 1) * (seconds[-1] + 1 / mutation.rate)

    def packets() -> Iterator[Any]:
        for index in range(max(1, int(length * rate / samples))):
            layout = stream.codec_context.format.name
            planar = np.zeros((1, samples), np.float32 if layout.startswith("flt") else np.int16)
            frame = av.AudioFrame.from_ndarray(planar, format=layout, layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, first + index * samples, Fraction(1, rate)
            yield from stream.encode(frame)
        yield from stream.encode(None)

    return packets()


def _cover(container: Any) -> Iterator[Any]:
    picture = barcode.draw(barcode.NUMBERS - 1, 96, 96)
    if container.format.name == "matroska":  # where a cover is an attached file
        with av.open(file := BytesIO(), "w", format="mjpeg") as jpeg:
            jpeg.mux([*_encoded(_encoder(jpeg, "mjpeg", 1, (96, 96), 1, 0), iter([picture]), [0])])
        container.add_attachment("cover.jpg", "image/jpeg", file.getvalue())
        return iter(())
    stream = _encoder(container, "mjpeg", 1, (96, 96), 1, 0)
    stream.disposition = Disposition.attached_pic
    return _encoded(stream, iter([picture]), [0])


def trimmed(content: bytes, mutation: Mutation) -> bytes:
    """Change the edit list of an MP4 or QuickTime file so that it shows fewer frames than it stores."""
    changed = bytearray(content)
    moov = content.rfind(b"moov")
    movie, media = (_time_scale(content, content.find(box, moov)) for box in (b"mvhd", b"mdhd"))
    entry = content.find(b"elst", moov) + 12
    _, media_time = struct.unpack_from(">Ii", content, entry)
    first, last = mutation.trim
    shown = (mutation.frames - first - last) * movie // mutation.rate
    struct.pack_into(">Ii", changed, entry, shown, media_time + first * media // mutation.rate)
    return bytes(changed)


def _time_scale(content: bytes, box: int) -> int:
    return int(struct.unpack_from(">I", content, box + 16)[0])


def unstamped(content: bytes) -> bytes:
    """Take the time stamps from every third PES packet of video, but for the first."""
    changed, found = bytearray(content), 0
    place = content.find(b"\0\0\1\xe0")
    while place >= 0:
        flags = place + 7
        if content[place + 6] >> 6 == 2 and content[flags] >> 6:
            found += 1
            if found % 3 == 2:
                length = 10 if content[flags] >> 6 == 3 else 5
                changed[flags] &= 0x3F
                changed[flags + 2 : flags + 2 + length] = b"\xff" * length
        place = content.find(b"\0\0\1\xe0", place + 4)
    return bytes(changed)
