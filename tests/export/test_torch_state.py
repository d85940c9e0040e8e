"""Whatever a program has told torch, exporting gives the same model and extracting the same features."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from strategies import default_dtype

import hebbstream as hs
from hebbstream.adapters.river import OnnxTransformer
from hebbstream.export import ExportEvery, OnnxExtractor, follow, publish, to_onnx, verify
from hebbstream.export._to_onnx import export_model

FRAMES = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
OPTIONS = [
    {"input_dtype": "uint8", "layout": "NHWC", "resize": True},
    {"precision": "float16", "frames": FRAMES},
    {"precision": "int8", "frames": FRAMES / np.float32(255)},
]
PROBES = {
    "gradient": hs.SoftmaxProbe,
    "calibrated": lambda: hs.SoftmaxProbe(calibrate=True),
    "ridge": hs.RidgeProbe,
    "slda": hs.SldaProbe,
}


STATES = {
    "float64": lambda: default_dtype(torch.float64),
    "float16": lambda: default_dtype(torch.float16),
    "meta": lambda: torch.device("meta"),  # as set_default_device does
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
}


def learned(probe=None):
    specs = [hs.LayerSpec(channels=4), hs.LayerSpec(channels=8, activation="softmax")]
    net = hs.SoftHebbNet(specs, in_channels=3, mirror=True)
    net.learn_many(FRAMES)
    if probe is not None:
        for number, frame in enumerate(FRAMES):
            probe.learn_one(net.transform_one(frame), number % 2)
    return net


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_models_and_features_are_the_same(state):
    net = learned()
    expected = [export_model(net, **options).data for options in OPTIONS]
    extractors = [OnnxExtractor(data, ["cpu"], threads=1) for data in expected]
    with state():
        tensors = torch.from_numpy(FRAMES)
        assert [export_model(net, **options).data for options in OPTIONS] == expected
        for data, extractor in zip(expected, extractors, strict=True):
            features = OnnxExtractor(data, ["cpu"], threads=1).transform_many(tensors)
            assert features.dtype == torch.float32
            np.testing.assert_array_equal(features.numpy(), extractor.transform_many(FRAMES))
    # Tensors of inference mode may be used after it.
    np.testing.assert_array_equal(extractors[0].transform_many(tensors), extractors[0].transform_many(FRAMES))


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("make", PROBES.values(), ids=PROBES)
def test_probabilities_are_the_same(state, make):
    probe = make()
    net = learned(probe)
    expected = export_model(net, probe).data
    extractor = OnnxExtractor(expected, ["cpu"], threads=1)
    with state():
        assert export_model(net, probe).data == expected
        found = OnnxExtractor(expected, ["cpu"], threads=1)
        assert found.predict_proba_one(FRAMES[0]) == extractor.predict_proba_one(FRAMES[0])


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_publishing_following_and_verifying(state, tmp_path):
    probe = hs.SoftmaxProbe()
    net = learned(probe)
    with state():
        path = publish(net, tmp_path / "net.json", probe)
        with follow(tmp_path / "net.json", ["cpu"], every_seconds=0.01) as following:
            net.samples_seen += 1
            publish(net, tmp_path / "net.json", probe)
            following.refresh()
            assert following.transform_one(FRAMES[0]).shape == (128,)
        net.samples_seen -= 1
        found = verify(path, FRAMES, net, probe, providers=["cpu"], seconds=0.001)
    assert found.greatest < 1e-5
    assert found.same_label == 1


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_a_river_transformer_gives_the_same(state, tmp_path):
    transformer = OnnxTransformer(str(to_onnx(learned(), tmp_path / "net.onnx")), ["cpu"], threads=1)
    expected = transformer.transform_one(FRAMES[0])
    with state():
        assert transformer.transform_one(FRAMES[0]) == expected
        assert transformer.transform_many(FRAMES).shape == (4, len(expected))


@pytest.mark.parametrize("state", [STATES[name] for name in STATES if name != "float16"])
def test_a_learner_publishes(state, tmp_path):
    def models(folder, state):
        net, callback = learned(), ExportEvery(folder / "net.json", every_samples=2, precision="float16")
        with state():
            hs.learn(net, FRAMES, callbacks=[callback], progress=False)
        return [path.read_bytes() for path in sorted(folder.glob("*.onnx"))]

    expected = models(tmp_path / "plain", nullcontext)
    assert models(tmp_path / "other", state) == expected
    assert len(expected) == 2
