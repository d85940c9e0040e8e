"""Event-driven updates equal dense ones with the same entries dropped, and err by no more than what was dropped."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.network import _layer as layer_module
from hebbstream.rule._fast import without_kernels
from hebbstream.rule._plasticity import plastic_activity, soft_winner_take_all, weight_change
from hebbstream.rule._sparse import find_events


@pytest.fixture(autouse=True, scope="module")
def _by_torch():
    """These are of the torch operations; tests/network/test_kernels.py holds the kernels to them."""
    with without_kernels():
        yield


RULES = ["soft_anti_hebbian", "soft_hebbian", "hard_wta"]


@pytest.fixture(scope="module")
def real(frames):
    """Weighted input and patches of each layer of a network that has learned from real frames."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=24, seed=1)
    seen = []
    original = hs.SoftHebbLayer.update

    def note(layer, forward, *rest):
        seen.append((layer, layer.weight_matrix.clone(), forward.weighted_input.clone(), forward.patches.clone()))
        original(layer, forward, *rest)

    hs.SoftHebbLayer.update = note
    try:
        for frame in frames[:30]:
            seen.clear()
            net.learn_one(frame)
    finally:
        hs.SoftHebbLayer.update = original
    return seen


@pytest.mark.parametrize(("threshold", "budget"), [(1e-4, None), (1e-3, None), (1e-1, None), (1e-3, 4), (1e-6, 2)])
@pytest.mark.parametrize("rule", RULES)
def test_the_change_is_the_dense_one_with_small_entries_dropped(real, rule, threshold, budget):
    for layer, weights, u, patches in real:
        t = layer.spec.inverse_temperature
        activity = plastic_activity(u, rule, t, threshold, budget)
        expected = weight_change(activity, u, patches, weights)
        events = find_events(u, rule, t, threshold, budget)
        assert int((activity != 0).sum(1).max()) <= (budget or u.shape[1])
        assert len(events.strengths) == int((activity != 0).sum())
        found = torch.zeros_like(weights)
        found[events.neurons] = events.weight_change(patches, weights[events.neurons])
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize(("threshold", "budget"), [(1e-4, None), (1e-3, None), (1e-2, None), (1e-3, 3), (0.0, 1)])
def test_the_error_is_within_the_documented_bound(real, threshold, budget):
    for layer, weights, u, patches in real:
        t = layer.spec.inverse_temperature
        dense, kept = (
            weight_change(plastic_activity(u, layer.spec.plasticity, t, *limits).double(), *(x.double() for x in rest))
            for limits, rest in (((0.0,), (u, patches, weights)), ((threshold, budget), (u, patches, weights)))
        )
        y = soft_winner_take_all(u, t).double()
        next_largest = 0.0 if budget is None else y.sort(1, descending=True).values[:, budget, None]
        risen = torch.as_tensor(next_largest).clamp(min=threshold)  # θ_p
        assert budget is None or float(risen.max()) <= 1 / (budget + 1)
        dropped = torch.where(y > risen, 0.0, y)
        # ‖x − u·w‖ for every position and neuron
        lengths = (
            patches.double().square().sum(1, keepdim=True)
            - 2 * u.double().square()
            + (u * layer_norms(weights)).double().square()
        )
        lengths = lengths.clamp(min=0).sqrt()
        error = (dense - kept).norm(dim=1)
        tight, loose = (dropped * lengths).sum(0), (risen * lengths * (y <= risen)).sum(0)
        slack = 1e-5 * lengths.sum(0)
        assert bool((error <= tight + slack).all())
        assert bool((tight <= loose + slack).all())
        assert float(error.max()) > 0  # something was dropped


def layer_norms(weights):
    return weights.norm(dim=1)


