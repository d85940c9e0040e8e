"""A stream that shows nothing at first, a sensor that is off at first, and a false value: they leave no trace for long."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from reference import ReferenceLayer

import hebbstream as hs
from hebbstream.rule import _fast as fast

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, (30, 16, 16, 3), np.uint8)
WAVES = RNG.normal(size=(60, 3, 1, 60)).astype(np.float32)
SPEC = hs.LayerSpec(
    channels=8, kernel_size=3, learning_rate=0.05, update_scale="running_max", pool_size=2, pool_stride=2, momentum=1e-4
)


def learned(net, frames):
    for frame in frames:
        features = net.learn_one(frame)
    return features


def asleep(waves, count, value=0.5):
    """Signals whose last channel is constant at first."""
    found = waves.copy()
    found[:count, -1] = value
    return found


@pytest.mark.parametrize("preset", ["cifar10", "pictures", "video", "motion"])
@pytest.mark.parametrize("shade", [0, 90])
def test_after_a_dark_beginning_a_network_learns_as_if_it_had_just_begun(preset, shade):
    net = hs.SoftHebbNet.from_preset(preset, width=4)
    awake = copy.deepcopy(net)
    learned(net, [np.full_like(PICTURES[0], shade)] * 40)
    for layer, other in zip(net.layers, awake.layers, strict=True):
        if layer.imprinting is None:  # which draws lots at every step
            assert torch.equal(layer.weight, other.weight)
    learned(net, PICTURES[:1])
    learned(awake, PICTURES[:1])
    for layer, other in zip(net.layers, awake.layers, strict=True):
        torch.testing.assert_close(layer.norm.var, other.norm.var)
        torch.testing.assert_close(layer.norm.mean, other.norm.mean)
        assert int(layer.norm.count) == 1


@pytest.mark.parametrize("normalization", ["stream", "whiten", "whiten_patches"])
def test_a_sensor_that_was_off_is_no_louder_than_the_others_as_it_wakes(normalization):
    spec = replace(SPEC, kernel_size=(1, 3), pool="none", normalization=normalization, learning_rate=0.0)
    net = hs.SoftHebbNet([spec], 3, input_range=None)
    before = learned(net, asleep(WAVES, 40)[:40])
    after = learned(net, WAVES[40:41])
    assert after.abs().max() < 3 * before.abs().max()
    assert float(net.layers[0].norm.var[-1]) == pytest.approx(WAVES[40, -1].var(), rel=0.1)
    assert int(net.layers[0].norm.count) == 41  # of the others nothing is forgotten


def test_a_network_learns_from_a_sensor_that_wakes_late():
    net = hs.SoftHebbNet.from_preset("signal", in_channels=3, width=8)
    waves = np.tile(asleep(WAVES, 60), (5, 1, 1, 1))
    learned(net, waves)
    asleep_norm = float(net.layers[0].weight[:, -1].norm())
    learned(net, np.tile(WAVES, (8, 1, 1, 1)))
    assert float(net.layers[0].weight[:, -1].norm()) > 2 * asleep_norm


@pytest.mark.parametrize("normalization", ["stream", "whiten", "whiten_patches"])
def test_kernels_begin_anew_as_torch_does(normalization):
    spec = replace(SPEC, kernel_size=(1, 3), pool_size=(1, 2), pool_stride=(1, 2), normalization=normalization)
    net = hs.SoftHebbNet([spec], 3, input_range=None)
    twin = copy.deepcopy(net)
    for wave in asleep(WAVES, 5)[:9]:
        net.learn_one(wave)
        with fast.without_kernels():
            twin.learn_one(wave)
    for name, tensor in net.state_dict().items():
        torch.testing.assert_close(tensor, twin.state_dict()[name], rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("normalization", ["stream", "whiten"])
@pytest.mark.parametrize("off", [slice(None), slice(1)], ids=["everything", "a channel"])
def test_the_reference_begins_anew_likewise(normalization, off):
    net = hs.SoftHebbNet([replace(SPEC, normalization=normalization)], 3, input_range=None, seed=1)
    reference = ReferenceLayer(net.layers[0].spec, net.layers[0].weight.numpy())
    frames = PICTURES[:8].transpose(0, 3, 1, 2).astype(np.float32) / 255
    frames[:4, off] = 0.25
    for frame in frames:
        found, expected = net.learn_one(frame), reference.learn(frame[None].astype(np.float64)).ravel()
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_one_pixel_a_frame_varies_from_frame_to_frame_alone():
    norm = hs.SoftHebbNet([replace(SPEC, kernel_size=1, pool="none")], 3, input_range=None).layers[0].norm
    values = torch.randn(50, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    for value in values:
        norm.learn(value[None])
    torch.testing.assert_close(norm.var, values.var(dim=(0, 2, 3), correction=0))


@pytest.mark.parametrize("kernels", [True, False])
def test_one_false_value_does_not_end_learning(kernels):
    net = hs.SoftHebbNet.from_preset("signal", in_channels=3, width=8)
    waves = WAVES.copy()
    waves[20, 1, 0, 30] = 1000.0
    steps = []
    for wave in waves:
        before = net.layers[0].weight.clone()
        if kernels:
            net.learn_one(wave)
        else:
            with fast.without_kernels():
                net.learn_one(wave)
        steps.append(float((net.layers[0].weight - before).norm()))
    assert np.mean(steps[21:40]) > 0.3 * np.mean(steps[:20])
