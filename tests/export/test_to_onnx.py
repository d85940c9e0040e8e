"""What `to_onnx` writes: that it computes what the network computes, whatever it reads, and is one clean file."""

import errno
import math
import re
import tempfile

import numpy as np
import onnx
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.export._options import ERROR_LIMITS
from hebbstream.export._seal import OPERATORS
from hebbstream.export._to_onnx import export_model

PRESETS = {
    "cifar10": {"width": 4},
    "mnist": {"width": 4},
    "mnist-dense": {"width": 16},
    "stl10": {"width": 2, "width_factor": 2},
    "imagenet160": {"width": 2, "width_factor": 2},
}


def relative(found, expected):
    """The greatest difference on a frame, relative to its greatest feature."""
    difference = np.abs(np.asarray(found) - np.asarray(expected)).reshape(len(expected), -1).max(axis=1)
    return float((difference / np.abs(np.asarray(expected)).reshape(len(expected), -1).max(axis=1)).max())


def real_frames(name, count=200):
    preset = hs.PRESETS[name]
    with open_video(CLIP, size=preset.image_size, gray=preset.in_channels == 1, stride=9) as stream:
        frames = [sample.x for _, sample in zip(range(count), stream, strict=False)]
    assert len(frames) == count
    return np.stack(frames)


@pytest.fixture(scope="module")
def learned(labelled):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=16), LinearProbe()
    hs.learn(net, labelled, probe, progress=False)
    return net, probe


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_agrees_with_torch_on_real_frames_in_batches_of_1_3_and_16(name):
    net, frames = hs.SoftHebbNet.from_preset(name, **PRESETS[name]), real_frames(name)
    for frame in frames[:20]:
        net.learn_one(frame)
    # Of the dense layer's long initial weights, sums are in the hundreds: their last bits, which depend on the order in which
    # a processor adds, are thousandths of a softmax.
    tolerance = 2e-3 if name == "mnist-dense" else 1e-4
    expected = net.transform_many(frames).numpy()
    extractor = OnnxExtractor(export_model(net, input_dtype="uint8", layout="NHWC").data, ["cpu"], threads=1)
    for batch in (1, 3, 16):
        found = np.concatenate([extractor.transform_many(frames[i : i + batch]) for i in range(0, 200, batch)])
        assert relative(found, expected) <= tolerance


def test_features_and_probabilities_agree_with_torch(learned, frames, tmp_path):
    net, probe = learned
    weights = net.layers[0].weight.clone()
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", probe), providers=["CPUExecutionProvider"])
    assert (net.layers[0].weight == weights).all()
    for frame in frames[:30]:
        expected = net.transform_one(frame)
        assert relative(extractor.transform_one(frame)[None], expected[None]) <= 1e-4
        found = extractor.predict_proba_one(frame)
        for label, probability in probe.predict_proba_one(expected).items():
            assert found[label] == pytest.approx(probability, abs=1e-3)
        assert extractor.predict_one(frame) == probe.predict_one(expected)


