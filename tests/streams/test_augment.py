import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hebbstream.errors import ConfigurationError, ImageSizeError, ValueRangeError
from hebbstream.streams import augment, crops

few = settings(derandomize=True, deadline=None, max_examples=50)
PLAIN = {"flip": False, "shift": 0, "brightness": 0.0, "contrast": 0.0}


def numbered(height, width, channels=None):
    """A frame that names the place of each pixel."""
    places = np.arange(height * width, dtype=np.float64).reshape(height, width) / (height * width)
    return places if channels is None else np.repeat(places[..., None], channels, axis=2)


def kinds(frame):
    """The same (H, W, C) frame as every kind that comes out as it came in."""
    first = np.ascontiguousarray(frame.transpose(2, 0, 1))
    return [frame, first, torch.from_numpy(frame), torch.from_numpy(first)]


def channels_last(frame):
    frame = np.asarray(frame)
    return frame if frame.shape[2] == 3 else frame.transpose(1, 2, 0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (8, 5), (20, 30)])
def test_a_crop_is_a_piece_of_its_frame(height, width):
    frame = numbered(20, 30, 3)
    for crop in crops([frame], (height, width), per_frame=10):
        assert crop.shape == (height, width, 3)
        top, left = divmod(round(crop[0, 0, 0] * 600), 30)
        assert np.array_equal(crop, frame[top : top + height, left : left + width])


def test_every_place_is_drawn():
    places = {float(crop[0, 0]) for crop in crops([numbered(6, 7)], 4, per_frame=400)}
    assert places == {float(value) for value in numbered(6, 7)[:3, :4].flat}


@pytest.mark.parametrize(
    ("scale", "share"), [(1, (1, 2 / 3)), (2, (1 / 2, 1 / 3)), (8, (1 / 4, 1 / 6)), (None, (1 / 4, 1 / 6))]
)
def test_frames_are_scaled_down_before_they_are_cut(scale, share):
    ramps = np.meshgrid(*(np.linspace(0, 1, side) for side in (64, 96)), [0], indexing="ij")
    frame = np.concatenate([*ramps[:2], ramps[2]], axis=2).astype(np.float32)
    seen = np.stack(list(crops([frame], 16, scale=scale, per_frame=20)))
    assert seen.shape == (20, 16, 16, 3)
    assert np.ptp(seen[..., 0], axis=(1, 2)) == pytest.approx(share[0], abs=0.07)
    assert np.ptp(seen[..., 1], axis=(1, 2)) == pytest.approx(share[1], abs=0.07)


@pytest.mark.parametrize("size", [(16, 8), (8, 16)])
def test_a_scaled_frame_covers_a_crop_in_both_directions(size):
    assert {crop.shape for crop in crops([numbered(64, 48)], size, scale=1, per_frame=5)} == {size}


def test_a_frame_of_bytes_is_scaled_as_one_of_numbers(frames):
    whole, exact = (next(crops([x], 5, scale=1)) for x in (frames[0], frames[0].astype(np.float32) / 255))
    assert whole.dtype == np.uint8
    assert np.abs(whole - 255 * exact).max() <= 1


@pytest.mark.parametrize("scale", [0.5, float("nan"), float("inf")])
def test_a_scale_leaves_room_for_a_crop(scale):
    with pytest.raises(ConfigurationError, match="1 or more"):
        crops([], 4, scale=scale)


def test_crops_of_a_frame_come_one_after_the_other():
    stream = [(numbered(8, 8), "first"), (numbered(8, 8), "second")]
    assert [y for _, y in crops(stream, 4, per_frame=2)] == ["first", "first", "second", "second"]


@pytest.mark.parametrize("size", [2, 6])
def test_a_crop_does_not_keep_its_frame_alive(size):
    frame = torch.rand(3, 6, 6)
    (crop,) = crops([frame], size)
    assert crop.untyped_storage().nbytes() == 4 * 3 * size**2
    assert crop.untyped_storage().data_ptr() != frame.untyped_storage().data_ptr()
    array = frame.numpy()
    assert not np.shares_memory(next(crops([array], size)), array)


