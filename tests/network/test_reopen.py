"""Plasticity that is reopened: converged neurons learn again, from what they are."""

import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors import safe_open

import hebbstream as hs
from hebbstream.errors import ConfigurationError

SPEC = hs.LayerSpec(channels=8, learning_rate=0.05)


def noise(count, seed=0):
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def converged(**changes):
    """A network all of whose weight vectors have the norm 1, with some statistics behind it."""
    net = hs.SoftHebbNet([replace(SPEC, **changes)] * 2, 3, seed=0)
    for frame in noise(5):
        net.learn_one(frame)
    for layer in net.layers:
        layer.weight_matrix.copy_(F.normalize(layer.weight_matrix, dim=1))
    return net


def turned(net, frames):
    """How far each layer's weights turn on some frames: 1 − cosine, on average."""
    before = [layer.weight_matrix.clone() for layer in net.layers]
    for frame in frames:
        net.learn_one(frame)
    after = [layer.weight_matrix for layer in net.layers]
    return [1 - float(F.cosine_similarity(a, b).mean()) for a, b in zip(before, after, strict=True)]


def test_the_call_itself_changes_neither_weights_nor_features():
    net, frame = converged(), noise(1, 2)[0]
    weights, features = [layer.weight.clone() for layer in net.layers], net.transform_one(frame)
    net.reopen_plasticity()
    assert all(torch.equal(layer.weight, old) for layer, old in zip(net.layers, weights, strict=True))
    assert torch.equal(net.transform_one(frame), features)


def test_converged_neurons_stand_still_until_they_are_reopened():
    net, frames = converged(), noise(30, 2)
    closed, opened = copy.deepcopy(net), copy.deepcopy(net)
    opened.reopen_plasticity()
    for still, moved in zip(turned(closed, frames), turned(opened, frames), strict=True):
        assert still < 1e-4
        assert moved > 1e-2
    assert all((layer.norms() < 2).all() for layer in opened.layers)  # Oja's pull holds the norms


def test_neurons_far_from_converged_learn_as_before():
    nets = [hs.SoftHebbNet([SPEC], 3, seed=0) for _ in range(2)]
    nets[1].reopen_plasticity(1.0)
    for frame in noise(5):
        for net in nets:
            net.learn_one(frame)
    assert torch.equal(nets[0].layers[0].weight, nets[1].layers[0].weight)


def test_the_chosen_layers_open_and_close_again():
    net = converged()
    net.reopen_plasticity(0.5, half_life=10, layers=[1])
    net.learn_many(noise(20, 2))
    assert net.layers[0].opening[0] == 0
    assert float(net.layers[1].opening[0]) == pytest.approx(0.125)
    net.reopen_plasticity(0)
    assert max(turned(net, noise(1, 2))) < 1e-2


def test_a_rate_that_has_decayed_starts_again():
    net, frames = converged(decay_samples=10), noise(10, 2)
    net.reopen_plasticity()
    turned(net, frames)
    assert turned(net, frames) == pytest.approx([0, 0], abs=1e-6)  # the clock has run out, though ρ has not
    net.reopen_plasticity()
    assert min(turned(net, frames)) > 1e-3


@pytest.mark.parametrize("position", [15, 20, 25])  # before, at and after the reopening
def test_a_run_resumed_across_a_reopening_is_bit_identical(tmp_path, position):
    frames = noise(40, 1)

    def run(net, first, last, path):
        def reopen(step):
            if step.index == 19:
                net.reopen_plasticity(2.0, half_life=30)

        learner = hs.Learner(net, callbacks=[reopen, hs.Checkpoint(path)])
        learner.counters.position = first
        learner.learn(frames[:last], resume=True, progress=False)

    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(converged(decay_samples=30), 0, 40, whole)
    run(converged(decay_samples=30), 0, position, parts)
    run(hs.load(parts), position, 40, parts)
    with safe_open(whole, "pt") as expected, safe_open(parts, "pt") as found:
        assert "network/tensors/_layers.0.opening" in set(found.keys()) == set(expected.keys())
        assert float(found.get_tensor("network/tensors/_layers.0.opening")[0]) == pytest.approx(2.0 * 0.5 ** (20 / 30))
        for name in expected.keys():  # noqa: SIM118  # not a dict
            assert torch.equal(found.get_tensor(name), expected.get_tensor(name)), name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opening": -1}, "opening=-1"),
        ({"opening": math.nan}, "opening=nan"),
        ({"opening": "wide"}, "opening='wide'"),
        (
            {"opening": 1e39},
            r"opening=1e\+39: expected a number of at least 0, below 2\*\*63",
        ),  # more than float32 holds
        ({"half_life": 0}, "half_life=0"),
        ({"half_life": None}, "half_life=None: expected 1 to 1,000,000 samples"),
        ({"half_life": 10**8}, "half_life=100000000: expected 1 to 1,000,000 samples"),  # it never closed
        ({"layers": [0, 2]}, r"layers=\[0, 2\]: expected indices from 0 to 1"),
        ({"layers": 1}, "layers=1: expected indices from 0 to 1, in a list"),
        ({"layers": [0.5]}, r"layers=\[0.5\]: expected indices from 0 to 1"),
    ],
)
def test_what_cannot_work_is_refused_and_changes_nothing(options, message):
    net = converged()
    with pytest.raises(ConfigurationError, match=message):
        net.reopen_plasticity(**options)
    assert not any(layer.opening.any() for layer in net.layers)