@pytest.mark.parametrize("input_dtype", ["float32", "uint8"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("mirror", [False, True])
def test_every_kind_of_input_gives_the_same_features(frames, input_dtype, layout, resize, mirror):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4, mirror=mirror)
    net.learn_many(frames[:2])
    exported = export_model(net, input_dtype=input_dtype, layout=layout, resize=resize)
    (taken,) = onnx.load_model_from_string(exported.data).graph.input
    names = [dim.dim_param or dim.dim_value for dim in taken.type.tensor_type.shape.dim]
    size = ["height", "width"] if resize else [32, 32]
    assert names == (["batch", 3, *size] if layout == "NCHW" else ["batch", *size, 3])
    assert relative(OnnxExtractor(exported.data).transform_many(frames[:7]), net.transform_many(frames[:7])) <= 1e-4


def test_resizing_is_that_of_torch_with_smoothing(learned, data):
    net, _ = learned
    with open_video(data / "video" / "carphone_pristine.mp4") as stream:
        large = np.stack([sample.x for _, sample in zip(range(3), stream, strict=False)])
    pixels = torch.from_numpy(large).permute(0, 3, 1, 2) / 255
    small = torch.nn.functional.interpolate(pixels, size=(24, 40), mode="bilinear", antialias=True).clamp(0, 1)
    model = export_model(net, size=(24, 40), input_dtype="uint8", layout="NHWC", resize=True).data
    assert relative(OnnxExtractor(model).transform_many(large), net.transform_many(small)) <= 1e-4


def test_an_oblong_frame(learned, data):
    net, _ = learned
    with open_video(data / "video" / "carphone_pristine.mp4", size=(24, 40)) as stream:
        frames = np.stack([sample.x for _, sample in zip(range(20), stream, strict=False)])
    extractor = OnnxExtractor(export_model(net, size=(24, 40)).data)
    assert relative(extractor.transform_many(frames), net.transform_many(frames)) <= 1e-4


@pytest.mark.parametrize("height_width", [(32, 32), (47, 30)])
def test_feature_maps_of_frames_of_any_size(learned, height_width):
    net, _ = learned
    frames = np.random.default_rng(0).integers(0, 256, (2, *height_width, 3), np.uint8)
    extractor = OnnxExtractor(export_model(net, feature_map=True, input_dtype="uint8").data)
    found = extractor.transform_many(frames)
    assert found.shape == (2, *net.output_shape(*height_width))
    assert relative(found.reshape(2, -1), net.transform_many(frames)) <= 1e-4


@pytest.mark.parametrize("activation", ["triangle", "repu", "relu", "tanh", "softmax"])
@pytest.mark.parametrize("pool", ["max", "avg", "time_avg", "none"])
def test_every_activation_and_pooling_exports(activation, pool, frames):
    spec = hs.LayerSpec(
        channels=6,
        activation=activation,
        power=0.7,
        pool=pool,
        pool_padding=int(pool != "none"),
        activation_inverse_temperature=0.2,
    )
    net = hs.SoftHebbNet([spec], 3)
    net.learn_one(frames[0])
    extractor = OnnxExtractor(export_model(net).data)
    assert relative(extractor.transform_many(frames[:3]), net.transform_many(frames[:3])) <= 1e-4


def in_precision(net, precision, frames, **options):
    """What a model gives of frames that its network has learned, which is what that gives, as near as may be."""
    net.learn_many(frames)
    lower = {} if precision == "float32" else {"precision": precision, "frames": frames}
    found = OnnxExtractor(export_model(net, **options, **lower).data).transform_many(frames)
    limit = {"float32": 1e-4, "float16": 0.01, "int8": 0.2}[precision]
    assert relative(found.reshape(len(frames), -1), net.transform_many(frames)) <= limit
    return found


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize(("average_size", "positions"), [(2, 4 * 4), ((3, 1), 2 * 8)])
def test_averages_of_what_is_pooled_in_every_precision(average_size, positions, precision, frames):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8), hs.LayerSpec(channels=64, average_size=average_size)], 3)
    assert in_precision(net, precision, frames).shape[1] == 64 * positions


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_maps_of_what_is_averaged_over_time_in_every_precision(precision, frames):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8), hs.LayerSpec(channels=64, pool="time_avg")], 3)
    assert in_precision(net, precision, frames, feature_map=True).shape[1:] == (64, 8, 1)


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
@pytest.mark.parametrize("changes", [{"power": 1.0}, {"power": 2.0, "radius": 100.0}], ids=str)
def test_outputs_of_unit_length_in_every_precision(changes, precision, frames):
    layers = [hs.LayerSpec(channels=8, unit_length=True), hs.LayerSpec(channels=64, unit_length=True, **changes)]
    found = in_precision(hs.SoftHebbNet(layers, 3), precision, frames)
    assert np.linalg.norm(found.reshape(len(frames), 64, -1), axis=1) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("precision", ["float16", "int8"])
