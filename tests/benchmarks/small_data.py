"""Data sets of a few images, in the formats of the real ones."""

import gzip
import io
import tarfile

import numpy as np
from clips import write_clip
from PIL import Image

CLASSES = 4


def gratings(count, side, channels, seed):
    """Stripes: the class is the orientation, the phase is random. Labels are sorted, as in a folder of images."""
    generator = np.random.default_rng(seed)
    labels = np.sort(np.arange(count) % CLASSES)
    rows, columns = np.mgrid[:side, :side]
    angle = (np.pi * labels / CLASSES)[:, None, None]
    phase = generator.uniform(0, 2 * np.pi, (count, 1, 1))
    waves = 0.5 + 0.4 * np.sin((np.cos(angle) * columns + np.sin(angle) * rows) * 1.5 + phase)
    noisy = waves[..., None] + 0.1 * generator.standard_normal((count, side, side, channels))
    return (255 * noisy.clip(0, 1)).astype(np.uint8), labels


def write_data(folder):
    """Write every data set in its owner's format, small."""
    for split, count in (("train", 160), ("test", 80)):
        images, labels = gratings(count, 32, 3, seed=len(split))
        with tarfile.open(folder / f"cifar10-{split}.tar.xz", "w:xz") as archive:
            for index, (image, label) in enumerate(zip(images, labels, strict=True)):
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, "JPEG")
                member = tarfile.TarInfo(f"./class{label}/{index:04}.jpg")
                member.size = len(buffer.getvalue())
                archive.addfile(member, io.BytesIO(buffer.getvalue()))
    (folder / "mnist").mkdir()
    for name, count in (("train", 160), ("t10k", 80)):
        images, labels = gratings(count, 28, 1, seed=1)
        for kind, values in (("images-idx3", images[..., 0]), ("labels-idx1", labels.astype(np.uint8))):
            path = folder / "mnist" / f"{name}-{kind}-ubyte.gz"
            header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            path.write_bytes(gzip.compress(header + values.tobytes()))
    (folder / "stl10_binary").mkdir()
    for name, count in (("unlabeled", 24), ("train", 8), ("test", 8)):
        images, labels = gratings(count, 96, 3, seed=2)
        images.transpose(0, 3, 2, 1).tofile(folder / "stl10_binary" / f"{name}_X.bin")
        (labels + 1).astype(np.uint8).tofile(folder / "stl10_binary" / f"{name}_y.bin")
    (folder / "video").mkdir()
    for name in ("bikes", "carphone_pristine"):
        write_clip(folder / "video" / f"{name}.mp4", gratings(40, 64, 3, seed=4)[0])
    for part in ("train", "val"):
        images, labels = gratings(8, 170, 3, seed=3)
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / "imagenette2-160" / part / f"n{label}" / f"{index}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[:, :165]).save(path)
