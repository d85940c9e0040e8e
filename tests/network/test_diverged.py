"""A layer that has diverged gives NaN, with compiled kernels as without: zeros would be taken for features."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.rule import _fast as fast

SPEC = hs.LayerSpec(channels=20, kernel_size=3, learning_rate=0.05, event_threshold=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"power": 1.4},
        {"activation": "relu"},
        {"activation": "relu", "unit_length": True},
        {"activation": "repu", "power": 0.7, "pool": "none"},
        {"pool": "avg", "power": 1.4},
        {"pool": "avg", "activation": "relu"},
    ],
    ids=str,
)
def test_features_of_a_neuron_that_has_diverged_are_nan(changes):
    net = hs.SoftHebbNet([replace(SPEC, **changes)], 3, seed=1)
    net.layers[0].weight_matrix[4] = torch.nan
    frame = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    with fast.without_kernels():
        expected = net.transform_one(frame)
    assert expected.isnan().any()
    torch.testing.assert_close(net.transform_one(frame), expected, equal_nan=True, rtol=1e-4, atol=1e-5)


def test_features_of_layers_after_one_that_has_diverged_are_nan():
    net = hs.SoftHebbNet.from_preset("cifar10", width=8)
    net.layers[0].weight_matrix[:] = torch.nan
    assert net.transform_one(np.zeros((32, 32, 3), np.uint8)).isnan().all()