@pytest.mark.parametrize("input_dtype", ["float32", "uint8"])
def test_lower_precision_is_smaller_and_within_its_limit(learned, frames, labelled, precision, input_dtype):
    net, probe = learned
    whole = export_model(net, probe, input_dtype=input_dtype)
    lower = export_model(net, probe, input_dtype=input_dtype, precision=precision, frames=frames)
    assert 0 < lower.error <= ERROR_LIMITS[precision]
    weights = sum(layer.weight.numel() for layer in net.layers)
    assert len(whole.data) - len(lower.data) > 0.8 * weights * (2 if precision == "float16" else 3)
    extractor = OnnxExtractor(lower.data)
    assert extractor.contract.precision == precision
    expected = net.transform_many(frames).numpy()
    distance = np.linalg.norm(extractor.transform_many(frames) - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert distance.mean() == pytest.approx(lower.error, rel=0.1)
    labels = [probe.predict_one(net.transform_one(sample.x)) for sample in labelled[:100]]
    found = [extractor.predict_one(sample.x) for sample in labelled[:100]]
    assert np.mean([a == b for a, b in zip(labels, found, strict=True)]) >= (0.99 if precision == "float16" else 0.9)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(errors.ConfigurationError, match="net of type str: expected a SoftHebbNet"):
        to_onnx("net.safetensors", tmp_path / "net.onnx")


def test_precision_that_costs_too_much_is_refused_unless_one_insists(learned, frames, tmp_path):
    net, _ = learned
    options = {"precision": "int8", "frames": frames[:10]}
    with pytest.raises(errors.PrecisionError, match=r"differ from float32's by .*%.* expected at most 0.1%"):
        to_onnx(net, tmp_path / "net.onnx", error_limit=0.001, **options)
    assert list(tmp_path.iterdir()) == []
    to_onnx(net, tmp_path / "net.onnx", error_limit=math.inf, **options)
    wild = hs.SoftHebbNet([hs.LayerSpec(channels=4, power=40.0)], 3)  # float16 ends at 65,504
    with pytest.raises(errors.PrecisionError, match="inf"):
        export_model(wild, size=32, precision="float16", frames=frames[:10])


def test_frames_of_nearly_one_value_calibrate_nothing_unless_one_insists(learned, frames):
    net, _ = learned
    options = {"precision": "int8", "frames": 5 + frames[:10] // 64}
    with pytest.raises(
        errors.ConfigurationError, match=r"frames of values from 0\.0\d* to 0\.0\d*: expected more contrast"
    ):
        export_model(net, **options)
    assert export_model(net, error_limit=math.inf, **options).contract.precision == "int8"


def test_a_full_folder_for_temporary_files_is_named(learned, frames, monkeypatch):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("onnxruntime.quantization.quantize_static", full)
    with pytest.raises(errors.OutputError, match=f"{tempfile.gettempdir()}, .*: No space left on device"):
        export_model(learned[0], precision="int8", frames=frames[:3])


def test_frames_that_cannot_be_read_are_not_blamed_on_the_output(learned, tmp_path):
    net, _ = learned
    missing = (np.load(path) for path in [tmp_path / "missing.npy"])
    with pytest.raises(FileNotFoundError, match=r"missing\.npy"):
        to_onnx(net, tmp_path / "net.onnx", precision="int8", frames=missing)
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_told_in_digits_that_tell_it_from_its_limit(learned, frames):
    net, _ = learned
    options = {"precision": "float16", "frames": frames[:4]}
    error = export_model(net, **options).error
    for limit in (error * 0.9999, error * 0.99999, error / 2, 0):
        with pytest.raises(errors.PrecisionError) as caught:
            export_model(net, error_limit=limit, **options)
        found, expected = (float(number) for number in re.findall(r"([0-9.e-]+)%", str(caught.value)))
        assert expected == pytest.approx(100 * limit)
        assert found > expected


def test_frames_are_asked_for_only_where_they_are_used(learned, frames, tmp_path):
    net, probe = learned
    model = to_onnx(net, tmp_path / "net.onnx", probe, precision="float16", error_limit=math.inf)
    assert model.read_bytes() == export_model(net, probe, precision="float16", frames=frames[:4]).data
    assert math.isnan(export_model(net, precision="float16", error_limit=math.inf).error)
    assert export_model(net, precision="float16", error_limit=math.inf, frames=frames[:4]).error > 0
    for options in (
        {"precision": "float16"},
        {"precision": "float16", "error_limit": 1e9},
        {"precision": "int8", "error_limit": math.inf},
    ):
        with pytest.raises(errors.ConfigurationError, match="without frames: expected some to"):
            export_model(net, **options)


@pytest.mark.parametrize(
    ("input_range", "input_dtype", "expected"),
    [
        ((0.0, 1.0), "uint8", (0.0, 255.0)),
        ((0.0, 1.0), "float32", (0.0, 1.0)),
        ((-1.0, 2.5), "float32", (-1.0, 2.5)),
        (None, "float32", None),
    ],
)
@pytest.mark.parametrize("resize", [False, True])
def test_the_range_told_is_that_of_what_the_model_reads(input_range, input_dtype, expected, resize):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3, input_range=input_range)
    data = export_model(net, size=8, input_dtype=input_dtype, resize=resize).data
    taken = OnnxExtractor(data).contract.input
    assert taken.value_range == expected
    told = "any value" if expected is None else f"{expected[0]:g} to {expected[1]:g}"
    assert f"frames: {input_dtype}, {told}, (" in str(taken)


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ({"normalization": "stream"}, {}),
        ({"normalization": "whiten"}, {"precision": "float16", "error_limit": math.inf}),
        ({"normalization": "whiten_patches"}, {"layout": "NHWC", "resize": True}),
        ({"kernel_size": None, "pool": "none"}, {}),
    ],
)
@pytest.mark.parametrize("mirror", [False, True])
def test_a_channel_that_stays_far_from_0_takes_nothing_from_the_others(spec, options, mirror):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8, **spec)], 3, input_size=(6, 8), input_range=None, mirror=mirror)
    frames = np.random.default_rng(0).normal(size=(12, 6, 8, 3)).astype(np.float32)
    frames[..., 1] = 10637.3  # a sensor that is stuck, or the number of a device
    net.learn_many(frames)
    found = OnnxExtractor(export_model(net, **options).data, ["cpu"], threads=1).transform_many(frames)
    assert relative(found, net.transform_many(frames)) < (5e-3 if "precision" in options else 1e-5)


