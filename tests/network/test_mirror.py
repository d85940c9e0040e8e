import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.inspection._embedding import untrained_twin
from hebbstream.network.engine import PipelinedEngine


def network(**options):
    return hs.SoftHebbNet.from_preset("cifar10", width=4, seed=1, **{"mirror": True} | options)


@pytest.fixture
def frames():
    return torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_features_do_not_depend_on_which_way_a_thing_faces(frames):
    net = network()
    torch.testing.assert_close(net.transform_many(frames), net.transform_many(frames.flip(3)))
    assert not torch.allclose(net.transform_one(frames[0]), net.transform_one(frames[0].flip(1)))  # upside down


def test_a_step_learns_from_both_views(frames):
    mirrored, plain = network(), network(mirror=False)
    for frame in frames:
        features = mirrored.learn_one(frame)
        expected = plain.learn_many(torch.stack([frame, frame.flip(2)])).mean(dim=0)
        torch.testing.assert_close(features, expected)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(mirrored.layers, plain.layers, strict=True))
    assert mirrored.samples_seen == len(frames)


def test_uint8_in_either_layout_gives_the_same(frames):
    pixels = (255 * frames).to(torch.uint8)
    rows = np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())
    for learn in ("learn_many", "transform_many"):
        torch.testing.assert_close(getattr(network(), learn)(rows), getattr(network(), learn)(pixels))


def test_the_pipelined_engine_learns_the_same(frames):
    sequential, pipelined = network(), network(engine=PipelinedEngine())
    expected = [sequential.learn_one(frame) for frame in frames]
    torch.testing.assert_close(list(pipelined.learn_stream(frames)), expected)


def test_a_checkpoint_keeps_it(frames, tmp_path):
    net = network()
    net.learn_many(frames)
    net.save(tmp_path / "run.safetensors")
    loaded = hs.load(tmp_path / "run.safetensors")
    assert loaded.mirror
    assert torch.equal(loaded.learn_one(frames[0]), net.learn_one(frames[0]))
    assert untrained_twin(loaded, frames).mirror


@pytest.mark.parametrize("batch", [1, 5])
def test_the_onnx_model_agrees(frames, tmp_path, batch):
    net = network()
    net.learn_many(frames)
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx"))
    expected = net.transform_many(frames[:batch]).numpy()
    found = extractor.transform_many(frames[:batch].numpy())
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
