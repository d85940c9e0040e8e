"""The real data that benchmarks run on, from the folder that HEBBSTREAM_DATA names."""

import io
import os
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np


def folder() -> Path:
    """Return the data folder, or stop with what to set."""
    named = os.environ.get("HEBBSTREAM_DATA")
    if not named:
        sys.exit("HEBBSTREAM_DATA is not set: it names a folder with cifar10-train.tar.xz and cifar10-test.tar.xz")
    return Path(named)


def cifar10(split: str) -> tuple[Any, Any]:
    """Return CIFAR-10 images (n, 32, 32, 3), uint8, and labels (n,), sorted by class; `split` is "train" or "test"."""
    from PIL import Image

    pictures: list[Any] = []
    classes: list[str] = []
    with tarfile.open(folder() / f"cifar10-{split}.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                pictures.append(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
                classes.append(Path(member.name).parent.name)
    return np.stack(pictures), np.unique(classes, return_inverse=True)[1]