def test_the_model_is_one_clean_described_file(learned, tmp_path):
    net, probe = learned
    path = to_onnx(net, tmp_path / "net.onnx", probe)
    assert [item.name for item in tmp_path.iterdir()] == ["net.onnx"]
    model = onnx.load(path)
    properties = {prop.key: prop.value for prop in model.metadata_props}
    assert properties["samples_seen"] == "400"
    assert properties["preset"] == "cifar10"
    assert properties["hebbstream_version"] == hs.__version__
    assert properties["input"] == "frames: float32, 0 to 1, (batch, 3, 32, 32)"
    assert len(properties["checksum"]) == 64
    assert b".py" not in path.read_bytes()
    assert [value.name for value in model.graph.output] == ["features", "scores", "probabilities"]
    assert OnnxExtractor(path).contract.layers == (16, 64, 256)


@pytest.mark.parametrize(
    "options",
    [{}, {"resize": True, "layout": "NHWC", "input_dtype": "uint8"}, {"precision": "float16"}, {"precision": "int8"}],
)
def test_no_operator_that_cuda_lacks_and_none_of_control_flow(learned, frames, options):
    net, probe = learned
    model = onnx.load_model_from_string(export_model(net, probe, frames=frames[:4], **options).data)
    assert {node.op_type for node in model.graph.node} <= OPERATORS
    assert not {"Loop", "If", "Scan"} & OPERATORS
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]
    # CUDA pads floating-point numbers only.
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    padded = [types[node.output[0]] for node in model.graph.node if node.op_type == "Pad"]
    assert len(padded) == 3
    assert set(padded) <= {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}


def test_the_same_network_gives_the_same_bytes(learned):
    net, probe = learned
    assert export_model(net, probe).data == export_model(net, probe).data


def test_labels_keep_their_types(frames):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), hs.SoftmaxProbe(min_confidence=0.9)
    for frame, label in zip(frames, (3, "dog", True, 2.5), strict=False):
        probe.learn_one(net.learn_one(frame), label)
    extractor = OnnxExtractor(export_model(net, probe).data)
    assert extractor.classes == [3, "dog", True, 2.5]


