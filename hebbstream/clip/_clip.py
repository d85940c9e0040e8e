"""Where the bundled clip lies, what it shows when, and frames of it."""

from collections.abc import Callable
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hebbstream.adapters.video import open_video, read_labels

_FOLDER = Path(str(files("hebbstream.clip")))
_FRAMES = 6000  # of the clip

CLIP = _FOLDER / "demo.mp4"
"""The bundled clip: a virtual camera over freely licensed photographs."""


def clip_label() -> Callable[[float], str | None]:
    """Return a function that names the photograph in view at a time of the bundled clip, in seconds.

    Examples
    --------
    >>> label = clip_label()
    >>> isinstance(label(0.0), str)
    True
    """
    return read_labels(_FOLDER / "demo.json")


def clip_frames(size: int, count: int, *, gray: bool = False) -> "np.ndarray[Any, Any]":
    """Return frames spread over the bundled clip, uint8, shape (count, size, size, 3), or (…, 1) if `gray`.

    Examples
    --------
    >>> clip_frames(16, 5).shape
    (5, 16, 16, 3)
    """
    with open_video(CLIP, size=size, stride=max(1, _FRAMES // count), gray=gray) as stream:
        frames = np.stack([sample.x for sample in islice(stream, count)])
    return frames[..., None] if gray else frames
