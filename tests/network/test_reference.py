"""A learning step equals the equations, in float64, for every rule, normalisation, scaling and layer kind."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import ReferenceLayer

from hebbstream import LayerSpec, SoftHebbNet
from hebbstream.rule._fast import without_kernels

CONV = LayerSpec(channels=12, kernel_size=5, learning_rate=0.08, power=0.7, pool_size=4, pool_padding=1)
DEEP = LayerSpec(channels=20, kernel_size=3, learning_rate=0.05, inverse_temperature=0.65, power=1.4, pool="avg")
DENSE = LayerSpec(channels=30, kernel_size=None, pool="none", learning_rate=0.05, inverse_temperature=0.5)


def compare(specs, batch, steps=5, in_channels=3, size=(12, 12), opening=None):
    net = SoftHebbNet(specs, in_channels, input_size=size, seed=1)
    reference = [ReferenceLayer(layer.spec, layer.weight.numpy()) for layer in net.layers]
    if opening is not None:
        net.reopen_plasticity(opening, half_life=4)
        for layer in reference:
            layer.opening, layer.fading = opening, 0.5**0.25
    generator = np.random.default_rng(0)
    for _ in range(steps):
        # Smooth pictures, so that channels and positions are correlated as in real ones.
        x = generator.random((batch, in_channels, *size)).astype(np.float32)
        x = (x + np.roll(x, 1, 2) + np.roll(x, 1, 3)) / 3
        features = net.learn_many(x)
        expected = x.astype(np.float64)
        for layer in reference:
            expected = layer.learn(expected)
        expected = expected.reshape(batch, -1)
        np.testing.assert_allclose(features.numpy(), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    for layer, ours in zip(reference, net.layers, strict=True):
        rows, columns = ours.spec.kernel
        plastic = ours.plastic_weights.view(len(layer.w), rows, columns, -1).permute(0, 3, 1, 2)
        for found, expected in ((ours.weight, layer.average), (plastic, layer.w)):
            found = found.numpy().reshape(expected.shape).astype(np.float64)
            assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)
            # Not met by standing still: the weights have moved a thousand times the tolerance.
            assert np.linalg.norm(found - layer.initial) >= 1e-2 * np.linalg.norm(expected)


@pytest.fixture(autouse=True)
def _keep_initial_weights(monkeypatch):
    original = ReferenceLayer.__init__

    def remember(self, spec, weights):
        original(self, spec, weights)
        self.initial = self.w

    monkeypatch.setattr(ReferenceLayer, "__init__", remember)


@pytest.mark.parametrize("pool_size", [1, (3, 2)])
def test_an_average_over_the_whole_width(pool_size):
    compare([replace(CONV, pool_padding=0), replace(DEEP, pool="time_avg", pool_size=pool_size)], 1, size=(12, 20))


@pytest.mark.parametrize("changes", [{}, {"pool": "avg"}, {"activation": "softmax"}])
def test_outputs_of_unit_length(changes):
    compare([replace(CONV, unit_length=True), replace(DEEP, unit_length=True, **changes)], 1)


@pytest.mark.parametrize("average_size", [2, (2, 1)])
def test_averages_of_what_is_pooled(average_size):
    first = replace(CONV, average_size=average_size)
    compare([first, replace(DEEP, average_size=average_size, unit_length=True)], 1, size=(26, 22))


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("normalization", ["stream", "whiten", "whiten_colors", "whiten_patches", "batch"])
@pytest.mark.parametrize("plasticity", ["soft_anti_hebbian", "soft_hebbian", "hard_wta", "hebbian"])
def test_two_convolutions(batch, normalization, plasticity):
    changes = {"normalization": normalization, "plasticity": plasticity}
    compare([replace(CONV, **changes), replace(DEEP, **changes)], batch)


@pytest.mark.parametrize(
    ("batch", "normalization", "init"),
    [
        (1, "stream", "normal"),
        (1, "batch", "normal"),  # whose own statistics would leave zeros
        (10, "stream", "normal"),
        (10, "batch", "normal"),
        (1, "none", "positive"),
        (10, "none", "positive"),
    ],
)
@pytest.mark.parametrize("plasticity", ["soft_anti_hebbian", "hard_wta"])
def test_dense(batch, normalization, init, plasticity):
    compare([replace(DENSE, normalization=normalization, init=init, plasticity=plasticity)], batch, size=(6, 6))


@pytest.mark.parametrize("activation", ["triangle", "repu", "relu", "tanh", "softmax"])
def test_activations(activation):
    compare([replace(CONV, activation=activation, activation_inverse_temperature=0.1), DEEP], batch=1)


@pytest.mark.parametrize("update_scale", ["max", "running_max"])
@pytest.mark.parametrize("decay_samples", [None, 4])
def test_rates(update_scale, decay_samples):
    changes = {"update_scale": update_scale, "decay_samples": decay_samples, "rate_power": 0.75}
    compare([replace(CONV, **changes), replace(DEEP, **changes)], batch=1)


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("threshold", [0.0, 0.02])
@pytest.mark.parametrize("horizon", [2, 1000])
def test_averages_of_weights(batch, threshold, horizon):
    changes = {"averaging_samples": horizon, "event_threshold": threshold}
    compare([replace(CONV, **changes), replace(DEEP, **changes), replace(DENSE, **changes)], batch, steps=12)


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("radius", [1.0, 25.0])
def test_reopened_plasticity(batch, radius):
    compare([replace(CONV, radius=radius), replace(DEEP, radius=radius)], batch, opening=3.0)


TALL = replace(CONV, kernel_size=(3, 7), pool_size=(2, 4), pool_stride=(1, 3), pool_padding=(0, 2))


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("normalization", ["stream", "whiten", "whiten_patches"])
def test_rectangular_layers(batch, normalization):
    deep = replace(DEEP, kernel_size=(5, 1), pool_size=(2, 1), pool_stride=(2, 1))
    compare([replace(spec, normalization=normalization) for spec in (TALL, deep)], batch, size=(9, 14))


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("plasticity", ["soft_anti_hebbian", "hard_wta"])
def test_layers_for_signals(batch, plasticity):
    first = replace(CONV, kernel_size=(1, 9), pool_size=(1, 4), pool_stride=(1, 2), pool_padding=(0, 1))
    second = replace(DEEP, kernel_size=(1, 3), pool_size=(1, 2), pool_stride=(1, 2), plasticity=plasticity)
    compare([first, second, replace(DENSE, plasticity=plasticity)], batch, size=(1, 60))


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("plasticity", ["soft_anti_hebbian", "soft_hebbian"])
@pytest.mark.parametrize("threshold", [0.0, 0.02])
def test_a_budget_of_events(batch, plasticity, threshold):
    changes = {"event_budget": 3, "event_threshold": threshold, "radius": 1.0, "plasticity": plasticity}
    with without_kernels():
        compare([replace(CONV, **changes), replace(DEEP, **changes)], batch)


def test_unscaled_update():
    compare([replace(CONV, update_scale="none", learning_rate=1e-4)], batch=1)


def test_weight_view_is_in_channel_row_column_order():
    net = SoftHebbNet([replace(CONV, normalization="none", activation="relu", pool="none")], 3, seed=0)
    x = torch.rand(1, 3, 9, 7)
    padded = torch.nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    expected = torch.nn.functional.conv2d(padded, net.layers[0].weight).relu()
    torch.testing.assert_close(net.transform_many(x).view_as(expected), expected, rtol=1e-4, atol=1e-4)
