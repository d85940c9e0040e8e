"""Which patches neurons take over: those that moved, of all of the stream alike."""

import numpy as np
import pytest
import torch

from hebbstream.rule._imprint import _PLACES, Imprinting, _running_sums


def draw(imprinting, patches, samples, neurons):
    """A patch for each neuron, and whether it takes it over."""
    seen, chosen, taken = imprinting.draw(patches, samples, neurons)
    return seen[chosen], taken


def picture(values):
    """Patches of one sample, with one value each."""
    return torch.tensor(values, dtype=torch.float32).unsqueeze(1)


def test_nothing_is_taken_over_while_nothing_moves():
    imprinting = Imprinting(1)
    for _ in range(5):
        patches, taken = draw(imprinting, picture([1.0, 2.0, 3.0]), 1, 100)
        assert not taken.any()
        assert patches.isfinite().all()
    _, taken = draw(imprinting, picture([1.0, 2.0, 4.0]), 1, 100)
    assert taken.all()  # the first patch that has moved is the only one there is to hold


def test_a_patch_of_zeros_is_not_taken_over():
    imprinting = Imprinting(2)
    bright, dark = torch.ones(4, 2), torch.zeros(4, 2)
    draw(imprinting, bright, 1, 100)
    _, taken = draw(imprinting, dark, 1, 100)
    assert not taken.any()
    half = torch.cat([2 * bright[:2], dark[2:]])
    patches, taken = draw(imprinting, half, 1, 100)
    assert taken.all()
    assert (patches == 2.0).all()


def test_a_patch_is_taken_over_as_often_as_it_moved():
    imprinting, neurons = Imprinting(1), 100_000
    draw(imprinting, picture([0.0] * 8), 1, neurons)
    patches, taken = draw(imprinting, picture([0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]), 1, neurons)
    assert taken.all()
    shares = [float((patches == value).float().mean()) for value in range(4)]
    np.testing.assert_allclose(shares, np.array([0, 1, 2, 3]) / 6, atol=0.01)


def test_what_moves_all_of_a_picture_counts_for_little():
    """As noise does, or a camera that shakes."""
    imprinting, neurons = Imprinting(1), 100_000
    draw(imprinting, picture([5.0] * 8), 1, neurons)
    patches, taken = draw(imprinting, picture([6.0] * 7 + [9.0]), 1, neurons)
    assert taken.all()
    assert float((patches == 9.0).float().mean()) == pytest.approx(3.1 / (3.1 + 7 * 0.1), abs=0.01)
    patches, taken = draw(Imprinting(1), picture([6.0] * 8), 1, neurons)
    assert not taken.any()


@pytest.mark.parametrize("together", [1, 3])
def test_what_neurons_hold_comes_from_all_of_the_stream(together):
    imprinting, neurons, held = Imprinting(1), 30_000, torch.zeros(30_000, 1)
    stream = [picture([10.0 * t, -5.0]) for t in range(13)]  # the first value moves by the same distance each time
    draw(imprinting, stream[0], 1, neurons)
    for start in range(1, 13, together):
        patches, taken = draw(imprinting, torch.cat(stream[start : start + together]), together, neurons)
        held = torch.where(taken.unsqueeze(1), patches, held)
    shares = [float((held == 10.0 * t).float().mean()) for t in range(1, 13)]
    np.testing.assert_allclose(shares, 1 / 12, atol=0.02)


def moving(count, by=1.0):
    """Pictures of which the one patch moves by the same distance each time."""
    return [picture([by * t]) for t in range(1, count + 1)]


def taken_of(imprinting, stream, rests_after):
    """How many of 1,000 neurons take one over, sample after sample."""
    return [int(imprinting.draw(patches, 1, 1000, rests_after)[2].sum()) for patches in stream]


def test_it_comes_to_rest_after_so_many_samples():
    resting, restless = Imprinting(1), Imprinting(1)
    taken, always = taken_of(resting, moving(500), 300), taken_of(restless, moving(500), None)
    assert taken[1] > 900  # of the first that moved
    assert sum(taken[400:]) == 0
    assert sum(always[400:]) > 100
    share = np.sum(taken[200:300]) / np.sum(always[200:300])
    assert 0.2 < share < 0.6  # the chance falls to nothing
    resting.reopen()
    assert sum(taken_of(resting, moving(50, by=2.0), 300)) > 0


