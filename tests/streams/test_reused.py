"""Sources that fill the same memory with each frame, as a camera's buffer."""

import numpy as np
import pytest
import torch

from hebbstream import Sample
from hebbstream.streams import beside, interleave, shuffle

FRAMES = np.random.default_rng(0).integers(0, 256, (30, 4, 6, 3), dtype=np.uint8)


def reused(kind=np.array):
    held = kind(FRAMES[0])
    for number, frame in enumerate(FRAMES):
        held[:] = kind(frame)
        yield Sample(held, y=number, t=number / 10)


def ahead(samples):
    return interleave({"camera": samples}, by="arrival")


def two(samples):
    return (pair[1] for pair in beside((Sample(0, t=number / 10 + 0.05) for number in range(30)), samples))


@pytest.mark.parametrize("way", [lambda samples: shuffle(samples, 8), ahead, two], ids=["shuffle", "arrival", "beside"])
@pytest.mark.parametrize("kind", [np.array, torch.tensor])
def test_what_is_held_back_stays_as_it_was(way, kind):
    found = [(sample.x.tolist(), sample.y) for sample in way(reused(kind))]
    assert len(found) == len(FRAMES)
    assert all(frame == FRAMES[number].tolist() for frame, number in found)


def test_pairs_and_bare_frames_are_shuffled_as_they_were():
    def frames():
        held = FRAMES[0].copy()
        for number, frame in enumerate(FRAMES):
            held[:] = frame
            yield (held, [number]) if number % 2 else held

    found = list(shuffle(frames(), 8))
    labelled = {item[1][0]: item[0] for item in found if isinstance(item, tuple)}
    assert all(np.array_equal(frame, FRAMES[number]) for number, frame in labelled.items())
    assert sorted(labelled) == list(range(1, 30, 2))
    assert len({item.tobytes() for item in found if not isinstance(item, tuple)}) == 15
