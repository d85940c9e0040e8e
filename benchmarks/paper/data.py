"""The data sets of the paper, from the folder that HEBBSTREAM_DATA names, in the formats their owners publish.

==============  =====================================================================================
cifar10         ``cifar10-{train,test}.tar.xz``: ``<class>/<number>.jpg``
mnist           ``mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz``
stl10           ``stl10_binary/{unlabeled_X,train_X,train_y,test_X,test_y}.bin``
imagenette      ``imagenette2-160/{train,val}/<class>/*.JPEG``
imagenet160     ``imagenet/{train,val}/<class>/*.JPEG``
==============  =====================================================================================
"""

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.data import cifar10, folder
from hebbstream.errors import ConfigurationError

_SIDE = 160  # of ImageNet's images: shorter side scaled to it, centre kept


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
        kept = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return Split(self.images[kept], self.labels[kept])


@dataclass(frozen=True, slots=True)
class Task:
    """Unlabelled images to learn from, labelled ones for the probe, and the test."""

    unlabelled: Split
    train: Split
    test: Split


class ImageFiles:
    """Image files that are read when asked for, square, RGB."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = np.array(paths, dtype=object)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Any) -> Any:
        return np.stack([_read(path) for path in self.paths[indices]])


def _read(path: Path) -> Any:
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return np.asarray(ImageOps.fit(image.convert("RGB"), (_SIDE, _SIDE), Image.Resampling.BILINEAR))


def _cifar10() -> Task:
    train = Split(*cifar10("train"))
    return Task(train, train, Split(*cifar10("test")))


def _mnist() -> Task:
    def split(name: str) -> Split:
        images, labels = (
            np.frombuffer(gzip.decompress((folder() / "mnist" / f"{name}-{kind}-ubyte.gz").read_bytes()), np.uint8)
            for kind in ("images-idx3", "labels-idx1")
        )
        return Split(images[16:].reshape(-1, 28, 28, 1), labels[8:].astype(np.int64))

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


def _image_folder(name: str) -> Task:
    def split(part: str) -> Split:
        paths = sorted((folder() / name / part).glob("*/*.JPEG"))
        if not paths:
            raise FileNotFoundError(folder() / name / part)
        return Split(ImageFiles(paths), np.unique([path.parent.name for path in paths], return_inverse=True)[1])

    train = split("train")
    return Task(train, train, split("val"))


_TASKS: dict[str, Callable[[], Task]] = {
    "cifar10": _cifar10,
    "mnist": _mnist,
    "stl10": _stl10,
    "imagenette": lambda: _image_folder("imagenette2-160"),
    "imagenet160": lambda: _image_folder("imagenet"),
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
        raise ConfigurationError(
            f"{name} is not in HEBBSTREAM_DATA: no {Path(error.filename or error.args[0]).relative_to(folder())}"
        ) from None
