"""What options say of video and of sound alike."""

import argparse
from typing import Any

from hebbstream.adapters.video import read_labels


def media_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments that `open_video` and `open_audio` share."""
    return {
        "start": options.start,
        "duration": options.duration,
        "loop": options.loop,
        "label": None if options.labels is None else read_labels(options.labels),
        "stream": options.stream,
        "format": options.format,
        "open_timeout": options.timeout,
        "read_timeout": options.timeout,
        "retry_for": options.retry_for,
        "options": dict(options.option),
    }
