"""What is done to a small clip before it is read: a `Mutation` of a plain one, in a `Container`."""

from dataclasses import asdict, dataclass, fields
from typing import Any

_EVERY_RATE = (10, 12, 15, 24, 25, 30)


@dataclass(frozen=True, slots=True)
class Container:
    """A format of files, and what it can hold.

    Parameters
    ----------
    suffix
        Of its files' names.
    codecs
        FFmpeg's encoders for it.
    can
        Of: uneven (time stamps at will), late (a first stamp above 0), order (stamps apart from the decoding order),
        trim (edit lists), turn and mirror (display matrices), aspect, sound, second (a second video), cover, cut (a
        header with the length), restart (files can be put one behind another), unstamped.
    rates
        Frames a second.
    format
        FFmpeg's name; ``None`` for what the suffix says.
    options
        For FFmpeg's muxer.
    """

    suffix: str
    codecs: tuple[str, ...]
    can: str = ""
    rates: tuple[int, ...] = _EVERY_RATE
    format: str | None = None
    options: tuple[tuple[str, str], ...] = ()


_MOVIE = "uneven late order trim turn mirror aspect sound second cut"
_TRANSPORT = "uneven late order sound second restart unstamped"
BROADCAST = (24, 25, 30)
_RAW = (25,)  # such a file has no time stamps, and FFmpeg takes 25 frames a second for granted
CONTAINERS = {
    "mp4": Container("mp4", ("libx264", "libx265", "mpeg4", "mjpeg", "libvpx-vp9"), f"{_MOVIE} cover"),
    "mp4, index first": Container("mp4", ("libx264", "mpeg4"), _MOVIE, options=(("movflags", "faststart"),)),
    "mp4, fragmented": Container(
        "mp4", ("libx264", "mpeg4"), "uneven turn aspect", options=(("movflags", "frag_keyframe+empty_moov"),)
    ),
    "mov": Container("mov", ("libx264", "mpeg4", "mjpeg", "png"), _MOVIE),
    "3gp": Container("3gp", ("mpeg4", "libx264"), "uneven trim"),
    "mkv": Container(
        "mkv",
        ("libx264", "libx265", "libvpx", "libvpx-vp9", "mpeg4", "mjpeg", "ffv1", "mpeg2video"),
        "uneven late order turn mirror aspect sound second cover cut",
    ),
    "webm": Container("webm", ("libvpx", "libvpx-vp9"), "uneven late sound cut"),
    "avi": Container("avi", ("mpeg4", "mjpeg", "libx264", "ffv1", "huffyuv", "rawvideo"), "sound second cut"),
    "ts": Container("ts", ("libx264", "libx265", "mpeg2video"), _TRANSPORT),
    "m2ts": Container(
        "m2ts",
        ("libx264", "mpeg2video"),
        "uneven late order sound",
        format="mpegts",
        options=(("mpegts_m2ts_mode", "1"),),
    ),
    "mpg": Container("mpg", ("mpeg2video", "mpeg1video"), "sound unstamped", BROADCAST),
    "flv": Container("flv", ("libx264", "flv"), "uneven late order sound cut"),
    "gif": Container("gif", ("gif",), "uneven", (10, 20, 25)),
    "h264": Container("h264", ("libx264",), rates=_RAW),
    "hevc": Container("hevc", ("libx265",), rates=_RAW),
    "mjpeg": Container("mjpeg", ("mjpeg",), rates=_RAW),
    "m2v": Container("m2v", ("mpeg2video",), rates=_RAW, format="mpeg2video"),
    "nut": Container("nut", ("libx264", "mpeg4", "ffv1"), "uneven order sound"),
    "ivf": Container("ivf", ("libvpx", "libvpx-vp9"), "uneven"),
    "y4m": Container("y4m", ("rawvideo",), format="yuv4mpegpipe"),
    "wmv": Container("wmv", ("wmv2", "msmpeg4"), "uneven sound", format="asf"),
}


@dataclass(frozen=True, slots=True)
class Mutation:
    """A clip, and how it differs from a plain one; every field that is not the plain one's is of a kind to find.

    Parameters
    ----------
    container, codec
        Key of `CONTAINERS`, and the encoder.
    frames, rate, group, b_frames
        How many, how many a second, from one key frame to the next, and between two others.
    timing
        ``"uneven"``, ``"gap"`` (of seconds), ``"holes"`` (frames left out), ``"long last"`` (frame).
    late
        The first time stamp in seconds.
    stamps
        ``"repeated"``, ``"swapped"``, ``"missing"`` or ``"restart"`` (the clock begins again half-way).
    trim
        Frames that an edit list leaves out, at the start and the end.
    orientation
        The four numbers of a display matrix.
    aspect
        A pixel's width to its height.
    streams
        ``"sound first"``, ``"sound"``, ``"long sound"``, ``"preview first"``, ``"preview"``, ``"cover"`` or ``"song"``
        (with a cover and no video).
    cut
        Whether the file ends half-way.
    name
        Of the file, with ``{}`` for its suffix.
    start
        Share of the frames that the reader leaves out.
    fit
        How it brings them to its size.
    """

    container: str = "mp4"
    codec: str = "libx264"
    frames: int = 30
    rate: int = 25
    group: int = 12
    b_frames: int = 0
    timing: str = "even"
    late: float = 0.0
    stamps: str = "right"
    trim: tuple[int, int] = (0, 0)
    orientation: tuple[int, int, int, int] = (1, 0, 0, 1)
    aspect: tuple[int, int] = (1, 1)
    streams: str = "video"
    cut: bool = False
    name: str = "clip{}"
    start: float = 0.0
    fit: str = "stretch"

    @property
    def filename(self) -> str:
        """With the suffix."""
        return self.name.format(f".{CONTAINERS[self.container].suffix}")

    @property
    def changes(self) -> dict[str, Any]:
        """What is not as in a plain clip."""
        plain = Mutation()
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != getattr(plain, field.name)
        }

    @property
    def kinds(self) -> list[str]:
        """In a word each, what a failure may come from."""
        told = asdict(self)
        found = [told[key] for key in ("timing", "stamps", "streams") if key in self.changes]
        found += [
            kind for kind in ("late", "trim", "orientation", "aspect", "cut", "name", "start") if kind in self.changes
        ]
        return found or ["plain"]