@pytest.mark.parametrize(
    "view",
    [lambda s: crops(s, 4, seed=1), lambda s: crops(s, 4, scale=1, seed=1), lambda s: augment(s, seed=1)],
    ids=["crops", "scaled", "augment"],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_a_frame_keeps_its_layout_library_and_dtype(view, dtype, frames):
    frame = frames[0] if dtype == np.uint8 else (frames[0] / 255).astype(dtype)
    seen = [next(view([kind])) for kind in kinds(frame)]
    for kind, found in zip(kinds(frame), seen, strict=True):
        assert type(found) is type(kind)
        assert found.dtype == kind.dtype
        assert np.array_equal(channels_last(found), channels_last(seen[0]))


@pytest.mark.parametrize("view", [lambda s: crops(s, 4), augment], ids=["crops", "augment"])
def test_the_frame_itself_stays_as_it_was(view, frames):
    frame = (frames[0] / 255).astype(np.float32)
    before = frame.copy()
    frame.flags.writeable = False
    for view_of_it in view([frame]):
        view_of_it[:] = 0
    assert np.array_equal(frame, before)


def test_another_seed_gives_other_views(frames):
    for view in (lambda seed: crops(frames[:5], 8, seed=seed), lambda seed: augment(frames[:5], seed=seed)):
        first, other = list(view(0)), list(view(1))
        assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_without_changes_a_frame_is_equal(frames):
    assert all(np.array_equal(a, b) for a, b in zip(augment(frames[:5], **PLAIN), frames[:5], strict=True))


def test_half_the_frames_are_mirrored():
    frame = numbered(4, 6, 3)
    mirrored = [bool(np.array_equal(x, frame[:, ::-1])) for x in augment([frame] * 400, **PLAIN | {"flip": True})]
    assert 160 < sum(mirrored) < 240
    plain = [np.array_equal(x, frame) for x in augment([frame] * 400, **PLAIN | {"flip": True})]
    assert all(a != b for a, b in zip(mirrored, plain, strict=True))


@given(st.integers(2, 9), st.integers(2, 9), st.data())
@few
def test_a_shift_is_a_crop_of_the_frame_reflected_at_its_border(height, width, data):
    shift = data.draw(st.integers(1, min(height, width) - 1))
    frame = numbered(height, width)
    padded = np.pad(frame, shift, mode="reflect")
    places = [(top, left) for top in range(2 * shift + 1) for left in range(2 * shift + 1)]
    shifted = [padded[top : top + height, left : left + width] for top, left in places]
    for found in augment([frame] * 3, **PLAIN | {"shift": shift}, seed=data.draw(st.integers(0, 99))):
        assert any(np.array_equal(found, one) for one in shifted)


def test_shifts_go_every_way():
    tops = {float(x[2, 2]) for x in augment([numbered(5, 5)] * 300, **PLAIN | {"shift": 1})}
    assert tops == {float(value) for value in numbered(5, 5)[1:4, 1:4].flat}


@pytest.mark.parametrize("scale", [1.0, 255])
def test_brightness_adds_up_to_its_share_and_contrast_keeps_the_mean(scale):
    frame = torch.linspace(0.3, 0.7, 64).view(1, 8, 8)
    frame = (frame * 255).round().to(torch.uint8) if scale == 255 else frame
    values = frame.float() / scale
    rounding = 0.6 / 255 if scale == 255 else 1e-6
    changes = [x.float() / scale - values for x in augment([frame] * 200, **PLAIN | {"brightness": 0.2})]
    assert all(float(change.max() - change.min()) <= 2 * rounding for change in changes)
    means = [float(change.mean()) for change in changes]
    assert -0.2 - rounding <= min(means) < -0.17
    assert 0.17 < max(means) <= 0.2 + rounding
    stretched = [x.float() / scale for x in augment([frame] * 200, **PLAIN | {"contrast": 0.5})]
    assert all(abs(float(x.mean() - values.mean())) < 2 * rounding for x in stretched)
    ratios = [float((x.max() - x.min()) / (values.max() - values.min())) for x in stretched]
    assert 0.5 - 0.01 <= min(ratios) < 0.55
    assert 1.45 < max(ratios) <= 1.5 + 0.01


@pytest.mark.parametrize("frame", [torch.tensor([[0.0, 1.0]]), torch.tensor([[0, 255]], dtype=torch.uint8)])
def test_values_stay_in_range(frame):
    full = 255 if frame.dtype == torch.uint8 else 1
    seen = torch.stack(list(augment([frame] * 50, **PLAIN | {"brightness": 1.0, "contrast": 1.0}))).float()
    assert (float(seen.min()), float(seen.max())) == (0, full)
    for x in augment([frame] * 50, **PLAIN | {"brightness": 0.3}):
        assert float(x.flatten()[0]) <= 0.31 * full  # black does not wrap around to white
        assert float(x.flatten()[1]) >= 0.69 * full


@given(st.integers(0, 1000))
@few
def test_uint8_and_floating_point_are_changed_alike(seed):
    frame = torch.arange(48, dtype=torch.uint8).view(3, 4, 4) * 5
    (whole,), (real,) = (list(augment([x], seed=seed)) for x in (frame, frame.double() / 255))
    assert float((whole.double() / 255 - real).abs().max()) <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: crops([np.zeros((24, 40, 3))], 32), ImageSizeError, "frame of 24×40 pixels: expected at least 32×32"),
        (lambda: crops([np.zeros((3, 40, 24))], 32), ImageSizeError, "frame of 40×24 pixels"),
        (
            lambda: augment([np.zeros((4, 9))], shift=4),
            ImageSizeError,
            "frame of 4×9 pixels: expected more than shift=4",
        ),
        (lambda: augment([np.full((4, 9), 200.0)]), ValueRangeError, "from 200 to 200: expected 0 to 1"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        next(call())
