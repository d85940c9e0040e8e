"""Cameras by platform."""

import platform
from functools import partial

from hebbstream.adapters._media._source import Devices, MediaSource
from hebbstream.adapters._media._source import find_sources as find_any
from hebbstream.errors import ConfigurationError, SourceNotFoundError


def _camera(text: str, options: dict[str, str]) -> MediaSource:
    system = platform.system()
    if text.startswith("/dev/") or system == "Linux":
        return MediaSource(text if text.startswith("/dev/") else f"/dev/video{text}", "camera", "v4l2", options)
    if system == "Darwin":
        # AVFoundation refuses most cameras at its own default of 29.97 frames a second.
        return MediaSource(text, "camera", "avfoundation", {"framerate": "30"} | options)
    if system == "Windows":
        return MediaSource(text if text.startswith("video=") else _direct_show(int(text)), "camera", "dshow", options)
    raise ConfigurationError(f"camera {text!r}: expected Linux, macOS or Windows, found {system or 'nothing known'}")


def _direct_show(number: int) -> str:
    """DirectShow knows cameras by name only."""
    from av.device import enumerate_input_devices

    cameras = [device.name for device in enumerate_input_devices("dshow") if "video" in device.media_types]
    if number >= len(cameras):
        raise SourceNotFoundError(f"no camera {number}: found {cameras or 'none'}")
    return f"video={cameras[number]}"


CAMERAS = Devices("camera", ("/dev/video", "video="), _camera)

find_sources = partial(find_any, devices=CAMERAS)
