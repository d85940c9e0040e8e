import numpy as np
import onnx
import pytest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.export import OnnxExtractor, to_onnx


def relative(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="module")
def learned(labelled):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=16), LinearProbe()
    hs.learn(net, labelled, probe, progress=False)
    return net, probe


def test_features_and_probabilities_agree_with_torch_on_real_frames(learned, frames, tmp_path):
    net, probe = learned
    weights = net.layers[0].weight.clone()
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", probe), providers=["CPUExecutionProvider"])
    assert (net.layers[0].weight == weights).all()
    for frame in frames:
        expected = net.transform_one(frame)
        assert relative(extractor.transform_one(frame), expected.numpy()) <= 1e-4
        found = extractor.predict_proba_one(frame)
        for label, probability in probe.predict_proba_one(expected).items():
            assert found[label] == pytest.approx(probability, abs=1e-3)
    for start in range(0, 98, 7):
        batch = frames[start : start + 7]
        expected = net.transform_many(batch).numpy()
        assert relative(extractor.transform_many(batch), expected) <= 1e-4
        np.testing.assert_allclose(
            extractor.transform_many(batch)[3], extractor.transform_one(batch[3]), rtol=1e-3, atol=1e-3
        )


def test_agreement_on_another_video_and_an_oblong_frame(learned, data, tmp_path):
    net, _ = learned
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", size=(24, 40)))
    with open_video(data / "video" / "carphone_pristine.mp4", size=(24, 40)) as stream:
        frames = np.stack([sample.x for _, sample in zip(range(100), stream, strict=False)])
    assert relative(extractor.transform_many(frames), net.transform_many(frames).numpy()) <= 1e-4


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mnist", {"width": 4}),
        ("mnist-dense", {"width": 16}),
        ("stl10", {"width": 2, "width_factor": 2}),
        ("imagenet160", {"width": 2, "width_factor": 2}),
        ("cifar10", {"width": 4, "normalization": "batch"}),
    ],
)
def test_every_preset_exports(name, changes, tmp_path):
    net = hs.SoftHebbNet.from_preset(name, **changes)
    side, channels = hs.PRESETS[name].image_size, net.in_channels
    images = np.random.default_rng(0).random((5, channels, side, side), dtype=np.float32)
    for image in images:
        net.learn_one(image)
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx"))
    assert relative(extractor.transform_many(images), net.transform_many(images).numpy()) <= 1e-4


@pytest.mark.parametrize("activation", ["triangle", "repu", "relu", "tanh", "softmax"])
def test_every_activation_exports(activation, frames, tmp_path):
    spec = hs.LayerSpec(channels=6, activation=activation, power=0.7, pool="none", activation_inverse_temperature=0.2)
    net = hs.SoftHebbNet([spec], 3)
    net.learn_one(frames[0])
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx"))
    assert relative(extractor.transform_many(frames[:3]), net.transform_many(frames[:3]).numpy()) <= 1e-4


def test_the_model_is_one_clean_described_file(learned, tmp_path):
    path = to_onnx(*_with_path(learned, tmp_path))
    assert [item.name for item in tmp_path.iterdir()] == ["net.onnx"]
    model = onnx.load(path)
    properties = {prop.key: prop.value for prop in model.metadata_props}
    assert properties["samples_seen"] == "400"
    assert properties["hebbstream_version"] == hs.__version__
    assert b".py" not in path.read_bytes()  # no source files of the machine that made it
    assert [len(value.type.tensor_type.shape.dim) for value in model.graph.output] == [2, 2]


def _with_path(learned, tmp_path):
    net, probe = learned
    return net, tmp_path / "net.onnx", probe


def test_what_cannot_be_exported_is_refused(learned, tmp_path):
    net, _ = learned
    with pytest.raises(errors.ConfigurationError, match="expected a size"):
        to_onnx(hs.SoftHebbNet.from_preset("cifar10", width=4), tmp_path / "net.onnx")
    with pytest.raises(errors.ImageSizeError):
        to_onnx(net, tmp_path / "net.onnx", size=4)
    with pytest.raises(errors.ConfigurationError, match="has learned from a label"):
        to_onnx(net, tmp_path / "net.onnx", hs.SoftmaxProbe())
    with pytest.raises(errors.OutputError):
        to_onnx(net, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_refused(learned, tmp_path):
    with pytest.raises(errors.SourceNotFoundError):
        OnnxExtractor(tmp_path / "none.onnx")
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(errors.CorruptCheckpointError):
        OnnxExtractor(tmp_path / "junk.onnx")
    path = to_onnx(learned[0], tmp_path / "net.onnx")
    with pytest.raises(errors.ConfigurationError, match="provider 'GPU'"):
        OnnxExtractor(path, providers=["GPU"])
    with pytest.raises(errors.ConfigurationError, match="without a probe"):
        OnnxExtractor(path).predict_proba_one(np.zeros((32, 32, 3), np.uint8))
