"""Scaling in the graph against torch's: every pixel counts, at the edges too, whatever the engine."""

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.export import OnnxExtractor, to_onnx


@pytest.fixture(scope="module")
def net(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4, mirror=True)
    for frame in frames[:5]:
        net.learn_one(frame)
    return net


@pytest.fixture(scope="module")
def extractor(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    return OnnxExtractor(
        to_onnx(net, path, input_dtype="uint8", layout="NHWC", resize=True), providers=["CPUExecutionProvider"]
    )


@pytest.mark.parametrize("size", [(64, 64), (48, 97), (240, 320), (480, 640), (32, 32), (20, 21), (7, 300), (1, 1)])
def test_any_size_gives_what_torch_gives(net, extractor, size):
    pictures = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255
    scaled = torch.nn.functional.interpolate(images, (32, 32), mode="bilinear", antialias=True).clamp(0, 1)
    expected = net.transform_many(scaled).numpy()
    found = extractor.transform_many(pictures)
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_lower_precision_scales_too(net, frames, precision, tmp_path):
    options = {"input_dtype": "uint8", "layout": "NHWC", "resize": True, "precision": precision, "frames": frames}
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", **options), providers=["CPUExecutionProvider"])
    doubled = frames[0].repeat(2, axis=0).repeat(2, axis=1)
    images = torch.from_numpy(doubled).permute(2, 0, 1)[None] / 255
    scaled = torch.nn.functional.interpolate(images, (32, 32), mode="bilinear", antialias=True)[0].clamp(0, 1)
    expected = net.transform_one(scaled).numpy()
    assert np.linalg.norm(extractor.transform_one(doubled) - expected) <= 0.15 * np.linalg.norm(expected)
