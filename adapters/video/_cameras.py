"""Cameras by platform."""

import platform
from functools import partial

from hebbstream.adapters._media._direct_show import direct_show
from hebbstream.adapters._media._source import Devices, MediaSource
from hebbstream.adapters._media._source import find_sources as find_any
from hebbstream.errors import ConfigurationError


def _camera(text: str, options: dict[str, str]) -> MediaSource:
    system, named = platform.system(), text.startswith("video=")
    if named and system != "Windows":
        raise ConfigurationError(f"camera {text!r}: expected its number, as only Windows has video=NAME")
    if text.startswith("/dev/") or system == "Linux":
        return MediaSource(text if text.startswith("/dev/") else f"/dev/video{text}", "camera", "v4l2", options)
    if system == "Darwin":
        # AVFoundation refuses most cameras at its own default of 29.97 frames a second.
        return MediaSource(text, "camera", "avfoundation", {"framerate": "30"} | options)
    if system == "Windows":
        return MediaSource(text if named else direct_show(int(text), "camera", "video"), "camera", "dshow", options)
    raise ConfigurationError(f"camera {text!r}: expected Linux, macOS or Windows, found {system or 'nothing known'}")


CAMERAS = Devices("camera", ("/dev/video", "video="), _camera)

find_sources = partial(find_any, devices=CAMERAS)
