"""A step on fake CUDA tensors: no host synchronisation, no data-dependent shape, no mixed device."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import hebbstream as hs
from hebbstream import plasticity


def step(name, normalization, batch):
    net = hs.SoftHebbNet.from_preset(name, width=4, width_factor=2, normalization=normalization)
    preset = hs.PRESETS[name]
    with FakeTensorMode(allow_non_fake_inputs=False):
        for module in net.modules():
            for key, tensor in list(module._buffers.items()):
                module._buffers[key] = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
        x = torch.empty(batch, preset.in_channels, preset.image_size, preset.image_size, device="cuda")
        held = [layer.weight_matrix for layer in net.layers]
        features = net._learn(x)
        assert features.device.type == net(x).device.type == "cuda"
        assert all(layer.weight_matrix is old for layer, old in zip(net.layers, held, strict=True))


@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("normalization", ["stream", "batch"])
@pytest.mark.parametrize("name", hs.PRESETS)
def test_a_step_launches_without_synchronisation(name, normalization, batch):
    step(name, normalization, batch)


@pytest.mark.parametrize("rule", ["soft_hebbian", "hard_wta", "hebbian"])
def test_so_do_the_other_rules(rule, monkeypatch):
    original = plasticity.plastic_activity
    monkeypatch.setattr(plasticity, "plastic_activity", lambda u, _, t: original(u, rule, t))
    step("cifar10", "stream", 1)


def test_a_planted_synchronisation_is_caught(monkeypatch):
    original = plasticity.largest_magnitude
    monkeypatch.setattr(plasticity, "largest_magnitude", lambda change: change.new_tensor(original(change).item()))
    with pytest.raises(Exception, match=r"item|data-dependent|_local_scalar_dense"):
        step("cifar10", "stream", 1)
