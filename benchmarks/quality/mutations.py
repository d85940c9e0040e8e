"""What is done to a small clip before it is read: a `Mutation`, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

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
_BROADCAST = (24, 25, 30)
_RAW = (25,)  # such a file has no time stamps, and FFmpeg takes 25 frames a second for granted
CONTAINERS = {
    "mp4": Container("mp4", ("libx264", "libx265", "mpeg4", "mjpeg", "libvpx-vp9"), f"{_MOVIE} cover"),
    "mp4, index first": Container("mp4", ("libx264", "mpeg4"), _MOVIE, options=(("movflags", "faststart"),)),
    "mp4, fragmented": Container(
        "mp4", ("libx264", "mpeg4"), "uneven turn sound", options=(("movflags", "frag_keyframe+empty_moov"),)
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
        "m2ts", ("libx264", "mpeg2video"), "uneven late order sound", format="mpegts", options=(("mpegts_m2ts_mode", "1"),)
    ),
    "mpg": Container("mpg", ("mpeg2video", "mpeg1video"), "sound unstamped", _BROADCAST),
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
REORDERING = ("libx264", "libx265", "mpeg4", "mpeg2video", "mpeg1video")
_UNEVEN = ("libx264", "libx265", "mpeg4", "mjpeg", "png", "libvpx", "libvpx-vp9", "ffv1", "flv", "gif", "wmv2", "msmpeg4")
_BROADCAST_CODECS = ("mpeg2video", "mpeg1video")
_SHAPED = ("libx264", "libx265", "mpeg4")
NAMES = (
    "12:30:00{}",
    "cam1:front{}",
    "http:x{}",
    "data:x{}",
    "pipe:0{}",
    "concat:a|b{}",
    "50% off{}",
    "%03d{}",
    "[a]{}",
    "what?{}",
    "star*{}",
    "a#b&c=d{}",
    "two  spaces {}",
    "-dash{}",
    "~tilde{}",
    "quote's \"here\"{}",
    "naïve 映像 🎥{}",
    "line\nbreak{}",
    "back\\slash{}",
    "C:\\video{}",
    "{}.part",
    "no suffix",
    "0",
    "x" * 200 + "{}",
)


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
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) != getattr(plain, field.name)}

    @property
    def kinds(self) -> list[str]:
        """In a word each, what a failure may come from."""
        told = asdict(self)
        found = [told[key] for key in ("timing", "stamps", "streams") if key in self.changes]
        found += [kind for kind in ("late", "trim", "orientation", "aspect", "cut", "name", "start") if kind in self.changes]
        return found or ["plain"]


def drawn(seed: int) -> Mutation:
    """Draw a mutation: a container, a codec, and one to three things that are odd about it."""
    random = np.random.default_rng(seed)
    container = _one(random, list(CONTAINERS))
    known = CONTAINERS[container]
    codec = _one(random, known.codecs)
    can = set(known.can.split())
    chosen: dict[str, Any] = {
        "container": container,
        "codec": codec,
        "frames": int(random.integers(24, 33)),
        "rate": int(_one(random, _BROADCAST if codec in _BROADCAST_CODECS and len(known.rates) > 1 else known.rates)),
        "group": int(_one(random, (1, 5, 12, 40))),
        "b_frames": int(_one(random, (0, 2, 3))) if codec in REORDERING and container != "avi" else 0,
    }
    for odd in random.permutation(list(_ODDITIES))[: random.integers(1, 8)]:
        chosen |= _ODDITIES[odd](random, can, chosen)
    return Mutation(**chosen)


def _one(random: np.random.Generator, choices: Sequence[Any]) -> Any:
    return choices[int(random.integers(len(choices)))]


def _timing(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen.keys() & {"stamps", "trim", "cut"} or chosen["codec"] in _BROADCAST_CODECS:
        return {}
    if "uneven" in can and chosen["codec"] in _UNEVEN:
        return {"timing": _one(random, ("uneven", "gap", "holes", "long last", "long last"))}
    return {"timing": "holes"} if chosen["container"] == "avi" else {}


def _late(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if "late" not in can or chosen.keys() & {"trim", "cut"} or chosen.get("stamps") == "restart":
        return {}
    return {"late": float(_one(random, (0.4, 2.0, 90.0, 3600.0)))}


def _stamps(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen.keys() & {"timing", "trim", "cut", "start"}:
        return {}
    choices = ["repeated", "swapped"] * ("order" in can) + ["restart"] * ("restart" in can and "late" not in chosen)
    if "streams" in chosen:  # sound would be put behind the first half
        choices = [choice for choice in choices if choice != "restart"]
    choices += ["missing"] * ("unstamped" in can)
    return {"stamps": _one(random, choices), "b_frames": 0} if choices else {}


def _trim(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if "trim" not in can or chosen.keys() & {"timing", "late", "stamps", "streams", "cut"}:
        return {}
    return {"trim": _one(random, ((0, 3), (0, 15), (4, 0), (7, 0), (5, 8)))}


def _geometry(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    turns, mirrors = [(-1, 0, 0, -1), (0, 1, -1, 0), (0, -1, 1, 0)], [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]
    matrices = turns * ("turn" in can) + mirrors * ("mirror" in can)
    if chosen["codec"] == "libx265":  # which overruns its memory in pictures 48 wide and 64 high
        matrices = [matrix for matrix in matrices if matrix[0]]
    if matrices and random.random() < 0.7:
        found["orientation"] = _one(random, matrices)
    if "aspect" in can and chosen["codec"] in _SHAPED and random.random() < 0.6:
        found |= {"aspect": _one(random, ((2, 1), (4, 3), (1, 2))), "fit": _one(random, ("pad", "crop"))}
    return found


def _streams(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if chosen.keys() & {"trim", "cut"} or chosen.get("stamps") == "restart":
        return {}
    choices = ["sound first", "sound", "long sound"] * ("sound" in can)
    choices += ["preview first", "preview first", "preview"] * ("second" in can) + ["cover", "cover", "song"] * ("cover" in can)
    return {"streams": _one(random, choices)} if choices else {}


def _cut(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    if "cut" not in can or chosen.keys() & {"timing", "late", "stamps", "trim", "streams", "start"} or random.random() < 0.5:
        return {}
    return {"cut": True, "rate": 10}


def _name(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    return {"name": _one(random, NAMES)}


def _start(random: np.random.Generator, can: set[str], chosen: dict[str, Any]) -> dict[str, Any]:
    return {} if chosen.keys() & {"stamps", "cut"} else {"start": float(_one(random, (0.1, 0.3, 0.5, 0.9)))}


_ODDITIES = {
    "timing": _timing,
    "late": _late,
    "stamps": _stamps,
    "trim": _trim,
    "geometry": _geometry,
    "streams": _streams,
    "cut": _cut,
    "name": _name,
    "start": _start,
}
