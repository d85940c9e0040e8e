"""Exported models on OpenVINO: the same numbers as torch, with none of hebbstream's code at inference."""

import numpy as np
import pytest

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe
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


def test_labels_of_real_frames(core, labelled, tmp_path):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=8), LinearProbe()
    hs.learn(net, labelled[:250], probe, progress=False)
    frames = np.stack([sample.x for sample in labelled[250:266]])
    inputs = frames.transpose(0, 3, 1, 2).astype(np.float32) / 255
    found = run(core, to_onnx(net, tmp_path / "net.onnx", probe), inputs)
    expected = net.transform_many(frames)
    assert relative(found["features"], expected.numpy()) <= 1e-4
    for features, probabilities in zip(expected, found["probabilities"], strict=True):
        assert probabilities == pytest.approx(list(probe.predict_proba_one(features).values()), abs=1e-3)