def test_a_step_costs_no_more_than_its_budget_however_soft_the_competition(frames):
    specs = [replace(s, event_budget=3, radius=1.0) for s in hs.PRESETS["cifar10"].resolve(width=24)]
    net, found = hs.SoftHebbNet(specs, 3), []
    original = layer_module.find_events

    def note(u, *rest):
        events = original(u, *rest)
        found.append((len(events.strengths), len(u), int((u.softmax(1) > 1e-3).sum())))
        return events

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_module, "find_events", note)
        net.learn_one(frames[0])
    assert [events for events, *_ in found] == [3 * positions for _, positions, _ in found]
    assert all(without > 4 * events for events, _, without in found)


def test_ties_go_to_the_first_neuron_as_in_the_dense_rule():
    u = torch.tensor([[0.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    events = find_events(u, "soft_anti_hebbian", 1.0, 0.1)
    assert events.neurons.tolist() == [1, 2]
    assert [round(s, 2) for s in events.strengths.tolist()] == [0.49, -0.49]
    assert torch.equal(plastic_activity(u, "soft_anti_hebbian", 1.0, 0.1)[0, 1:3], events.strengths)
    assert find_events(u, "soft_anti_hebbian", 1.0, 0.1, budget=1) is None  # both are dropped


@pytest.mark.parametrize("u", [torch.zeros(3, 2), torch.zeros(3, 2000)], ids=["too many", "none"])
def test_where_events_are_not_worth_it_the_dense_update_takes_over(u):
    assert find_events(u, "soft_anti_hebbian", 1.0, 1e-3) is None


def test_a_step_without_any_event_leaves_the_weights():
    net = hs.SoftHebbNet([hs.LayerSpec(channels=300, event_threshold=0.5, normalization="none")], 3)
    before = net.layers[0].weight.clone()
    net.learn_one(np.zeros((8, 8, 3), np.uint8))  # every neuron gets 1/300
    assert torch.equal(net.layers[0].weight, before)


@pytest.mark.parametrize("rule", RULES)
def test_networks_learn_the_same_by_events_and_by_dropping(frames, rule, monkeypatch):
    specs = [replace(s, plasticity=rule) for s in hs.PRESETS["cifar10"].resolve(width=16)]
    assert {spec.event_threshold for spec in specs} == {3e-3}
    by_events, dense = hs.SoftHebbNet(specs, 3), hs.SoftHebbNet(specs, 3)
    calls = []
    original = layer_module.find_events
    monkeypatch.setattr(layer_module, "find_events", lambda *a: calls.append(1) or original(*a))
    for frame in frames[:10]:
        by_events.learn_one(frame)
    assert len(calls) == 30
    monkeypatch.setattr(layer_module, "find_events", lambda *_: None)
    for frame in frames[:10]:
        dense.learn_one(frame)
    for one, other in zip(by_events.layers, dense.layers, strict=True):
        moved = (one.weight - hs.SoftHebbNet(specs, 3).layers[by_events.layers.index(one)].weight).norm()
        assert float((one.weight - other.weight).norm()) < 1e-3 * float(moved)


def test_nothing_is_subnormal_in_a_dense_activity():
    activity = plastic_activity(torch.tensor([[0.0, 90.0, 50.0]]), "soft_hebbian", 1.0)
    assert activity.tolist()[0][0] == 0.0
    assert activity.tolist()[0][2] > 0.0


def test_presets_drop_small_activities_only_in_the_streaming_regime():
    def thresholds(**options):
        return {
            layer.spec.event_threshold for layer in hs.SoftHebbNet.from_preset("cifar10", width=4, **options).layers
        }

    specs = hs.PRESETS["cifar10"].resolve(width=48)
    assert [spec.event_budget for spec in specs] == [None, 8, 8]
    assert [spec.event_budget for spec in hs.PRESETS["mnist-dense"].resolve()] == [None]
    assert {spec.event_budget for spec in hs.PRESETS["cifar10"].resolve(event_threshold=0.0)} == {None}
    assert thresholds() == {3e-3}
    assert thresholds(normalization="batch") == {0.0}
    assert thresholds(event_threshold=0.0) == {0.0}