def test_labels_are_text_where_json_has_no_word_for_them():
    net, probe = hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3), hs.SoftmaxProbe()
    for label in (("a", 1), math.inf):
        probe.learn_one(net.learn_one(np.zeros((3, 8, 8), np.float32)), label)
    assert OnnxExtractor(export_model(net, probe).data).classes == ["('a', 1)", "inf"]
    probe.learn_one(net.transform_one(np.zeros((3, 8, 8), np.float32)), "('a', 1)")
    with pytest.raises(
        errors.ConfigurationError, match=r"""labels \('a', 1\) and "\('a', 1\)": expected labels that"""
    ):
        export_model(net, probe)


def test_below_the_probes_confidence_there_is_no_label(frames):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), hs.SoftmaxProbe(min_confidence=0.9)
    for number, frame in enumerate(frames[:40]):
        probe.learn_one(net.learn_one(frame), number % 2)
    extractor = OnnxExtractor(export_model(net, probe).data)
    expected = [probe.predict_one(net.transform_one(frame)) for frame in frames]
    assert [extractor.predict_one(frame) for frame in frames] == expected
    assert set(expected) == {None, 0, 1}


def test_what_cannot_be_exported_is_refused(learned, frames, tmp_path):
    net, probe = learned
    path = tmp_path / "net.onnx"
    for match, arguments, options in (
        ("expected a size", (hs.SoftHebbNet.from_preset("cifar10", width=4),), {}),
        ("has learned from a label", (net, path, hs.SoftmaxProbe()), {}),
        ("a probe of 4096 features: expected 16384", (net, path, probe), {"size": 64}),
        ("layout='NHCW'", (net,), {"layout": "NHCW"}),
        ("input_dtype='uint16'", (net,), {"input_dtype": "uint16"}),
        ("precision='int4'", (net,), {"precision": "int4", "frames": frames}),
        ("precision='int8' without frames", (net,), {"precision": "int8"}),
        (r"frames=\[\]", (net,), {"precision": "int8", "frames": []}),
        ("feature_map=True with a probe", (net, path, probe), {"feature_map": True}),
        ("feature_map=True with resize", (net,), {"feature_map": True, "resize": True}),
        ("feature_map=True with a dense", (hs.SoftHebbNet.from_preset("mnist-dense", width=4),), {"feature_map": True}),
        ("size=0: expected", (net,), {"size": 0}),
        (r"size=\(24,\): expected", (net,), {"size": (24,)}),
        ("error_limit=nan: expected", (net,), {"error_limit": math.nan}),
        (
            "input_range=None",
            (hs.SoftHebbNet([hs.LayerSpec(channels=1)], 3, input_range=None),),
            {"input_dtype": "uint8"},
        ),
    ):
        with pytest.raises(errors.ConfigurationError, match=match):
            to_onnx(*(arguments if len(arguments) > 1 else (*arguments, path)), **options)
    with pytest.raises(errors.ImageSizeError):
        to_onnx(net, path, size=4)
    with pytest.raises(errors.OutputError):
        to_onnx(net, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_too_large_for_one_file_says_what_halves_it(monkeypatch):
    monkeypatch.setattr("hebbstream.export._seal._LARGEST", 1000)
    with pytest.raises(errors.ConfigurationError, match="precision='float16' halves it"):
        export_model(hs.SoftHebbNet.from_preset("cifar10", width=4), size=32)


def test_the_first_layer_of_a_whitened_network_keeps_its_precision_in_int8(frames):
    net = hs.SoftHebbNet.from_preset("video", width=8)
    net.learn_many(frames)
    exported = export_model(net, precision="int8", frames=frames)
    assert exported.error <= 0.12  # twice as much with eight bits in all layers
    stored = {tensor.name for tensor in onnx.load_from_string(exported.data).graph.initializer}
    assert {"layer1.weight", "layer2.weight_quantized", "layer3.weight_quantized"} <= stored


def test_a_network_that_has_diverged_does_not_replace_the_model_before(tmp_path):
    net, path = hs.SoftHebbNet.from_preset("mnist", width=4), tmp_path / "net.onnx"
    to_onnx(net, path, size=28)
    before = path.read_bytes()
    net.layers[0].weight_matrix.fill_(float("nan"))
    with pytest.raises(errors.ConfigurationError, match="layer 1 has diverged"):
        to_onnx(net, path, size=28)
    assert path.read_bytes() == before
