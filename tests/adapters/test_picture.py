"""A picture is brought into its form without a copy that nothing needs, and turned as its file says."""

import io

import numpy as np
import pytest
from PIL import Image

from hebbstream.adapters._picture import PictureFormat


def opened(pixels, kind, orientation=None):
    file, exif = io.BytesIO(), Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    Image.fromarray(pixels).save(file, kind, exif=exif)
    return Image.open(file)


@pytest.mark.parametrize(("gray", "shape"), [(False, (6, 8, 3)), (True, (6, 8))])
@pytest.mark.parametrize("size", [None, 4])
def test_an_upright_picture_is_not_copied(monkeypatch, gray, shape, size):
    image = opened(np.random.default_rng(0).integers(0, 256, shape, np.uint8), "png")
    expected = np.asarray(image if size is None else image.resize((size, size), Image.Resampling.BILINEAR))
    monkeypatch.delattr(Image.Image, "copy")
    assert np.array_equal(PictureFormat(size, gray=gray).convert(image), expected)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
def test_every_format_is_turned_upright(kind, orientation):
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:8, :16] = 255  # the first corner
    turned = [[0, 0], [0, 0], [0, 1], [1, 1], [1, 0], [0, 0], [0, 1], [1, 1], [1, 0]][orientation or 0]
    image = opened(pixels, kind, orientation)
    found = PictureFormat(gray=True).convert(image)
    assert found.shape == ((32, 16) if (orientation or 1) > 4 else (16, 32))
    quarters = found.reshape(2, found.shape[0] // 2, 2, found.shape[1] // 2).mean(axis=(1, 3))
    assert np.argwhere(quarters > 128).tolist() == [turned]