def test_samples_in_which_little_moves_count_little():
    """As of a camera that sees an empty room before someone comes in."""
    imprinting = Imprinting(1)
    room = taken_of(imprinting, [picture([0.01 * (t % 2)]) for t in range(1000)], 300)
    assert sum(room[450:]) == 0
    taken = taken_of(imprinting, moving(1000), 300)
    assert sum(taken[:100]) > 500
    assert sum(taken[700:]) == 0


def test_motion_that_comes_in_bursts_counts_as_it_would_spread_out():
    even, bursts = Imprinting(1), Imprinting(1)
    taken_of(even, moving(1000), None)
    taken_of(bursts, [picture([float(t // 10)]) for t in range(1000)], None)
    counted = [float(each.moved[1] ** 2 / each.moved[2]) for each in (even, bursts)]
    assert counted[0] == pytest.approx(1000, rel=0.1)
    assert counted[1] == pytest.approx(counted[0], rel=0.01)


def test_a_step_of_several_samples_counts_each():
    alone, together = Imprinting(1), Imprinting(1)
    stream = moving(601)
    for patches in stream:
        alone.draw(patches, 1, 10)
    together.draw(stream[0], 1, 10)
    for start in range(1, 601, 5):
        together.draw(torch.cat(stream[start : start + 5]), 5, 10)
    torch.testing.assert_close(together.moved, alone.moved, rtol=0.05, atol=0)


def test_of_a_large_picture_places_are_looked_at_that_lie_all_over_it():
    imprinting, count = Imprinting(1), 10 * _PLACES
    draw(imprinting, torch.zeros(count, 1), 1, 5)
    patches, taken = draw(imprinting, torch.arange(count).float().unsqueeze(1), 1, 20_000)
    assert taken.all()
    assert patches.max() > 0.95 * count  # near the end of the picture
    assert len(patches.unique()) > _PLACES / 2


def test_what_all_patches_have_in_common_is_taken_out():
    """As by the inverse of their second moments and a ridge of 0.3, whatever their number."""
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(6, 6, generator=generator)
    imprinting = Imprinting(6, whitens=True)
    for _ in range(5000):
        imprinting.draw(torch.randn(_PLACES, 6, generator=generator) @ mixing, 1, 1)
    moments = mixing.t() @ mixing
    wanted = torch.linalg.inv(moments + 0.3 * moments.diagonal().mean() * torch.eye(6))
    patches = torch.randn(20, 6, generator=generator)
    alike = torch.cosine_similarity(imprinting.whitened(patches), patches @ wanted, dim=1)
    assert alike.min() > 0.99


def test_chance_has_a_seed():
    one, two = Imprinting(1), Imprinting(1, seed=2**40 + 7)
    for imprinting in (one, two):
        draw(imprinting, picture([0.0] * 50), 1, 100)
    moved = picture([float(value) for value in range(50)])
    assert (draw(one, moved, 1, 100)[0] != draw(two, moved, 1, 100)[0]).float().mean() > 0.8


class OnACard(torch.Tensor):
    """A tensor that says it is on a card, and is not."""

    is_cpu = False


@pytest.mark.parametrize("samples", [1, 5])
def test_running_sums_of_a_card_are_those_of_the_host(samples):
    """It makes them otherwise: what the host does would there add up in another order each time."""
    values = torch.rand(samples, _PLACES)
    torch.testing.assert_close(
        _running_sums(values.as_subclass(OnACard)).as_subclass(torch.Tensor), _running_sums(values)
    )


def test_at_rest_a_card_keeps_what_the_host_keeps(monkeypatch):
    """The host stops early, where nothing is taken over."""
    generator, nets = torch.Generator().manual_seed(0), [Imprinting(6, whitens=True) for _ in range(2)]
    stream = [torch.randn(_PLACES, 6, generator=generator) for _ in range(300)]
    for patches in stream:
        nets[0].draw(patches, 1, 10, 100)
    chance = Imprinting._chance
    monkeypatch.setattr(Imprinting, "_chance", lambda *arguments: chance(*arguments).as_subclass(OnACard))
    for patches in stream:
        nets[1].draw(patches, 1, 10, 100)
    for host, card in zip(nets[0].buffers(), nets[1].buffers(), strict=True):
        torch.testing.assert_close(card.as_subclass(torch.Tensor), host, rtol=0, atol=0)
    seen, chosen, taken = nets[1].draw(stream[0], 1, 10, 100)
    assert not taken.any()
    assert int(chosen.max()) < len(seen)
