"""What a source stands for: a file, a glob, a device, a network stream, what FFmpeg makes up, bytes."""

import glob
import io
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.request import url2pathname

from av.format import ContainerFormat

from hebbstream._credentials import mask_credentials
from hebbstream._files import expand_home
from hebbstream._numbers import as_index
from hebbstream._quote import printable
from hebbstream.adapters._media._pipe import Pipe
from hebbstream.errors import ConfigurationError, SourceNotFoundError

Source = str | os.PathLike[str] | int | bytes | BinaryIO
Kind = Literal["file", "camera", "microphone", "network", "synthetic"]
_NETWORK = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "hls", "udp", "tcp", "srt", "rtp", "unix")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_NO_FILE = 1  # FFmpeg's AVFMT_NOFILE


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices of one kind.

    Parameters
    ----------
    called
        What its number stands for: ``"camera"``.
    pattern
        Of their names, other than numbers, whatever files there are; and of those that no file has.
    find
        Returns the source of a name or number, for options.
    """

    called: Literal["camera", "microphone"]
    pattern: tuple[str, str]
    find: Callable[[str, dict[str, str]], "MediaSource"]

    @property
    def expected(self) -> str:
        """What a source may be, for messages."""
        return f"expected a file, a glob, a {self.called}'s number, an address, bytes or a file object"


@dataclass(frozen=True, slots=True)
class MediaSource:
    """One thing that FFmpeg can open.

    Parameters
    ----------
    url
        The path or address. It may hold a password: show `name` instead.
    kind
        ``"file"``, ``"camera"``, ``"microphone"``, ``"network"`` or ``"synthetic"``.
    format
        FFmpeg's name of the input format; ``None`` lets it find out.
    options
        For FFmpeg.
    content
        What is read instead of a path, open in binary mode.
    """

    url: str = field(repr=False)
    kind: Kind = "file"
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: BinaryIO | Pipe | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The file's name, or the address without its credentials."""
        return Path(self.url).name if self.kind == "file" else mask_credentials(self.url)

    @property
    def shown(self) -> str:
        """The whole path or address for a message: in one line, without credentials."""
        return printable(mask_credentials(self.url))

    @property
    def may_break_off(self) -> bool:
        """Whether it is a device or a network stream, which may be away."""
        return self.kind in ("camera", "microphone", "network")

    @property
    def over_http(self) -> bool:
        """Whether it comes by HTTP."""
        return self.kind == "network" and self.url.lower().startswith(("http://", "https://"))

    @property
    def once(self) -> bool:
        """Whether it can be read only once."""
        return isinstance(self.content, Pipe)

    @property
    def is_regular_file(self) -> bool:
        """Whether it is a file on a disk, which never lets a reader wait as a named pipe does."""
        return self.kind == "file" and self.content is None and Path(self.url).is_file()

    def target(self) -> str | BinaryIO | Pipe:
        """Return what FFmpeg is given, content from its start.

        Raises
        ------
        OSError
            If there is no such file.
        """
        if isinstance(self.content, Pipe):
            return self.content.opened()
        if self.content is not None:
            self.content.seek(0)
            return self.content
        if self.kind != "file":
            return self.url
        Path(self.url).stat()  # FFmpeg does not ask of what it takes for a pattern
        # By this protocol, and absolute, FFmpeg reads nothing into a file's name: no other protocol, no option.
        return f"file:{os.path.abspath(self.url)}"  # noqa: PTH100  # keeps dots

    def head(self, count: int) -> bytes:
        """Return its first bytes, or nothing if that would take them from FFmpeg."""
        if self.kind != "file" or isinstance(self.content, Pipe):
            return b""
        if self.content is not None:
            self.content.seek(0)
            return self.content.read(count)
        with Path(self.url).open("rb") as file:
            return file.read(count)


def find_sources(
    source: Source, options: Mapping[str, str] | None = None, form: str | None = None, *, devices: Devices
) -> list[MediaSource]:
    """Find what a user's source stands for; a glob that matches files gives them in the order of their names.

    A text that names an existing file is that file, whatever else it might be.

    Raises
    ------
    SourceNotFoundError
        If a glob matches no file.
    ConfigurationError
        If the address has a scheme that is not a video source, FFmpeg has no such format, an option is no text, or the
        source is empty or of a type that is none.
    """
    given = dict(options or {})
    for name, value in given.items():
        if not (isinstance(name, str) and isinstance(value, str)):  # which is not shown: it may be a password
            raise ConfigurationError(
                f"option {name!r} of type {type(value).__name__}: expected text, as FFmpeg takes it"
            )
    if isinstance(source, str | os.PathLike):
        found = _named(os.fspath(source), given, devices, is_path=not isinstance(source, str))
    elif isinstance(source, bytes | bytearray | memoryview):
        found = [MediaSource("bytes", options=given, content=io.BytesIO(source))]
    elif hasattr(source, "read"):
        found = [_opened_file(source, given)]
    else:
        found = [_numbered(source, given, devices)]
    return found if form is None else [_in_format(each, form, devices) for each in found]


