import numpy as np
import pytest
import torch
from small import pixels, weighted_input

from hebbstream import inspection


def test_best_patches_against_brute_force(net, frames):
    neurons, top = [1, 8], 4
    best = inspection.best_patches(net, frames[:30], 1, neurons, top=top)
    field = best.field
    for row, neuron in enumerate(neurons):
        found = []
        for index, frame in enumerate(frames[:30]):
            u = weighted_input(net, pixels(frame[None]), 1)[0]
            response = (u - u.mean(dim=0))[neuron]
            place = int(response.argmax())
            found.append((float(response.max()), index, place // 16, place % 16))
        found.sort(reverse=True)
        assert best.responses[row].tolist() == pytest.approx([value for value, *_ in found[:top]], rel=1e-4)
        assert best.frames[row].tolist() == [index for _, index, *_ in found[:top]]
        assert best.corners[row].tolist() == [list(field.corner(y, x)) for *_, y, x in found[:top]]
        for column, (_, index, y, x) in enumerate(found[:top]):
            top_row, left = field.corner(y, x)
            framed = np.pad(frames[index] / 255, ((20, 20), (20, 20), (0, 0)), constant_values=0.5)
            expected = framed[top_row + 20 :, left + 20 :][: field.height, : field.width]
            np.testing.assert_allclose(best.patches()[row, column], expected, atol=1e-6)
    assert set(best.images) == set(best.frames.flatten().tolist())  # nothing else is held


def test_best_frames_lie_apart(net):
    generator = torch.Generator().manual_seed(0)
    frames = torch.rand(40, 12, 12, 3, generator=generator)
    best = inspection.best_patches(net, frames, 0, top=3, apart=10)
    for row in best.frames:
        assert np.diff(sorted(row.tolist())).min() >= 10
    single = inspection.best_patches(net, frames, 0, top=1)
    assert torch.equal(best.responses[:, 0], single.responses[:, 0])  # the very best is never lost


def test_torchs_default_device_does_not_matter(net, frames):
    expected = inspection.best_patches(net, frames[:3], 1, [0], top=2)
    with torch.device("meta"):
        found = inspection.best_patches(net, frames[:3], 1, [0], top=2)
    assert torch.equal(found.corners, expected.corners)


def test_a_short_stream_leaves_places_empty(net, frames):
    best = inspection.best_patches(net, frames[:2], 0, [0], top=4)
    assert best.frames[0, 2:].tolist() == [-1, -1]
    assert (best.patches()[0, 2:] == 0.5).all()
