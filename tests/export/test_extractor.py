"""`OnnxExtractor`: what it takes and gives, where it runs, and what it refuses to open."""

import json
import logging

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe, OnnxTransformer
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.export import _runtime as runtime_module
from hebbstream.export._contract import Contract
from hebbstream.export._seal import _checksum, seal
from hebbstream.export._to_onnx import export_model


@pytest.fixture(scope="module")
def net(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    net.learn_many(frames[:3])
    return net


@pytest.fixture(scope="module")
def exported(net):
    return export_model(net, input_dtype="uint8", layout="NHWC")


@pytest.fixture(scope="module")
def extractor(exported):
    return OnnxExtractor(exported.data, threads=1)


class OnlyDlpack:
    """An array of a library that speaks DLPack and nothing else."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __dlpack__(self, **options):
        return self.tensor.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.tensor.__dlpack_device__()


def test_what_goes_in_comes_out(net, extractor, frames):
    expected = net.transform_many(frames[:4])
    arrays, tensors = extractor.transform_many(frames[:4]), extractor.transform_many(torch.from_numpy(frames[:4]))
    foreign = extractor.transform_many(OnlyDlpack(torch.from_numpy(frames[:4])))
    assert isinstance(arrays, np.ndarray)
    assert isinstance(tensors, torch.Tensor)
    assert isinstance(foreign, torch.Tensor)
    torch.testing.assert_close(tensors, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(arrays, tensors.numpy())
    np.testing.assert_array_equal(arrays, foreign.numpy())
    np.testing.assert_array_equal(extractor.transform_one(frames[0]).shape, (1024,))


@pytest.mark.parametrize(("input_dtype", "layout"), [("uint8", "NHWC"), ("float32", "NCHW"), ("float32", "NHWC")])
def test_frames_of_the_models_own_type_and_layout_are_not_copied(net, frames, monkeypatch, input_dtype, layout):
    extractor = OnnxExtractor(export_model(net, input_dtype=input_dtype, layout=layout).data, threads=1)
    seen = []
    run = extractor._shared.run
    monkeypatch.setattr(
        type(extractor._shared), "run", lambda self, outputs, batch: seen.append(batch) or run(outputs, batch)
    )
    batch = torch.from_numpy(frames[:4].copy())
    batch = batch if input_dtype == "uint8" else batch / 255
    batch = batch if layout == "NHWC" else batch.permute(0, 3, 1, 2).contiguous()
    before = batch.clone()
    extractor.transform_many(batch)
    extractor.transform_many(batch.numpy())
    assert [tensor.data_ptr() for tensor in seen] == [batch.data_ptr()] * 2
    assert (batch == before).all()


def test_results_stay_what_they_were_when_more_is_computed(extractor, frames):
    first = extractor.transform_many(torch.from_numpy(frames[:2]))
    before = first.clone()
    for start in range(0, 40, 2):
        extractor.transform_many(torch.from_numpy(frames[start : start + 2]))
    assert (first == before).all()


def test_a_stream_in_batches_keeps_its_samples(net, extractor, frames):
    stream = [hs.Sample(frame, y=number % 3, source=f"camera {number % 2}") for number, frame in enumerate(frames[:7])]
    for batch in (1, 3, 7, 10):
        found = list(extractor.transform_stream(iter(stream), batch=batch))
        assert [sample for sample, _ in found] == stream
        np.testing.assert_allclose([f for _, f in found], net.transform_many(frames[:7]), rtol=1e-3, atol=1e-3)
    for wrong in (0, 2.5):
        with pytest.raises(errors.ConfigurationError, match=f"batch={wrong}"):
            next(extractor.transform_stream(stream, batch=wrong))
    with pytest.raises(errors.InputError, match=r"shapes \(32, 32, 3\) and \(8, 8, 3\) in one batch"):
        next(extractor.transform_stream([frames[0], frames[0, :8, :8]], batch=2))
    with pytest.raises(errors.InputError, match=r"in one batch .*: expected one kind and shape"):
        next(extractor.transform_stream([torch.from_numpy(frames[0]), frames[1]], batch=2))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("options", [{}, {"resize": True}, {"feature_map": True}, {"resize": True, "layout": "NHWC"}])
def test_signals_are_taken_as_the_network_takes_them(channels, options):
    net = hs.SoftHebbNet.from_preset("signal", in_channels=channels, width=4)
    signals = np.random.default_rng(0).normal(size=(6, channels, 100)).astype(np.float32)
    net.learn_many(signals)
    extractor = OnnxExtractor(export_model(net, **options).data, ["cpu"])
    for signal in (signals[0], signals[0].T, signals[0, 0])[: 3 if channels == 1 else 2]:
        found, expected = np.ravel(extractor.transform_one(signal)), net.transform_one(signal)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert len(extractor.transform_many(signals)) == 6


def test_pictures_of_a_network_that_looks_along_rows_stay_pictures(frames):
    spec = hs.LayerSpec(channels=4, kernel_size=(1, 3), pool_size=(1, 2), pool_stride=(1, 2))
    net = hs.SoftHebbNet([spec], 3)
    net.learn_many(frames[:3])
    for options in ({"resize": True}, {"feature_map": True}):
        extractor = OnnxExtractor(export_model(net, **options).data, ["cpu"])
        found = extractor.transform_many(frames[:2]).reshape(2, -1)
        np.testing.assert_allclose(found, net.transform_many(frames[:2]), rtol=1e-3, atol=1e-3)


def test_input_that_the_model_does_not_read_is_refused(extractor, net, frames):
    with pytest.raises(errors.DtypeError, match="this model reads uint8"):
        extractor.transform_one(frames[0] / np.float32(255))
    with pytest.raises(errors.ImageSizeError, match="32×32"):
        extractor.transform_one(np.zeros((31, 32, 3), np.uint8))
    with pytest.raises(errors.RankError):
        extractor.transform_many(frames[0])
    with pytest.raises(errors.ChannelError):
        extractor.transform_one(np.zeros((32, 32, 4), np.uint8))
    with pytest.raises(errors.DtypeError):
        extractor.transform_one(frames[0].astype(np.int16))
    floats = OnnxExtractor(export_model(net).data)
    for bad, error in ((np.nan, errors.NonFiniteError), (np.inf, errors.NonFiniteError), (1.5, errors.ValueRangeError)):
        frame = np.full((3, 32, 32), bad, np.float32)
        with pytest.raises(error):
            floats.transform_one(frame)
    with pytest.raises(errors.InputError, match="cannot run on it"):
        OnnxExtractor(export_model(net, feature_map=True).data).transform_one(np.zeros((3, 3, 3), np.uint8))
    with pytest.raises(errors.ConfigurationError, match="without a probe"):
        extractor.predict_proba_one(frames[0])


def test_a_provider_that_cannot_be_had_is_said_aloud(exported, monkeypatch, caplog):
    with pytest.raises(errors.ConfigurationError, match=r"provider 'GPU'.*CPUExecutionProvider.*hebbstream\[gpu\]"):
        OnnxExtractor(exported.data, ["GPU"])
    for wrong in (0, 1.5, "2", True, 10**10):
        with pytest.raises(errors.ConfigurationError, match=f"threads={wrong!r}: expected a"):
            OnnxExtractor(exported.data, threads=wrong)
    assert OnnxExtractor(exported.data, "cpu").providers == ["CPUExecutionProvider"]
    with pytest.raises(errors.ConfigurationError, match=r"providers=\[\]"):
        OnnxExtractor(exported.data, [])
    # As of onnxruntime-gpu on a machine without a GPU: it lists the provider, and falls back.
    import onnxruntime

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda model, options, providers: real(model, options, providers=["CPUExecutionProvider"]),
    )
    with caplog.at_level(logging.WARNING, "hebbstream.export"):
        assert OnnxExtractor(exported.data, ["cuda", "cpu"]).providers == ["CPUExecutionProvider"]
    assert "cannot use CUDAExecutionProvider here and runs on CPUExecutionProvider" in caplog.text
    assert "hebbstream[gpu]" in caplog.text


def test_a_gpu_that_the_runtime_is_not_built_for_is_said_aloud(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with caplog.at_level(logging.WARNING, "hebbstream.export"):
        assert runtime_module._wanted(None, ["CPUExecutionProvider"]) == ["CPUExecutionProvider"]
    assert "built for the CPU alone" in caplog.text


def test_without_onnx_runtime_the_error_names_the_extras(exported, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(errors.MissingDependencyError, match=r"hebbstream\[cpu\].*hebbstream\[gpu\]"):
        OnnxExtractor(exported.data)


def test_a_river_pipeline_on_a_model(net, exported, frames, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(exported.data)
    pipeline = OnnxTransformer(str(path)) | LinearProbe()
    for number, frame in enumerate(frames[:10]):
        pipeline.learn_one(frame, number % 2)
    assert set(pipeline.predict_proba_one(frames[0])) == {0, 1}
    features = OnnxTransformer(str(path)).transform_one(frames[0])
    np.testing.assert_allclose(features.tensor, net.transform_one(frames[0]), rtol=1e-3, atol=1e-3)
    assert len(features) == 1024
    assert OnnxTransformer(str(path)).transform_many(frames[:3]).shape == (3, 1024)
    clone = pipeline.clone()
    assert clone["OnnxTransformer"].path == str(path)


def test_truncated_models_are_refused(exported, tmp_path):
    path = tmp_path / "net.onnx"
    for share in np.linspace(0, 0.999, 40):
        path.write_bytes(exported.data[: int(share * len(exported.data))])
        with pytest.raises(errors.CorruptModelError, match=str(path)):
            OnnxExtractor(path)


def test_flipped_bits_are_refused_or_change_nothing(exported, extractor, frames):
    expected, generator = extractor.transform_one(frames[0]), np.random.default_rng(0)
    structure = len(exported.data) - exported.data.index(b"hebbstream-model-1") + 3000
    places = np.concatenate(
        [generator.integers(0, len(exported.data), 150), len(exported.data) - generator.integers(0, structure, 150)]
    )
    refused = 0
    for place, bit in zip(places % len(exported.data), generator.integers(0, 8, 300), strict=True):
        damaged = bytearray(exported.data)
        damaged[place] ^= 1 << bit
        try:
            found = OnnxExtractor(bytes(damaged), threads=1)
        except errors.CorruptModelError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.transform_one(frames[0]), expected)
    assert refused >= 290


def test_a_changed_description_is_refused(exported):
    changed = exported.data.replace(b'"samples_seen": 3', b'"samples_seen": 4')
    assert changed != exported.data
    with pytest.raises(errors.CorruptModelError, match="its checksum does not match"):
        OnnxExtractor(changed)


def test_what_is_no_model_of_ours_is_refused(tmp_path):
    with pytest.raises(errors.ModelNotFoundError):
        OnnxExtractor(tmp_path / "none.onnx")
    with pytest.raises(errors.ModelNotFoundError):
        OnnxExtractor("x" * 5000)
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(errors.CorruptModelError):
        OnnxExtractor(tmp_path / "junk.onnx")
    node = onnx.helper.make_node("Identity", ["x"], ["features"])
    values = [onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "features")]
    other = onnx.helper.make_model(onnx.helper.make_graph([node], "other", values[:1], values[1:]))
    with pytest.raises(errors.CorruptModelError, match="of other origin"):
        OnnxExtractor(other.SerializeToString())


def _external(model, folder):
    tensor = model.graph.initializer[0]
    raw = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../secret.bin"), ("offset", "0"), ("length", str(len(raw)))):
        tensor.external_data.add(key=key, value=value)
    (folder / "secret.bin").write_bytes(raw)


def _other_operator(model, folder):
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "Sigmoid"


def _operator_of_others(model, folder):
    next(node for node in model.graph.node if node.op_type == "Relu").domain = "com.microsoft"


def _function(model, folder):
    model.functions.add(name="Relu", domain="", output=["y"])


def _training(model, folder):
    model.training_info.add()


def _constant(model, folder):
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.attribute.add(name="value", type=onnx.AttributeProto.TENSOR)


def _other_output(model, folder):
    model.graph.node[-1].output[0] = model.graph.output[0].name = "else"


def _unprintable_name(model, folder):
    model.graph.node[0].name = "\x1b]0;a title\x07"


@pytest.mark.parametrize(
    "forge",
    [
        _external,
        _other_operator,
        _operator_of_others,
        _function,
        _training,
        _constant,
        _other_output,
        _unprintable_name,
    ],
)
def test_forged_models_with_a_right_checksum_are_refused(exported, forge, tmp_path, monkeypatch):
    model = onnx.load_model_from_string(exported.data)
    folder = tmp_path / "models"
    folder.mkdir()
    forge(model, tmp_path)
    monkeypatch.setattr(onnx.checker, "check_model", lambda *arguments, **options: None)
    (folder / "net.onnx").write_bytes(seal(model, exported.contract))
    with pytest.raises(errors.CorruptModelError, match=r"expected all in one|ours never have|not what its description"):
        OnnxExtractor(folder / "net.onnx")


def test_a_description_that_is_no_object_is_refused():
    with pytest.raises(errors.CorruptModelError, match="model of format 'list'"):
        Contract.from_properties({"hebbstream": "[]"})


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ({"outputs": []}, "expected .*'scores'"),
        ({"outputs": ["features"]}, "expected .*'scores'"),
        ({"classes": ["a"]}, "2 features and 1 classes"),
        ({"classes": {"a": 1}}, "2 features and 1 classes"),
        ({"classes": [["a"], ["b"]]}, "expected texts and numbers"),
        ({"classes": ["a", "a"]}, "expected each once"),
        ({"classes": ["a", None]}, "expected texts and numbers"),
        ({"preset": ["video"]}, "expected texts"),
        ({"hebbstream_version": 1}, "expected texts"),
        ({"features": 3}, "3 features and 2 classes"),
        ({"layers": [True]}, "expected positive integers"),
        ({"samples_seen": "many"}, "samples_seen='many'"),
        ({"min_confidence": True}, "min_confidence=True"),
        ({"name": "\x1b[31m"}, "expected one of frames"),
        ({"dtype": "uint8"}, "frames: uint8"),
        ({"height": 10**6, "width": 10**6}, r"\(batch, 1, 1000000, 1000000\)"),
        ({"channels": True}, "expected positive integers"),
        ({"value_range": [0, 10**400]}, "OverflowError"),
        ({"channel_names": [1]}, r"channel_names \[1\]"),
        ({"sample_rate": True}, "sample_rate=True"),
    ],
)
def test_a_forged_description_with_a_right_checksum_is_refused(said, match):
    probe = hs.SoftmaxProbe()
    net = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 1)
    for label in ("a", "b"):
        probe.learn_one(net.learn_one(np.ones((1, 3, 3), np.float32)), label)
    model = onnx.load_model_from_string(export_model(net, probe).data)
    entries = {entry.key: entry for entry in model.metadata_props}
    told = json.loads(entries["hebbstream"].value)
    (told if said.keys() <= told.keys() else told["input"]).update(said)
    entries["hebbstream"].value = json.dumps(told)
    entries["checksum"].value = _checksum(model)
    with pytest.raises(errors.CorruptModelError, match=match):
        OnnxExtractor(model.SerializeToString())


@pytest.mark.parametrize("text", [b"samples_seen", b"frames: "], ids=["a key", "a value"])
def test_text_that_is_no_longer_utf_8_is_refused(exported, text):
    before, found, after = exported.data.rpartition(text)
    with pytest.raises(errors.CorruptModelError, match="damaged"):
        OnnxExtractor(before + b"\xff" + found[1:] + after)


def test_a_description_too_deep_to_be_read_is_refused(exported):
    model = onnx.load_model_from_string(exported.data)
    next(entry for entry in model.metadata_props if entry.key == "hebbstream").value = "[" * 100_000
    with pytest.raises(errors.CorruptModelError, match="damaged description"):
        OnnxExtractor(model.SerializeToString())


@pytest.mark.cuda
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_on_a_gpu_frames_and_features_stay_there(net, exported, frames, cuda_graph):
    extractor = OnnxExtractor(exported.data, ["cuda"], cuda_graph=cuda_graph)
    assert extractor.providers[0] == "CUDAExecutionProvider"
    for batch in (1, 4, 1):
        found = extractor.transform_many(torch.from_numpy(frames[:batch]).cuda())
        assert found.is_cuda
        on_host = extractor.transform_many(frames[batch : 2 * batch])
        np.testing.assert_allclose(on_host, net.transform_many(frames[batch : 2 * batch]), rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(found.cpu(), net.transform_many(frames[:batch]), rtol=1e-3, atol=1e-3)


def test_to_onnx_and_the_path(net, tmp_path):
    assert OnnxExtractor(str(to_onnx(net, tmp_path / "net.onnx"))).contract.samples_seen == 3
