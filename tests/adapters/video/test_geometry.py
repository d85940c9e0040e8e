"""Display matrices and the shape of a pixel."""

from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from hebbstream.adapters._picture import PictureFormat
from hebbstream.adapters.video import open_video
from hebbstream.errors import ConfigurationError

ONE, UNIT = 65536, 1 << 30
CORNERS = {"top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}
SHADES = {"top left": 40, "top right": 100, "bottom left": 160, "bottom right": 220}


def write(path, picture, matrix=None, aspect=None, codec="libx264", count=1):
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=5)
        video.height, video.width, video.pix_fmt = *picture.shape[:2], "yuv420p"
        if matrix is not None:
            video.set_display_matrix(matrix)
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = video.sample_aspect_ratio = aspect
        for _ in range(count):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
    return path


def quarters(height=32, width=48):
    """A picture whose quarters have a shade each."""
    picture = np.zeros((height, width, 3), np.uint8)
    for name, (row, column) in CORNERS.items():
        picture[row * height // 2 :, column * width // 2 :][: height // 2, : width // 2] = SHADES[name]
    return picture


def shades(x):
    """The shades of the four corners, from the top left as one reads."""
    height, width = x.shape[:2]
    corners = [
        x[r * height // 2 :, c * width // 2 :][4 : height // 2 - 4, 4 : width // 2 - 4] for r, c in CORNERS.values()
    ]
    return [int(40 + 60 * round((corner.mean() - 40) / 60)) for corner in corners]


def test_a_size_is_chosen_by_the_first_frame(tmp_path):
    seen = []

    def half(shape):
        seen.append(shape)
        return shape[0] // 2, shape[1] // 2

    turned = write(tmp_path / "turned.mp4", quarters(), [0, ONE, 0, ONE, 0, 0, 0, 0, UNIT], count=3)
    with open_video(turned, size=half) as stream:
        assert [sample.x.shape for sample in stream] == 3 * [(24, 16, 3)]
    assert seen == [(48, 32)]  # as it is shown


def test_a_size_that_cannot_be_is_refused(tmp_path):
    clip = write(tmp_path / "clip.mp4", quarters())
    with open_video(clip, size=lambda _: (0, 8)) as stream, pytest.raises(ConfigurationError, match=r"size=\(0, 8\)"):
        next(stream)


@pytest.mark.parametrize(
    ("a", "b", "c", "d"),
    [
        (1, 0, 0, 1),
        (-1, 0, 0, 1),
        (1, 0, 0, -1),
        (-1, 0, 0, -1),
        (0, 1, 1, 0),
        (0, -1, 1, 0),
        (0, 1, -1, 0),
        (0, -1, -1, 0),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv"])
def test_every_display_matrix(tmp_path, name, a, b, c, d):
    """Point by point as the file format defines it: (x, y) is shown at (ax + cy, bx + dy)."""
    picture = quarters()
    shown = {}
    for y, row in enumerate(picture[:, :, 0]):
        for x, value in enumerate(row):
            shown[b * x + d * y, a * x + c * y] = value
    rows, columns = (sorted(set(axis)) for axis in zip(*shown, strict=True))
    expected = np.array([[shown[y, x] for x in columns] for y in rows])

    width, height = 48 * ONE, 32 * ONE
    x, y = -min(0, a) * width - min(0, c) * height, -min(0, b) * width - min(0, d) * height
    path = write(tmp_path / name, picture, [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, x, y, UNIT])
    with open_video(path) as stream:
        found = next(stream).x
    assert found.shape == (*expected.shape, 3)
    assert found.flags.c_contiguous
    assert np.abs(found[:, :, 0].astype(int) - expected).mean() < 4
    for fit in ("stretch", "pad", "crop"):
        with open_video(path, size=expected.shape, fit=fit) as stream:
            assert np.abs(next(stream).x[:, :, 0].astype(int) - expected).mean() < 4


@pytest.mark.parametrize("matrix", [[0] * 9, [3, 1, 0, 0, 2, 0, 0, 0, UNIT]])
def test_a_matrix_that_makes_no_sense_turns_nothing(tmp_path, matrix):
    with open_video(write(tmp_path / "a.mp4", quarters(), matrix)) as stream:
        assert shades(next(stream).x) == list(SHADES.values())


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2), Fraction(4, 3), Fraction(8, 9)])
def test_a_square_of_the_scene_stays_one(tmp_path, name, aspect):
    """A square of 60 by 60 in a scene of 160 by 120, stored with pixels of another shape."""
    width = round(160 / aspect / 2) * 2
    picture = np.zeros((120, width, 3), np.uint8)
    picture[30:90, round(50 / aspect) : round(110 / aspect)] = 255
    path = write(tmp_path / name, picture, aspect=aspect, codec="mpeg4")

    def extent(**options):
        with open_video(path, gray=True, **options) as stream:
            x = next(stream).x
        return x.shape, (x > 128).any(1).sum(), (x > 128).any(0).sum()

    for fit, size, side in (("pad", (200, 200), 75), ("pad", 64, 24), ("crop", (60, 100), 37.5), ("crop", 100, 50)):
        _, height, breadth = extent(fit=fit, size=size)
        assert height == pytest.approx(side, abs=2)
        assert breadth == pytest.approx(side, abs=2)
    shape, height, breadth = extent()
    assert shape == pytest.approx((120, 160), abs=2)
    assert (height, breadth) == pytest.approx((60, 60), abs=3)
    shape, height, breadth = extent(size=120)
    assert (shape, height, breadth) == ((120, 120), pytest.approx(60, abs=2), pytest.approx(45, abs=2))


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_the_pixel_is_of_the_stored_picture_and_turned_with_it(tmp_path, fit):
    picture = np.zeros((96, 64, 3), np.uint8)
    picture[28:68, 22:42] = 255  # 40 high and 20 wide, of pixels twice as wide
    quarter = [0, ONE, 0, -ONE, 0, 0, 96 * ONE, 0, UNIT]
    path = write(tmp_path / "a.mp4", picture, quarter, Fraction(2))
    with open_video(path, size=(128, 96), fit=fit, gray=True) as stream:
        white = next(stream).x > 128
    assert (white.any(1).sum(), white.any(0).sum()) == pytest.approx((40, 40), abs=2)
    with open_video(path) as stream:
        assert next(stream).x.shape == (128, 96, 3)


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(1000), Fraction(1, 1000)])
def test_an_aspect_that_cannot_be_is_none(tmp_path, aspect):
    with open_video(write(tmp_path / "a.mkv", quarters(), aspect=aspect)) as stream:
        assert next(stream).x.shape == (32, 48, 3)