def _named(text: str, options: dict[str, str], devices: Devices, *, is_path: bool) -> list[MediaSource]:
    if not text.strip():
        raise ConfigurationError(f"source {text!r}: {devices.expected}")
    if not is_path:
        if text == "-":
            # Not sys.stdin: its lock, held by a thread that waits for input, would keep the program from ending.
            try:
                content = io.FileIO(0, closefd=False)
            except OSError as error:
                raise SourceNotFoundError(f"no standard input ({error.strerror})") from None
            return [MediaSource("stdin", options=options, content=content if content.seekable() else Pipe(content))]
        always, else_ = devices.pattern
        if re.match(always, text) or (text.isdecimal() and not os.path.isfile(text)):  # noqa: PTH113
            return [devices.find(text, options)]
        if not os.path.exists(text):  # noqa: PTH110  # Path's own raises for a name that is too long
            if re.match(else_, text):
                return [devices.find(text, options)]
            if text.startswith("lavfi:"):
                return [MediaSource(text.removeprefix("lavfi:"), "synthetic", "lavfi", options)]
            if found := _SCHEME.match(text):
                return [_address(text, found[1].lower(), options)]
            text = text.removeprefix("file:")
    if os.path.exists(text):  # noqa: PTH110
        return [MediaSource(text, options=options)]
    text = expand_home(text)
    if "\0" in text:
        raise SourceNotFoundError(f"no file at {text!r}")  # FFmpeg would open what stands before
    if glob.has_magic(text) and not os.path.exists(text):  # noqa: PTH110
        paths = sorted(path for path in glob.iglob(text, recursive=True) if Path(path).is_file())  # noqa: PTH207  # absolute patterns too
        if not paths:
            raise SourceNotFoundError(f"no file matches {text}")
        return [MediaSource(path, options=options) for path in paths]
    return [MediaSource(text, options=options)]


def _opened_file(file: Any, options: dict[str, str]) -> MediaSource:
    name = getattr(file, "name", None)
    if not isinstance(name, str):
        name = type(file).__name__
    if isinstance(file, io.TextIOBase):
        raise ConfigurationError(f"source {name}: expected a file opened in binary mode, 'rb'")
    seekable = getattr(file, "seekable", lambda: hasattr(file, "seek"))
    return MediaSource(name, options=options, content=file if seekable() else Pipe(file))


def _numbered(source: Any, options: dict[str, str], devices: Devices) -> MediaSource:
    number = -1 if isinstance(source, bool) else as_index(source)
    if number < 0:
        raise ConfigurationError(f"source {source!r:.80}: {devices.expected}")
    return devices.find(str(number), options)


def _in_format(source: MediaSource, name: str, devices: Devices) -> MediaSource:
    try:
        found = ContainerFormat(name, "r")
    except (ValueError, TypeError):
        raise ConfigurationError(f"format={name!r}: expected an input format of FFmpeg, such as 'mjpeg'") from None
    kind = source.kind
    if kind == "file" and source.content is None and name != "image2" and found.flags & _NO_FILE:
        kind = "synthetic" if name == "lavfi" else devices.called  # a device, such as x11grab's :0.0
    return replace(source, kind=kind, format=name)


def _address(text: str, scheme: str, options: dict[str, str]) -> MediaSource:
    if scheme == "file":
        path = text[len("file://") :].removeprefix("localhost")
        return MediaSource(path if os.path.exists(path) else url2pathname(path), options=options)  # noqa: PTH110
    if scheme not in _NETWORK:
        raise ConfigurationError(f"source {text}: expected {', '.join(_NETWORK)} or a file")
    if scheme in ("rtsp", "rtsps"):
        options = {"rtsp_transport": "tcp"} | options  # over UDP, which is FFmpeg's default, routers lose packets
    elif scheme == "udp":
        options = {"overrun_nonfatal": "1"} | options
    return MediaSource(text, "network", None, options)
