"""Sources that are no video: folders of images, files of arrays, tar shards, told apart by what they hold."""

import glob
import gzip
import os
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream.adapters._images import SUFFIXES, hidden, suffix
from hebbstream.adapters._picture import PictureFormat, StretchWarning
from hebbstream.adapters.arrays import open_arrays
from hebbstream.adapters.images import open_images
from hebbstream.adapters.shards import open_shards
from hebbstream.adapters.video._conversion import scaled_size
from hebbstream.streams import Stream
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import planes

Kind = Literal["video", "images", "arrays", "shards"]

_HEAD = 512
_IDX_TYPES = (0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E)
_BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow and FFmpeg have it


def kind_of(source: str) -> Kind:
    """Return what a source is; whatever is nothing else is a video.

    Examples
    --------
    >>> kind_of("rtsp://camera.local/live"), kind_of("train-{000..099}.tar")
    ('video', 'shards')
    """
    if source.isdecimal() or "://" in source:
        return "video"
    if os.path.isdir(source):  # noqa: PTH112  # `Path` fails on a text too long for a path, such as FFmpeg's filters
        return "images"
    if os.path.isfile(source):  # noqa: PTH113
        return _kind_of_file(Path(source))
    if "{" in source and ".tar" in source:
        return "shards"
    found = sorted(glob.glob(source, recursive=True)) if glob.has_magic(source) else []  # noqa: PTH207  # absolute ones too
    return "shards" if found and kind_of(found[0]) == "shards" else "video"


def _kind_of_file(path: Path) -> Kind:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as file:
                head = file.read(_HEAD)
        if head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")) or _is_idx(head):
            return "arrays"
        return "shards" if head.strip(b"\0") and tarfile.is_tarfile(path) else "video"
    except (OSError, EOFError, zlib.error):  # FFmpeg will say what is wrong
        return "video"


def folder_by_class(sources: Iterable[str]) -> Path | None:
    """Return the folder whose sub-folders hold all pictures that are named one by one, or by patterns; ``None`` of anything else.

    Examples
    --------
    >>> folder_by_class(["pets/cat/1.png", "pets/dog/2.png"]).name, folder_by_class(["frames/1.png", "frames/2.png"])
    ('pets', None)
    """
    files = [Path(file) for source in sources for file in glob.glob(source, recursive=True) or [source]]  # noqa: PTH207
    if len({file.parent for file in files}) < 2 or any(suffix(file.name) not in SUFFIXES for file in files):
        return None
    return Path(os.path.commonpath([file.absolute() for file in files]))


def _is_idx(head: bytes) -> bool:
    known = head[:2] == b"\0\0" and len(head) > 4 and head[2] in _IDX_TYPES and head[3] > 0
    return known and not head[4:8].isalpha()  # as in the first box of an MP4 file, "ftyp"


def open_stills(
    kind: Kind,
    source: str,
    form: PictureFormat,
    *,
    arrays: tuple[str | None, str | None],
    labels: Path | None,
    mixed: bool = False,
) -> Stream[Any]:
    """Open a source that is no video.

    Parameters
    ----------
    kind
        What it is.
    source
        Its path.
    form
        What to bring its pictures into.
    arrays
        Names of the images and of the labels in an ``.npz`` file.
    labels
        File of the labels of an array file, or of pictures in a folder.
    mixed
        Whether pictures in folders by class come in a random order, not one class after the other.
    """
    if kind == "images":
        by_class = mixed and (labels is not None or _has_folders(source))  # else the order may be a film's
        return open_images(source, size=form.size, fit=form.fit, gray=form.gray, labels=labels, shuffle=by_class)
    if kind == "shards":
        return open_shards(source, size=form.size, fit=form.fit, gray=form.gray)
    stream, warning = open_arrays(source, labels, image=arrays[0], label=arrays[1]), StretchWarning(form)
    return Composed(
        (replace(sample, x=_in_form(sample.x, form, warning)) for sample in stream),
        stream,
        name=repr(stream),
        count=lambda frames: frames,
    )


def _has_folders(folder: str) -> bool:
    with os.scandir(folder) as entries:
        return any(entry.is_dir(follow_symlinks=False) and not hidden(entry.name) for entry in entries)


def _in_form(frame: Any, form: PictureFormat, warning: StretchWarning) -> Any:
    """Return an array's frame as a video's would be: (H, W, 3), or (H, W) of brightness; its dtype stays."""
    x = planes(frame)
    if form.gray and x.shape[0] in (3, 4):
        x = _like(x, torch.einsum("chw,c->hw", x[:3].float(), torch.tensor(_BRIGHTNESS, device=x.device))[None])
    elif not form.gray:  # any other number of channels is for the network to refuse
        x = x[:3] if x.shape[0] == 4 else x.expand(3, -1, -1) if x.shape[0] == 1 else x
    warning.see(x.shape[1], x.shape[2])
    if form.shape is not None and tuple(x.shape[1:]) != form.shape:
        x = _resized(x, form.shape, form)
    return (x[0] if x.shape[0] == 1 else x.permute(1, 2, 0)).numpy()


def _resized(x: Tensor, shape: tuple[int, int], form: PictureFormat) -> Tensor:
    target = scaled_size((x.shape[1], x.shape[2]), shape, form.fit or "stretch")
    scaled = F.interpolate(x[None].float(), target, mode="bilinear", antialias=True)[0]
    above, left = (shape[0] - target[0]) // 2, (shape[1] - target[1]) // 2  # below zero it is cropped
    return _like(x, F.pad(scaled, (left, shape[1] - target[1] - left, above, shape[0] - target[0] - above)))


def _like(x: Tensor, changed: Tensor) -> Tensor:
    return changed.round().clamp(0, 255).to(x.dtype) if x.dtype == torch.uint8 else changed.to(x.dtype)
