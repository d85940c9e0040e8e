import contextlib

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.streams import novel, shuffle
from hebbstream.streams._novelty import brightness
from hebbstream.streams._stats import StreamStats


def level(value, *, size=32):
    return torch.full((3, size, size), value)


def passed(stream, *options, **named):
    return [round(float(frame.mean()), 4) for frame in novel(stream, *options, **named)]


def test_frames_are_compared_with_the_last_that_passed():
    rising = [level(value) for value in (0.5, 0.515, 0.53, 0.54, 0.5)]
    assert passed(rising, 0.02) == [0.5, 0.53, 0.5]  # not with the last seen: each step alone is too small
    assert passed(rising, 0.0) == [0.5, 0.515, 0.53, 0.54, 0.5]
    assert passed(rising, 1.0) == [0.5]
    assert passed([level(0.5), level(0.5), level(0.25)], 0.25) == [0.5, 0.25]  # at least the threshold
    assert passed([level(0.5), level(0.5)], 0.0) == [0.5, 0.5]


def test_the_difference_is_the_mean_over_cells_of_their_absolute_difference():
    before, after = np.zeros((32, 32, 3), dtype=np.uint8), np.zeros((32, 32, 3), dtype=np.uint8)
    after[:4, :4], after[4:8, :4] = 255, 51  # two of 64 cells, by 1 and by 0.2
    found = float((brightness(after, 8) - brightness(before, 8)).abs().mean())
    assert found == pytest.approx(1.2 / 64)
    assert len(list(novel([before, after], 1.19 / 64))) == 2
    assert len(list(novel([before, after], 1.21 / 64))) == 1
    # Brightness that moves from one cell to another counts twice; within a cell it does not count.
    moved = np.roll(after, 4, axis=1)
    assert float((brightness(moved, 8) - brightness(after, 8)).abs().mean()) == pytest.approx(2.4 / 64)
    assert np.array_equal(brightness(after, 1), brightness(moved, 1))


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
@pytest.mark.parametrize("layout", [(0, 1, 2), (2, 0, 1)], ids=["HWC", "CHW"])
def test_every_kind_of_frame_is_measured_alike(convert, layout, frames):
    expected = frames[0].reshape(8, 4, 8, 4, 3).mean(axis=(1, 3, 4)) / 255
    for kind in (frames[0], (frames[0] / 255).astype(np.float32), frames[0] / 255):
        cells = brightness(convert(np.ascontiguousarray(kind.transpose(layout))), 8)
        np.testing.assert_allclose(cells, expected, atol=1e-6)
    for half in (torch.float16, torch.bfloat16):
        cells = brightness(torch.from_numpy(frames[0] / 255).to(half), 8)
        np.testing.assert_allclose(cells, expected, atol=2e-3)


def test_gray_frames_and_frames_smaller_than_the_grid_are_measured():
    frames = [np.zeros((5, 5)), np.ones((5, 5)), np.ones((7, 9))]
    assert passed(frames) == passed(frames, grid=np.int64(3)) == [0.0, 1.0]


def test_noise_does_not_pass_and_a_cut_does(frames):
    generator = np.random.default_rng(0)

    def filmed(picture):
        return (picture + generator.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8)

    gate = novel([filmed(frames[0]) for _ in range(50)] + [filmed(frames[50]) for _ in range(50)], 0.02)
    assert len(list(gate)) == 2
    assert (gate.stats.frames, gate.stats.skipped) == (100, 98)


def test_a_long_silence_is_broken():
    still = [hs.Sample(level(0.5), y=index) for index in range(10)]
    assert [s.y for s in novel(still, at_least_every=4)] == [0, 4, 8]
    assert [s.y for s in novel(still, at_least_every=1)] == list(range(10))
    assert [s.y for s in novel(still)] == [0]
    moving = [hs.Sample(level(value), y=index) for index, value in enumerate((0.5, 0.5, 0.9, 0.9, 0.9, 0.9))]
    assert [s.y for s in novel(moving, at_least_every=3)] == [0, 2, 5]  # counted from the last that passed


def test_options_that_choose_frames_are_in_the_fingerprint():
    options = [{}, {"grid": 4}, {"at_least_every": 2}, {"at_least_every": 3}, {"share": 0.5}]
    with contextlib.ExitStack() as stack:
        streams = [novel(stack.enter_context(open_video(CLIP)), **each) for each in options]
        streams += [shuffle(stack.enter_context(open_video(CLIP)), 2, seed=seed) for seed in (0, 1)]
        found = [stream.fingerprint for stream in streams]
    assert None not in found
    assert len(set(found)) == len(found)


def test_counts_are_there_at_any_time():
    gate = novel([level(0.1), level(0.1), level(0.9)])
    assert gate.stats == StreamStats()
    next(gate)
    assert gate.stats == StreamStats(frames=1)
    next(gate)
    assert gate.stats == StreamStats(frames=3, skipped=1)


@pytest.mark.cuda
def test_frames_on_a_device():
    gate = novel([level(0.1).cuda(), level(0.1).cuda(), level(0.9).cuda()])
    assert [frame.device.type for frame in gate] == ["cuda", "cuda"]
