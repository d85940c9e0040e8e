"""Data sets from the folder that HEBBSTREAM_DATA names, in the formats their owners publish; and the bundled clip.

==============  =====================================================================================
cifar10         ``cifar10-{train,test}.tar.xz``: ``<class>/<number>.jpg``
mnist           ``mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz``
stl10           ``stl10_binary/{unlabeled_X,train_X,train_y,test_X,test_y}.bin``
imagenette      ``imagenette2-160/{train,val}/<class>/*.JPEG``
imagenet160     ``imagenet/{train,val}/<class>/*.JPEG``
==============  =====================================================================================
"""

import io
import os
import sys
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hebbstream as hs
from hebbstream.adapters._array_files import read_idx
from hebbstream.clip._clip import clip_frames
from hebbstream.errors import ConfigurationError


def folder() -> Path:
    """Return the data folder, or stop with what to set."""
    named = os.environ.get("HEBBSTREAM_DATA")
    if not named:
        sys.exit("HEBBSTREAM_DATA is not set: it names a folder with cifar10-train.tar.xz and cifar10-test.tar.xz")
    return Path(named)


def names_in(folder: Path, made_by: str) -> list[str]:
    """Return the names of the files of arrays in a folder, or stop with what makes them."""
    if found := sorted(path.stem for path in folder.glob("*.npz")):
        return found
    sys.exit(f"{folder}: no files of arrays; {made_by} writes them")


def array_file(folder: Path, name: str, made_by: str) -> Path:
    """Return a file of arrays by its name, or stop with the names of those that there are."""
    if name not in (found := names_in(folder, made_by)):
        sys.exit(f"no {name} in {folder}: expected one of {', '.join(found)}")
    return folder / f"{name}.npz"


def videos() -> list[Path]:
    """Return the two shared clips of real scenes."""
    return [folder() / "video" / name for name in ("bikes.mp4", "carphone_pristine.mp4")]


@dataclass(frozen=True, slots=True)
class Split:
    """Images, which ``images[indices]`` gives as (n, H, W, C) uint8, and their labels, shape (N,)."""

    images: Any
    labels: Any

    def __len__(self) -> int:
        return len(self.images)

    def take(self, count: int | None, seed: int) -> "Split":
        """Keep some samples, drawn at random."""
        if count is None or count >= len(self):
            return self
        return self.at(np.sort(np.random.default_rng(seed).permutation(len(self))[:count]))

    def at(self, indices: Any) -> "Split":
        """Keep the samples of some indices."""
        return Split(self.images[indices], self.labels[indices])


@dataclass(frozen=True, slots=True)
class Task:
    """Unlabelled images to learn from, labelled ones for the probe, and the test."""

    unlabelled: Split
    train: Split
    test: Split


class ImageFiles:
    """Image files that are read when asked for, cut to a square, RGB."""

    def __init__(self, paths: Sequence[Path], side: int) -> None:
        self.paths, self.side = np.array(paths, dtype=object), side

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Any) -> Any:
        return np.stack([self._read(path) for path in self.paths[indices]])

    def _read(self, path: Path) -> Any:
        from PIL import Image, ImageOps

        with Image.open(path) as image:
            size = (self.side, self.side)
            return np.asarray(ImageOps.fit(image.convert("RGB"), size, Image.Resampling.BILINEAR))


def image_folder(path: Path, side: int) -> Split:
    """Return the images of a folder that holds one folder for each class.

    Raises
    ------
    ConfigurationError
        If there are none.
    """
    paths = sorted(file for file in path.glob("*/*") if file.suffix.lower() in (".jpeg", ".jpg", ".png"))
    if not paths:
        raise ConfigurationError(f"{path.name}: expected folders of .jpeg, .jpg or .png files, one for each class")
    return Split(ImageFiles(paths, side), np.unique([file.parent.name for file in paths], return_inverse=True)[1])


def cifar10(split: str) -> Split:
    """Return CIFAR-10's images of 32×32 RGB, sorted by class; `split` is "train" or "test"."""
    from PIL import Image

    pictures: list[Any] = []
    classes: list[str] = []
    with tarfile.open(folder() / f"cifar10-{split}.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                pictures.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
                classes.append(Path(member.name).parent.name)
    return Split(np.stack(pictures), np.unique(classes, return_inverse=True)[1])


def _cifar10() -> Task:
    train = cifar10("train")
    return Task(train, train, cifar10("test"))


def _mnist() -> Task:
    def split(name: str) -> Split:
        images, labels = (
            read_idx(folder() / "mnist" / f"{name}-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1")
        )
        return Split(images[..., None], labels.astype(np.int64))

    train = split("train")
    return Task(train, train, split("t10k"))


def _stl10() -> Task:
    def read(name: str) -> Any:
        raw = np.fromfile(folder() / "stl10_binary" / f"{name}.bin", np.uint8)
        return raw.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1) if name.endswith("X") else raw.astype(np.int64) - 1

    unlabelled, train, test = (
        read("unlabeled_X"),
        *(Split(read(f"{name}_X"), read(f"{name}_y")) for name in ("train", "test")),
    )
    return Task(Split(unlabelled, np.full(len(unlabelled), -1)), train, test)


def _imagenet(name: str) -> Task:
    train = image_folder(folder() / name / "train", 160)
    return Task(train, train, image_folder(folder() / name / "val", 160))


_TASKS: dict[str, Callable[[], Task]] = {
    "cifar10": _cifar10,
    "mnist": _mnist,
    "stl10": _stl10,
    "imagenette": lambda: _imagenet("imagenette2-160"),
    "imagenet160": lambda: _imagenet("imagenet"),
}


def load_task(name: str) -> Task:
    """Read a data set.

    Raises
    ------
    ConfigurationError
        If there is none of that name, or its files are not there.
    """
    if name not in _TASKS:
        raise ConfigurationError(f"no data set {name!r}: expected one of {', '.join(_TASKS)}")
    try:
        return _TASKS[name]()
    except FileNotFoundError as error:
        missing = f"no {Path(error.filename).relative_to(folder())}" if error.filename else error
        raise ConfigurationError(f"{name} is not in HEBBSTREAM_DATA: {missing}") from None


def preset_frames(preset: str, count: int) -> Any:
    """Return frames of the bundled clip as a preset takes them, (n, H, W, C) uint8."""
    known = hs.PRESETS[preset]
    return clip_frames(known.image_size, count, gray=known.in_channels == 1)[:, : known.frame_size[0]]
