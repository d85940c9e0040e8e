"""DirectShow's devices, which it knows by name only."""

from typing import Literal

import av.device

from hebbstream.adapters._media._opening import reason
from hebbstream.errors import SourceNotFoundError


def direct_show(number: int, called: str, medium: Literal["video", "audio"]) -> str:
    """Return what DirectShow calls a camera or microphone of that number.

    Raises
    ------
    SourceNotFoundError
        If there are not so many, or they cannot be listed.
    """
    try:
        found = [device.name for device in av.device.enumerate_input_devices("dshow") if medium in device.media_types]
    except (ValueError, OSError, av.error.FFmpegError) as error:
        raise SourceNotFoundError(
            f"no {called} {number}: cannot list {called}s ({reason(error)}); name it: {medium}=NAME"
        ) from None
    if number >= len(found):
        raise SourceNotFoundError(f"no {called} {number}: found {found or 'none'}")
    return f"{medium}={found[number]}"
