"""A layer whose neurons take over patches of what moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from strategies import assert_same_nets

import hebbstream as hs
from hebbstream._container import read_state
from hebbstream.distributed._local import LocalEngine
from hebbstream.errors import ConfigurationError
from hebbstream.export import OnnxExtractor
from hebbstream.export._to_onnx import export_model
from hebbstream.network._fused import FusedForward
from hebbstream.rule import _fast as fast

WIDTH = 8


def motion(**options):
    return hs.SoftHebbNet.from_preset("motion", width=WIDTH, **options)


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("at", [0, 1])
def test_neurons_hold_patches_that_the_layer_has_seen(frames, monkeypatch, kernels, at):
    if not kernels:
        monkeypatch.setattr(fast, "kernels", lambda: None)
    net = motion()
    layer, drawn, seen = net.layers[at], net.layers[at].weight_matrix.clone(), []
    as_they_are = len(drawn) - layer.spec.whitened
    change = layer.change

    def watched(forward, *rest):
        seen.append(forward.patches.clone())
        return change(forward, *rest)

    monkeypatch.setattr(layer, "change", watched)
    for frame in frames[:20]:
        net.learn_one(frame)
    assert (layer.weight_matrix != drawn).any(dim=1).all()
    torch.testing.assert_close(layer.norms(), torch.full((len(drawn),), layer.spec.radius))
    known = F.normalize(torch.cat(seen))
    nearest = (F.normalize(layer.weight_matrix) @ known.t()).max(dim=1)
    held = nearest.values[:as_they_are]
    torch.testing.assert_close(held, torch.ones_like(held))
    assert (nearest.values[as_they_are:] < 0.99).all()
    assert len(nearest.indices.unique()) > len(drawn) // 2


def test_another_seed_takes_over_other_patches(frames):
    one, two = motion(), motion(seed=1)
    for frame in frames[:12]:
        one.learn_one(frame)
        two.learn_one(frame)
    for layer, other in zip(one.layers, two.layers, strict=True):
        assert (layer.weight_matrix != other.weight_matrix).any(dim=1).float().mean() > 0.5


def test_neurons_that_whiten_answer_to_what_is_fine():
    """Of smooth pictures, their weights change from pixel to pixel, and those that hold patches as they are do not."""
    net, generator = motion(), torch.Generator().manual_seed(0)
    for _ in range(100):
        noise = torch.rand(1, 3, 8, 8, generator=generator)
        net.learn_one(F.interpolate(noise, (32, 32), mode="bilinear")[0])
    weight = net.layers[0].weight
    rough = weight.diff(dim=3).square().sum(dim=(1, 2, 3)) / weight.square().sum(dim=(1, 2, 3))
    assert rough[WIDTH // 2 :].mean() > 3 * rough[: WIDTH // 2].mean()


def test_with_kernels_and_without_it_takes_over_the_same(frames, monkeypatch):
    one, two = motion(), motion()
    for frame in frames[:12]:
        one.learn_one(frame)
    monkeypatch.setattr(fast, "kernels", lambda: None)
    for frame in frames[:12]:
        two.learn_one(frame)
    torch.testing.assert_close(one.layers[0].weight_matrix, two.layers[0].weight_matrix, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(one.layers[1].weight_matrix, two.layers[1].weight_matrix, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_it_goes_on_from_a_file_bit_for_bit(frames, tmp_path, engine):
    whole = motion(engine=engine)
    for frame in frames[:9]:
        whole.learn_one(frame)
    whole.save(tmp_path / "net.safetensors")
    again = hs.load(tmp_path / "net.safetensors")
    for frame in frames[9:18]:
        assert torch.equal(whole.learn_one(frame), again.learn_one(frame))
    assert_same_nets(whole, again)


def test_a_picture_that_stood_still_is_forgotten_once_something_moves(frames):
    net = motion()
    for _ in range(30):
        net.learn_one(frames[0])
    before = net.layers[1].weight_matrix.clone()
    net.learn_one(frames[50])
    assert (net.layers[1].weight_matrix != before).any(dim=1).all()


def test_a_smaller_rate_goes_so_far_towards_a_patch(frames):
    specs = hs.PRESETS["motion"].resolve(width=WIDTH)
    specs[1] = replace(specs[1], learning_rate=0.25)
    part, whole = hs.SoftHebbNet(specs, 3), motion()
    for frame in frames[:2]:
        drawn = whole.layers[1].weight_matrix.clone()
        whole.learn_one(frame)
        part.learn_one(frame)
    wanted = torch.lerp(drawn, whole.layers[1].weight_matrix, 0.25)
    torch.testing.assert_close(part.layers[1].weight_matrix, wanted)


def test_it_comes_to_rest_where_that_is_asked_for(frames, tmp_path):
    specs = hs.PRESETS["motion"].resolve(width=WIDTH)
    specs[1] = replace(specs[1], decay_samples=5)
    net = hs.SoftHebbNet(specs, 3)
    for frame in frames[:20]:
        net.learn_one(frame)
    rested = net.layers[1].weight_matrix.clone()
    net.save(tmp_path / "net.safetensors")
    for frame in frames[20:30]:
        net.learn_one(frame)
    assert torch.equal(net.layers[1].weight_matrix, rested)
    earlier = read_state(tmp_path / "net.safetensors")["network"]
    earlier["tensors"]["_layers.1.imprinting.moved"] = net.layers[1].imprinting.moved[0]  # all that files had, at first
    again = hs.SoftHebbNet.from_state(earlier)
    for frame in frames[20:30]:
        again.learn_one(frame)
    assert torch.equal(again.layers[1].weight_matrix, rested)
    net.reopen_plasticity()
    for frame in frames[30:35]:
        net.learn_one(frame)
    assert not torch.equal(net.layers[1].weight_matrix, rested)


def test_the_model_gives_the_same_features(frames):
    net = motion()
    for frame in frames[:10]:
        net.learn_one(frame)
    expected = net.transform_many(frames[:5]).numpy()
    found = OnnxExtractor(export_model(net, input_dtype="uint8", layout="NHWC").data, ["cpu"]).transform_many(
        frames[:5]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_larger_step_takes_over_whole_patches_too(batch_size):
    for normalization in ("whiten", "batch"):
        spec = hs.PRESETS["motion"].resolve(batch_size=batch_size, normalization=normalization)[1]
        assert spec.learning_rate == 1.0


def test_a_rate_above_one_is_refused():
    with pytest.raises(ConfigurationError, match=r"learning_rate=2: expected 0 to 1 with plasticity='imprinting'"):
        hs.LayerSpec(channels=4, plasticity="imprinting", learning_rate=2)


@pytest.mark.parametrize("share", [-0.1, 1.5, "half", True])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ConfigurationError, match=r"whitened_share=.*: expected a number from 0 to 1"):
        hs.LayerSpec(channels=4, plasticity="imprinting", whitened_share=share)


def test_once_it_whitens_or_no_longer_does_it_begins_anew(frames, tmp_path):
    net = motion()
    net.learn_one(frames[0])
    layer = net.layers[0]
    layer.spec = replace(layer.spec, whitened_share=0.25)  # of others: what it knows of patches stays
    assert int(layer.imprinting.steps) == 1
    layer.spec = replace(layer.spec, whitened_share=0.0)
    assert int(layer.imprinting.steps) == 0
    net.save(tmp_path / "net.safetensors")
    assert_same_nets(net, hs.load(tmp_path / "net.safetensors"))


def test_mirror_images_are_refused():
    with pytest.raises(ConfigurationError, match="mirror=True and plasticity='imprinting'"):
        motion(mirror=True)


def test_ranks_that_tell_averages_refuse_it(frames):
    net = motion(engine=LocalEngine())
    with pytest.raises(ConfigurationError, match="imprinting"):
        net.learn_one(frames[0])


def test_of_a_large_picture_the_kernels_copy_only_patches_that_are_looked_at(monkeypatch):
    copied = []
    monkeypatch.setattr(FusedForward, "patches", property(lambda forward: copied.append(forward)))
    net = hs.SoftHebbNet.from_preset("motion", width=4)
    for _ in range(2):
        net.learn_one(torch.rand(3, 80, 80))
    assert int(net.layers[1].imprinting.steps) == 2
    assert not copied