def test_a_photograph_is_turned_by_its_own_metadata(tmp_path):
    for orientation in range(1, 9):
        path = tmp_path / f"{orientation}.jpg"
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(quarters()).save(path, "JPEG", exif=exif, quality=95)
        with open_video(path) as stream:
            found = next(stream).x
        assert shades(found) == {
            1: [40, 100, 160, 220], 2: [100, 40, 220, 160], 3: [220, 160, 100, 40], 4: [160, 220, 40, 100],
            5: [40, 160, 100, 220], 6: [160, 40, 220, 100], 7: [220, 100, 160, 40], 8: [100, 220, 40, 160],
        }[orientation]  # fmt: skip


@pytest.mark.parametrize("size", [100_000, (1, 65_536), (20_000, 20_000)])
def test_a_size_that_no_picture_can_have_is_refused(size):
    with pytest.raises(ConfigurationError, match=r"expected sides of at most 65,535 and 134,217,728 pixels in all"):
        PictureFormat(size)
    assert PictureFormat((2048, 65_535)).shape == (2048, 65_535)


def test_a_crop_that_would_scale_a_picture_beyond_all_bounds_is_refused(tmp_path):
    path = write(tmp_path / "tall.mp4", np.zeros((4000, 16, 3), np.uint8))
    with (
        open_video(path, size=(16, 4000), fit="crop") as frames,
        pytest.raises(ConfigurationError, match=r"size=\(16, 4000\), fit='crop' for pictures of \(4000, 16\)"),
    ):
        next(frames)
