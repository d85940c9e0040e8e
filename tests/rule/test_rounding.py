"""After years, sums and running means still move by what is added, though it is less than float32 can tell."""

import pytest
import torch

from hebbstream.rule import _fast as fast
from hebbstream.rule._imprint import Imprinting, _random
from hebbstream.rule._normalize import StreamNorm
from hebbstream.rule._rounding import rounded_in_turn
from hebbstream.rule._whiten import StreamWhitening


def test_what_float32_holds_stays_as_it_is():
    values = torch.tensor([0.0, -0.0, 1.5, -3e38, 1e-30, torch.inf, -torch.inf])
    for turn in range(50):
        assert torch.equal(rounded_in_turn(values.double(), torch.tensor(turn)), values)
    assert rounded_in_turn(torch.tensor(torch.nan, dtype=torch.float64), torch.tensor(1)).isnan()


@pytest.mark.parametrize("value", [1 / 3, -1 / 3, 1e9 + 0.25, 1e-20])
def test_it_is_right_on_average_at_any_count(value):
    exact = torch.tensor(value, dtype=torch.float64)
    for begin in (0, 10**7, 10**11):
        found = torch.stack([rounded_in_turn(exact, torch.tensor(begin + turn)) for turn in range(2000)]).double()
        digit = abs(float(torch.nextafter(exact.float(), torch.tensor(torch.inf)) - exact.float()))
        assert ((found - exact).abs() < digit).all()
        assert abs(float(found.mean() - exact)) < 0.01 * digit


def takes_in(norm, x, compiled):
    if not compiled:
        return norm.take_in(x)
    pixels, statistics = x.view(-1, 1).numpy(), [norm.mean.numpy(), norm.var.numpy(), norm.count.view(1).numpy()]
    if type(norm) is StreamNorm:
        return fast.kernels().follow(pixels, *statistics, norm.momentum, 1)
    return fast.kernels().follow_together(pixels, *statistics, norm.covariance.numpy(), norm.momentum, 1)


@pytest.mark.parametrize(
    "compiled", [False, pytest.param(True, marks=pytest.mark.skipif(bool(fast.reason()), reason=fast.reason()))]
)
@pytest.mark.parametrize("kind", [StreamNorm, StreamWhitening])
def test_a_mean_far_from_0_follows_a_sensor_that_drifts(kind, compiled):
    """In pascals, say. Standing still, it would count the drift as variance, and make all that the sensor tells small."""
    norm = kind(1, momentum=1e-3)
    norm.mean.fill_(100_000.0)
    norm.count.fill_(10**9)
    generator = torch.Generator().manual_seed(0)
    for _ in range(8000):
        takes_in(norm, 100_003.0 + torch.randn(1, 1, 1, 8, generator=generator), compiled)
    assert abs(float(norm.mean) - 100_003.0) < 0.2
    assert float(norm.var) < 1.3


def after(count, motion=256.0):
    """A memory that has seen so many samples, with as much motion in each."""
    imprinting = Imprinting(1)
    imprinting.steps.fill_(count)
    imprinting.moved.fill_(motion * count)
    return imprinting


def test_the_chance_of_a_patch_falls_for_years():
    imprinting, count = after(10**8), 4000
    for step in range(count):
        imprinting.draw(torch.full((4, 1), 1.0 + 10.0 * (step % 2)), 1, 1)  # a tenth counts: all places move alike
    digit = 2.0**11  # of float32 at this sum: eight samples' worth
    imprinting_grown = float(imprinting.moved[0]) - 256.0 * 10**8
    assert imprinting_grown == pytest.approx(256.0 * count, abs=10 * digit)


@pytest.mark.parametrize("neurons", [64, 96])
def test_chance_does_not_repeat(neurons):
    again = 2**32 // (2 * neurons) if neurons == 64 else 2**26  # steps until as many numbers were drawn as there are
    first, later = _random(torch.tensor(5), neurons), _random(torch.tensor(5 + again), neurons)
    assert not torch.equal(first, later)
    many = torch.cat([_random(torch.tensor(10**11 + step), neurons).flatten() for step in range(200)])
    assert abs(float(many.mean()) - 0.5) < 0.01
    assert len(many.unique()) > 0.99 * len(many)
