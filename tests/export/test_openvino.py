"""Exported models on OpenVINO: the same numbers as torch, with none of hebbstream's code at inference."""

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.export import to_onnx

openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")


@pytest.fixture(scope="module")
def core():
    core = openvino.Core()
    # Plugins may choose half precision or bfloat16 by themselves where the processor is fast at it.
    core.set_property("CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return core


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


def run(core, path, frames):
    compiled = core.compile_model(core.read_model(path), "CPU")
    results = compiled({"frames": frames})
    return {output.any_name: values for output, values in results.items()}


@pytest.mark.parametrize(
    ("name", "changes", "tolerance"),
    [
        ("cifar10", {"width": 4}, 1e-4),
        ("cifar10", {"width": 4, "mirror": True}, 1e-4),
        ("mnist", {"width": 4}, 1e-4),
        # A softmax of activities near a thousand: torch itself is 1e-4 away from float64.
        ("mnist-dense", {"width": 16}, 1e-3),
        ("stl10", {"width": 2, "width_factor": 2}, 1e-4),
        ("imagenet160", {"width": 2, "width_factor": 2}, 1e-4),
    ],
)
def test_every_preset_gives_what_torch_gives(core, name, changes, tolerance, tmp_path):
    net = hs.SoftHebbNet.from_preset(name, **changes)
    side, channels = hs.PRESETS[name].image_size, net.in_channels
    images = np.random.default_rng(0).random((16, channels, side, side), dtype=np.float32)
    for image in images[:5]:
        net.learn_one(image)
    path = to_onnx(net, tmp_path / "net.onnx")
    for batch in (1, 3, 16):
        found = run(core, path, images[:batch])["features"]
        assert relative(found, net.transform_many(images[:batch]).numpy()) <= tolerance


@pytest.mark.parametrize("resize", [False, True])
def test_labels_of_real_frames_as_a_camera_gives_them(core, labelled, resize, tmp_path):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=8), LinearProbe()
    hs.learn(net, labelled[:250], probe, progress=False)
    path = to_onnx(net, tmp_path / "net.onnx", probe, input_dtype="uint8", layout="NHWC", resize=resize)
    with open_video(CLIP, size=(48, 64) if resize else 32) as stream:
        frames = np.stack([sample.x for _, sample in zip(range(16), stream, strict=False)])
    images = torch.from_numpy(frames).permute(0, 3, 1, 2) / 255
    scaled = torch.nn.functional.interpolate(images, (32, 32), mode="bilinear", antialias=True).clamp(0, 1)
    expected = net.transform_many(scaled)
    for batch in (1, 3, 16):
        found = run(core, path, frames[:batch])
        assert relative(found["features"], expected[:batch].numpy()) <= 1e-4
        for features, probabilities in zip(expected, found["probabilities"], strict=False):
            assert probabilities == pytest.approx(list(probe.predict_proba_one(features).values()), abs=1e-3)
