"""A layer's specification may be changed as long as what the layer holds is still right for it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.export import to_onnx


def frozen(net):
    for layer in net.layers:
        layer.spec = replace(layer.spec, learning_rate=0.0)


def learned(preset, frames):
    net = hs.SoftHebbNet.from_preset(preset, width=8)
    for frame in frames:
        net.learn_one(frame)
    return net


@pytest.mark.parametrize("preset", ["pictures", "video", "motion"])
def test_a_network_that_was_frozen_can_be_read_again(preset, tmp_path):
    frames = torch.rand(4, 3, 32, 32)
    net = learned(preset, frames)
    before = net.transform_many(frames)
    frozen(net)
    assert torch.equal(net.transform_many(frames), before)
    weights = [layer.weight.clone() for layer in net.layers]
    net.learn_one(frames[0])
    net.save(tmp_path / "frozen.safetensors")
    read = hs.load(tmp_path / "frozen.safetensors")
    assert all(torch.equal(layer.weight, kept) for layer, kept in zip(read.layers, weights, strict=True))
    assert torch.equal(read.learn_one(frames[1]), net.learn_one(frames[1]))


@pytest.mark.parametrize("preset", ["pictures", "video", "motion"])
def test_a_frozen_layer_learns_again(preset, tmp_path):
    frames = torch.rand(6, 3, 32, 32)
    net = learned(preset, frames[:3])
    specs = [layer.spec for layer in net.layers]
    frozen(net)
    for layer, spec in zip(net.layers, specs, strict=True):
        layer.spec = spec
    index = next(index for index, spec in enumerate(specs) if spec.learning_rate)
    before = net.layers[index].plastic_weights.clone()
    for frame in frames[3:]:
        net.learn_one(frame)
    assert not torch.equal(net.layers[index].plastic_weights, before)
    net.save(tmp_path / "net.safetensors")
    read = hs.load(tmp_path / "net.safetensors")
    assert torch.equal(read.learn_one(frames[0]), net.learn_one(frames[0]))


@pytest.mark.parametrize("threshold", [0.0, 0.003])
def test_decay_and_half_life_wait_for_a_frozen_layer(threshold):
    """As where layers learn one after another."""
    frames = torch.rand(12, 3, 8, 8)
    spec = hs.LayerSpec(channels=8, decay_samples=6, event_threshold=threshold, momentum=1.0)
    waiting, plain = (hs.SoftHebbNet([spec], 3) for _ in range(2))
    for net in (waiting, plain):
        net.reopen_plasticity(half_life=2)
    frozen(waiting)
    for frame in frames[:9]:
        waiting.learn_one(frame)
    waiting.layers[0].spec = spec
    for frame in frames[9:]:
        waiting.learn_one(frame)
        plain.learn_one(frame)
    # How running means are rounded depends on the number of samples.
    torch.testing.assert_close(waiting.layers[0].weight, plain.layers[0].weight)
    assert torch.equal(waiting.layers[0].opening, plain.layers[0].opening)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"channels": 9}, "channels=9: expected 8, with which"),
        ({"kernel_size": 3}, "kernel_size=3: expected 5, with which"),
        ({"normalization": "whiten"}, "normalization='whiten': expected 'stream', with which"),
    ],
)
def test_a_specification_of_other_weights_or_statistics_is_refused(changed, message):
    (layer,) = hs.SoftHebbNet([hs.LayerSpec(channels=8, kernel_size=5)], 3).layers
    before = layer.spec
    with pytest.raises(hs.HebbstreamError, match=message):
        layer.spec = replace(before, **changed)
    assert layer.spec is before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pool_stride": 1}, "layer 2 gets 968 values, as the layers before it are specified now: expected 288"),
        ({"pool_size": 20}, r"input_size=\(12, 12\): too small for layer 1"),
        ({"plasticity": "imprinting", "learning_rate": 1.0}, "mirror=True and plasticity='imprinting'"),
    ],
)
def test_a_specification_that_does_not_fit_the_network_is_refused_before_anything_changes(changed, message, tmp_path):
    specs = [hs.LayerSpec(channels=8), hs.LayerSpec(channels=5, kernel_size=None, pool="none")]
    net, frame, path = hs.SoftHebbNet(specs, 3, input_size=12, mirror=True), torch.rand(3, 12, 12), tmp_path / "net.st"
    net.learn_one(frame)
    net.save(path)
    saved, state = path.read_bytes(), {name: value.clone() for name, value in net.state_dict().items()}
    net.layers[0].spec = replace(specs[0], **changed)
    for call in (
        net.learn_one,
        net.transform_one,
        lambda _: net.save(path),
        lambda _: to_onnx(net, tmp_path / "n.onnx"),
    ):
        with pytest.raises(hs.HebbstreamError, match=message):
            call(frame)
    assert [file.name for file in tmp_path.iterdir()] == ["net.st"]
    assert path.read_bytes() == saved
    net.layers[0].spec = specs[0]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items() if "imprinting" not in name)
    net.learn_one(frame)


def test_a_network_that_imprints_cannot_be_made_to_mirror(tmp_path):
    net, frame = learned("motion", torch.rand(2, 3, 32, 32)), torch.rand(3, 32, 32)
    net.mirror = True
    for call in (net.learn_one, lambda _: net.save(tmp_path / "net.st")):
        with pytest.raises(hs.HebbstreamError, match="mirror=True and plasticity='imprinting'"):
            call(frame)


def test_only_a_specification_is_taken():
    (layer,) = hs.SoftHebbNet([hs.LayerSpec(channels=8)], 3).layers
    with pytest.raises(hs.HebbstreamError, match=r"spec=\{'channels': 8\}: expected a LayerSpec"):
        layer.spec = {"channels": 8}


def test_statistics_follow_at_the_new_pace():
    frames = torch.rand(2, 3, 8, 8)
    fast = hs.SoftHebbNet([hs.LayerSpec(channels=8, momentum=1.0)], 3)
    slow = hs.SoftHebbNet([hs.LayerSpec(channels=8, momentum=0.01)], 3)
    slow.layers[0].spec = replace(slow.layers[0].spec, momentum=1.0)
    assert torch.equal(fast.learn_many(frames[:1]), slow.learn_many(frames[:1]))
    assert torch.equal(fast.learn_many(frames[1:]), slow.learn_many(frames[1:]))


def test_weights_that_lie_column_by_column_are_read_as_they_are():
    frames = torch.rand(3, 3, 32, 32)
    net = hs.SoftHebbNet.from_preset("pictures", width=8)
    other = hs.SoftHebbNet.from_preset("pictures", width=8, seed=1)
    turned = {name: x.t().contiguous().t() if x.ndim == 2 else x.clone() for name, x in net.state_dict().items()}
    other.load_state_dict(turned, assign=True)
    torch.testing.assert_close(other.transform_many(frames), net.transform_many(frames), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(other.learn_one(frames[0]), net.learn_one(frames[0]), rtol=1e-3, atol=1e-3)


def test_sides_may_be_numbers_of_numpy():
    sides = hs.LayerSpec(channels=4, kernel_size=(np.int64(1), np.int64(9)), pool_size=np.array([1, 4]))
    assert (sides.kernel_size, sides.pool_size) == ((1, 9), (1, 4))
    assert all(type(side) is int for side in (*sides.kernel_size, *sides.pool_size))
