"""What the name of a video source stands for: a file, a glob, a camera, a network stream, a synthetic picture."""

import glob
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hebbstream._credentials import mask_credentials
from hebbstream.adapters._common import expand_home
from hebbstream.errors import ConfigurationError, SourceNotFoundError

Kind = Literal["file", "camera", "network", "synthetic"]
_NETWORK = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "hls", "udp", "tcp", "srt", "rtp", "unix")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_HTTP = ("http", "https")


@dataclass(frozen=True, slots=True)
class VideoSource:
    """One thing that FFmpeg can open.

    Parameters
    ----------
    url
        What FFmpeg is given. It may hold a password: show `name` instead.
    kind
        ``"file"``, ``"camera"``, ``"network"`` or ``"synthetic"``.
    format
        FFmpeg's name of the input format; ``None`` lets it find out.
    options
        For FFmpeg.
    """

    url: str = field(repr=False)
    kind: Kind = "file"
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """The file's name, or the address without its credentials."""
        return Path(self.url).name if self.kind == "file" else mask_credentials(self.url)

    @property
    def shown(self) -> str:
        """The whole path or address for a message, without credentials."""
        return mask_credentials(self.url)


def find_sources(source: str | Path, options: Mapping[str, str] | None = None) -> list[VideoSource]:
    """Find what a user's text stands for; a glob that matches files gives them in the order of their names.

    Raises
    ------
    SourceNotFoundError
        If a glob matches no file.
    ConfigurationError
        If the address has a scheme that is not a video source, or the text is empty.

    Examples
    --------
    >>> find_sources("rtsp://admin:secret@camera.local/live")[0].name
    'rtsp://***@camera.local/live'
    >>> find_sources("lavfi:testsrc2=size=64x48")
    [VideoSource(kind='synthetic', format='lavfi')]
    """
    text, given = str(source), dict(options or {})
    if not text.strip():
        raise ConfigurationError("source '': expected a file, a glob, a camera's number or an address")
    if isinstance(source, str):
        if text.isdecimal() or text.startswith(("/dev/video", "video=")):
            return [_camera(text, given)]
        if text.startswith("lavfi:"):
            return [VideoSource(text.removeprefix("lavfi:"), "synthetic", "lavfi", given)]
        if found := _SCHEME.match(text):
            return [_address(text, found[1].lower(), given)]
        text = text.removeprefix("file:")
    text = expand_home(text)
    if glob.has_magic(text) and not Path(text).exists():
        paths = sorted(path for path in glob.iglob(text, recursive=True) if Path(path).is_file())  # noqa: PTH207  # absolute patterns too
        if not paths:
            raise SourceNotFoundError(f"no file matches {text}")
        return [VideoSource(path, options=given) for path in paths]
    return [VideoSource(text, options=given)]


def _camera(text: str, options: dict[str, str]) -> VideoSource:
    system = platform.system()
    if text.startswith("/dev/") or system == "Linux":
        return VideoSource(text if text.startswith("/dev/") else f"/dev/video{text}", "camera", "v4l2", options)
    if system == "Darwin":
        # AVFoundation refuses most cameras at its own default of 29.97 frames a second.
        return VideoSource(text, "camera", "avfoundation", {"framerate": "30"} | options)
    if system == "Windows":
        return VideoSource(text if text.startswith("video=") else _direct_show(int(text)), "camera", "dshow", options)
    raise ConfigurationError(f"camera {text!r}: expected Linux, macOS or Windows, found {system or 'nothing known'}")


def _direct_show(number: int) -> str:
    """DirectShow knows cameras by name only."""
    from av.device import enumerate_input_devices

    cameras = [device.name for device in enumerate_input_devices("dshow") if "video" in device.media_types]
    if number >= len(cameras):
        raise SourceNotFoundError(f"no camera {number}: found {cameras or 'none'}")
    return f"video={cameras[number]}"


def _address(text: str, scheme: str, options: dict[str, str]) -> VideoSource:
    if scheme == "file":
        return VideoSource(text.partition("://")[2], options=options)
    if scheme not in _NETWORK:
        raise ConfigurationError(f"source {mask_credentials(text)}: expected {', '.join(_NETWORK)} or a file")
    if scheme in ("rtsp", "rtsps"):
        options = {"rtsp_transport": "tcp"} | options  # over UDP, which is FFmpeg's default, routers lose packets
    elif scheme == "udp":
        options = {"overrun_nonfatal": "1"} | options
    return VideoSource(text, "network", None, options)
