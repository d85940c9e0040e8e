import contextlib

import numpy as np
import pytest
import torch
from small import pixels, small_net, weighted_input

from hebbstream import LayerSpec, SoftHebbNet, errors, inspection
from hebbstream.inspection import _summary
from hebbstream.rule import _fast as fast


def test_duplicates_are_counted_in_one_direction_only(net):
    assert [layer.duplicates for layer in inspection.summarize(net)] == [0, 0]
    weights = net.layers[0].weight_matrix
    weights[3] = 0.2 * weights[1]
    weights[5] = 3 * weights[1]
    weights[4] = -weights[0]  # the opposite is no copy
    assert [layer.duplicates for layer in inspection.summarize(net)] == [2, 0]


def test_duplicates_are_the_same_in_blocks(monkeypatch):
    weights = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    directions = weights / weights.norm(dim=1, keepdim=True)
    expected = sum(any(directions[i] @ directions[j] >= 0.95 for j in range(i)) for i in range(50))
    assert 0 < expected < 49
    for block in (1, 7, 1024):
        monkeypatch.setattr(_summary, "_BLOCK", block)
        assert _summary.count_duplicates(weights) == expected
    assert _summary.count_duplicates(torch.zeros(4, 3)) == 0


@pytest.mark.parametrize("layer", [0, 1])
def test_activity_against_a_count_by_hand(net, frames, layer):
    neurons = net.layers[layer].spec.channels
    u = weighted_input(net, pixels(frames[:3]), layer).permute(0, 2, 3, 1).reshape(-1, neurons)
    activity = inspection.observe(net, frames[:3])[layer]
    assert activity.positions == 3 * (32 // 2**layer) ** 2
    assert activity.wins.tolist() == [int((u.argmax(dim=1) == k).sum()) for k in range(neurons)]
    assert activity.active.tolist() == pytest.approx((u > u.mean(dim=1, keepdim=True)).float().mean(dim=0).tolist())
    assert activity.winner_share == pytest.approx(float(torch.softmax(u, dim=1).max(dim=1).values.mean()), rel=1e-4)
    share = (activity.wins.double() / activity.positions).clamp(min=1e-300)
    assert activity.win_entropy == pytest.approx(float(-(share * share.log()).sum() / np.log(neurons)), rel=1e-5)


def test_a_neuron_that_always_loses_is_dead_and_one_without_weights_is_silent_too(frames):
    net = small_net(activation="repu", normalization="none")
    weights = net.layers[0].weight_matrix
    weights[1] = -weights[0]  # one of these two is above zero wherever there is light
    weights[4] = 0.0
    weights[5] = 0.5 * weights[0]
    activity = inspection.observe(net, frames[:5])[0]
    assert activity.wins[4] == activity.wins[5] == 0
    assert activity.active[4] == 0
    assert activity.active[5] > 0
    assert activity.dead == int((activity.wins == 0).sum()) < 6
    assert activity.silent == 1


def test_an_empty_stream_is_refused(net):
    with pytest.raises(errors.EmptyStreamError):
        inspection.observe(net, [])
    with pytest.raises(errors.EmptyStreamError):
        inspection.best_patches(net, [], 0)


@pytest.mark.parametrize("mode", [torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
def test_modes_of_torch_change_nothing(net, frames, mode):
    expected, best = inspection.observe(net, frames[:3]), inspection.best_patches(net, frames[:3], 1)
    pictures = inspection.optimal_inputs(net, 1, [4], steps=2).pictures
    with mode():
        found = inspection.observe(net, frames[:3])
        assert [layer.winner_share for layer in found] == [layer.winner_share for layer in expected]
        assert torch.equal(inspection.best_patches(net, frames[:3], 1).responses, best.responses)
        assert torch.equal(inspection.optimal_inputs(net, 1, [4], steps=2).pictures, pictures)


@pytest.mark.parametrize("compiled", [True, False])
def test_who_wins_is_told_of_the_weights_that_compete_and_not_of_their_average(frames, compiled):
    plain, averaged = (
        SoftHebbNet([LayerSpec(channels=6, learning_rate=0.2, averaging_samples=samples)], 3) for samples in (None, 500)
    )
    for net in (plain, averaged):
        net.layers[0].weight_matrix.copy_(torch.linspace(-1, 1, net.layers[0].weight_matrix.numel()).view(6, -1))
    averaged.layers[0].plastic_matrix.copy_(plain.layers[0].weight_matrix.flip(0))
    with contextlib.nullcontext() if compiled else fast.without_kernels():
        expected, found = (inspection.observe(net, frames[:3])[0] for net in (plain, averaged))
    assert torch.equal(found.wins, expected.wins.flip(0))
    assert not torch.equal(found.wins, expected.wins)
    assert torch.equal(found.active, expected.active)  # features are of the average
    assert found.winner_share == pytest.approx(expected.winner_share)
