"""Microphones by platform."""

import os
import platform
from functools import partial
from pathlib import Path

from hebbstream.adapters._media._direct_show import direct_show
from hebbstream.adapters._media._source import Devices, MediaSource
from hebbstream.adapters._media._source import find_sources as find_any
from hebbstream.errors import ConfigurationError

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
        name = direct_show(int(numbered), "microphone", "audio") if numbered.isdecimal() else numbered
        return MediaSource(name, "microphone", "dshow", options)
    raise ConfigurationError(
        f"microphone {text!r}: expected Linux, macOS or Windows, found {system or 'nothing known'}"
    )


MICROPHONES = Devices("microphone", (r"mic\Z", r"(plug)?hw:|audio="), _microphone)
find_sources = partial(find_any, devices=MICROPHONES)
