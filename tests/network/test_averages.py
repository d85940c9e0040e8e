"""Features of averaged weights: the weights that compete and learn are the same, and features follow them slowly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.adapters.river import SoftHebbTransformer
from hebbstream.errors import ConfigurationError

SPEC = hs.LayerSpec(channels=12, learning_rate=0.2, radius=2.5, update_scale="running_max", event_threshold=3e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_learns_is_the_same_and_features_move_less(frames, precision):
    plain, averaged = (
        hs.SoftHebbNet([replace(SPEC, averaging_samples=samples), SPEC], 3, engine=hs.EagerEngine(precision))
        for samples in (None, 20)
    )
    moved = []
    for frame in np.concatenate([frames[:30]] * 4):
        before = [net.layers[0].weight.clone() for net in (plain, averaged)]
        plain.learn_one(frame)
        averaged.learn_one(frame)
        moved.append(
            [float((net.layers[0].weight - w).norm()) for net, w in zip((plain, averaged), before, strict=True)]
        )
    learned = averaged.layers[0].plastic_weights
    assert torch.equal(learned, plain.layers[0].weight_matrix)
    assert not torch.equal(learned, averaged.layers[0].weight_matrix)
    own, slow = np.mean(moved[60:], axis=0)
    assert 0 < slow < 0.5 * own


def test_features_are_those_of_the_average_while_learning_and_after(frames):
    net = hs.SoftHebbNet([replace(SPEC, averaging_samples=50, normalization="none")], 3)
    for frame in frames[:20]:
        net.learn_one(frame)
    expected = net.transform_one(frames[0])
    assert torch.equal(net.learn_one(frames[0]), expected)
    alone = hs.SoftHebbNet([replace(SPEC, learning_rate=0.0, normalization="none")], 3)
    alone.layers[0].weight.copy_(net.layers[0].weight)
    torch.testing.assert_close(alone.transform_one(frames[0]), net.transform_one(frames[0]))
    alone.layers[0].weight_matrix.copy_(net.layers[0].plastic_weights)
    assert not torch.allclose(alone.transform_one(frames[0]), net.transform_one(frames[0]))


def test_the_average_is_of_the_latest_third_at_first():
    net = hs.SoftHebbNet([replace(SPEC, averaging_samples=1000)], 3)
    layer, shares = net.layers[0], []
    for _ in range(12):
        before = layer.weight_matrix.clone()
        net.learn_one(torch.rand(8, 8, 3))
        away = layer.plastic_weights - before
        shares.append(float(((layer.weight_matrix - before) * away).sum() / away.square().sum()))
    np.testing.assert_allclose(shares, [3 / (n + 2) for n in range(1, 13)], rtol=1e-3)


def test_a_layer_that_does_not_learn_has_nothing_to_average(frames):
    still = hs.SoftHebbNet([replace(SPEC, averaging_samples=50, learning_rate=0.0)], 3)
    still.learn_one(frames[0])
    assert still.layers[0].plastic_weights is still.layers[0].weight_matrix
    assert not any("plastic" in name for name in still.state_dict())


def test_a_new_column_of_rows_begins_alike_in_what_learns_and_in_the_average():
    spec = hs.LayerSpec(channels=6, kernel_size=None, pool="none", learning_rate=1e-7, averaging_samples=5)
    model = SoftHebbTransformer(layers=(spec,))
    random = np.random.default_rng(0)
    for count in (2, 2, 2, 3):
        model.learn_one(dict(zip("abc", random.random(count), strict=False)))
    layer = model.net.layers[0]
    assert layer.weight_matrix.shape == (6, 3)
    torch.testing.assert_close(layer.plastic_weights, layer.weight_matrix, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "10"])
def test_what_is_no_number_of_samples(value):
    with pytest.raises(
        ConfigurationError, match=r"averaging_samples=.*: expected a positive integer, below 2.*63, or None"
    ):
        hs.LayerSpec(channels=4, averaging_samples=value)


def test_who_reopens_plasticity_has_features_of_what_is_learned_now(frames):
    net = hs.SoftHebbNet([replace(SPEC, averaging_samples=1000)], 3)
    for frame in frames[:40]:
        net.learn_one(frame)
    layer = net.layers[0]
    before = layer.weight_matrix.clone()
    net.reopen_plasticity()
    assert torch.equal(layer.weight_matrix, before)
    net.learn_one(frames[40])
    assert torch.equal(layer.weight_matrix, layer.plastic_weights)
