"""Options of stream functions: what cannot work is refused at the call, and a seed is what makes a run come again."""

import numpy as np
import pytest

from hebbstream.errors import ConfigurationError
from hebbstream.streams import augment, crops, for_live, novel, shuffle, windows

FRAMES = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
SEEDED = {
    "augment": augment,
    "crops": lambda frames, seed: crops(frames, 8, seed=seed),
    "for_live": for_live,
    "shuffle": lambda frames, seed: shuffle(frames, 4, seed=seed),
}


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_may_come_from_an_array_of_seeds(name):
    for number in np.arange(2):
        drawn, again = (np.stack(list(SEEDED[name](FRAMES, seed=seed))) for seed in (number, int(number)))
        np.testing.assert_array_equal(drawn, again)


def test_pieces_a_frame_may_be_an_integer_of_numpy():
    assert len(list(crops(FRAMES, 8, per_frame=np.int64(2)))) == 2 * len(FRAMES)


@pytest.mark.parametrize(
    ("name", "seed"), [*((name, None) for name in SEEDED), *(("augment", seed) for seed in (-1, 1.5, "a"))]
)
def test_what_gives_no_order_of_its_own_is_no_seed(name, seed):
    with pytest.raises(ConfigurationError, match=f"seed={seed!r}: expected an integer of at least 0"):
        SEEDED[name](FRAMES, seed=seed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crops(FRAMES, (8, 8, 3)), r"size=\(8, 8, 3\): expected a positive number of pixels"),
        (lambda: crops(FRAMES, 8, scale="2"), "scale='2': expected 1 or more times"),
        (lambda: augment(FRAMES, shift="2"), "shift='2': expected 0 or a positive number of pixels, whole ones"),
        (lambda: augment(FRAMES, shift=1.5), "shift=1.5: expected 0 or a positive number of pixels, whole ones"),
        (lambda: augment(FRAMES, brightness=None), "brightness=None: expected a share, 0 to 1"),
        (lambda: augment(FRAMES, contrast="a"), "contrast='a': expected a share, 0 to 1"),
        (lambda: novel(FRAMES, "a"), "threshold='a': expected a share of the full range"),
        (lambda: novel(FRAMES, grid=10**40), "grid=1000.*: expected 1 to 4096 cells a side"),
        (lambda: windows(FRAMES, 10**40), "size=1000.*: expected a positive number of rows, below"),
        (lambda: novel(FRAMES, share="a"), "share='a': expected the share of frames"),
    ],
)
def test_what_is_no_number_is_refused(call, message):
    with pytest.raises(ConfigurationError, match=message):
        call()
