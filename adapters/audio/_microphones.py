"""Microphones by platform."""

import os
import platform
from functools import partial
from pathlib import Path

from hebbstream.adapters._media._source import Devices, MediaSource
from hebbstream.adapters._media._source import find_sources as find_any
from hebbstream.errors import ConfigurationError, SourceNotFoundError

DEFAULT = "mic"
_ALSA = "/usr/share/alsa/alsa.conf"


def _microphone(text: str, options: dict[str, str]) -> MediaSource:
    system = platform.system()
    if system == "Linux":
        if Path(_ALSA).is_file():  # PyAV's wheels look for it where they were built
            os.environ.setdefault("ALSA_CONFIG_PATH", _ALSA)
        name = "default" if text == DEFAULT else f"plughw:{text}" if text.isdecimal() else text
        return MediaSource(name, "microphone", "alsa", options)
    if system == "Darwin":
        name = ":default" if text == DEFAULT else f":{text}" if text.isdecimal() else text
        return MediaSource(name, "microphone", "avfoundation", options)
    if system == "Windows":
        numbered = "0" if text == DEFAULT else text
        name = _direct_show(int(numbered)) if numbered.isdecimal() else numbered
        return MediaSource(name, "microphone", "dshow", options)
    raise ConfigurationError(
        f"microphone {text!r}: expected Linux, macOS or Windows, found {system or 'nothing known'}"
    )


def _direct_show(number: int) -> str:
    """DirectShow knows microphones by name only."""
    from av.device import enumerate_input_devices

    found = [device.name for device in enumerate_input_devices("dshow") if "audio" in device.media_types]
    if number >= len(found):
        raise SourceNotFoundError(f"no microphone {number}: found {found or 'none'}")
    return f"audio={found[number]}"


MICROPHONES = Devices("microphone", (r"mic\Z", r"(plug)?hw:|audio="), _microphone)
find_sources = partial(find_any, devices=MICROPHONES)
