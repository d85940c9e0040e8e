"""Layers for signals: what they take, and that engines, files, models and pictures know them."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors, inspection
from hebbstream.export import OnnxExtractor
from hebbstream.export._to_onnx import export_model
from hebbstream.inspection import _figures as figures
from hebbstream.inspection._fields import receptive_fields
from hebbstream.network._folded import fold_normalisation
from hebbstream.network.engine import PipelinedEngine

FIRST = hs.LayerSpec(
    channels=8, kernel_size=(1, 9), learning_rate=0.08, pool_size=(1, 4), pool_stride=(1, 2), pool_padding=(0, 1)
)
SECOND = hs.LayerSpec(channels=12, kernel_size=(1, 3), pool="avg", pool_size=(1, 2), pool_stride=(1, 2))


NORMALIZATIONS = pytest.mark.parametrize("normalization", ["stream", "whiten_patches"])


def make_net(channels=3, normalization="stream", **options):
    return hs.SoftHebbNet(
        [replace(FIRST, normalization=normalization), SECOND], channels, input_range=None, seed=0, **options
    )


@pytest.fixture
def signals():
    return np.random.default_rng(0).standard_normal((12, 3, 60), dtype=np.float32)


def test_a_signal_is_channels_by_time_or_time_by_channels(signals):
    nets = [make_net() for _ in range(4)]
    x = signals[0]
    features = [
        net.learn_one(frame) for net, frame in zip(nets, (x, x.T, x[:, None], torch.from_numpy(x)), strict=True)
    ]
    for net, found in zip(nets[1:], features[1:], strict=True):
        assert torch.equal(features[0], found)
        assert torch.equal(nets[0].layers[1].weight, net.layers[1].weight)
    many = nets[0].transform_many(signals)
    assert torch.equal(many, nets[0].transform_many(signals.transpose(0, 2, 1)))
    torch.testing.assert_close(many[3], nets[0].transform_one(signals[3]), rtol=1e-5, atol=1e-5)


def test_an_average_over_time_is_as_long_for_any_length_and_does_not_say_when(signals):
    net = hs.SoftHebbNet([replace(SECOND, pool="time_avg")], 3, input_range=None)
    pulse = np.zeros((3, 60), np.float32)
    pulse[:, 20:30] = signals[0, :, :10]
    early = net.transform_one(pulse)
    assert early.shape == net.transform_one(pulse[:, :41]).shape == (12,)
    torch.testing.assert_close(net.transform_one(np.roll(pulse, 25, 1)), early)
    torch.testing.assert_close(60 * early, 40 * net.transform_one(pulse[:, 10:50]))


def test_a_signal_of_one_channel_needs_no_axis_for_it():
    x = np.random.default_rng(0).standard_normal((4, 50))
    net = make_net(channels=1)
    assert torch.equal(net.transform_one(x[0]), net.transform_one(x[:1]))
    assert torch.equal(net.transform_one(x[0]), net.transform_one(x[0][:, None]))
    assert torch.equal(net.transform_many(x), net.transform_many(x[:, None]))


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((5, 60), errors.RankError, r"frame of shape \(5, 60\): expected \(3, T\) or \(T, 3\)"),
        ((60,), errors.RankError, r"frame of shape \(60,\): expected \(3, T\) or \(T, 3\)"),
        ((3, 4), errors.ImageSizeError, "frame of 1×4 pixels: too small for layer 1"),
        ((3, 0), errors.ImageSizeError, "holds no values"),
    ],
)
def test_what_is_no_such_signal_is_refused(shape, error, message):
    net = make_net()
    before = net.layers[0].weight.clone()
    with pytest.raises(error, match=message):
        net.learn_one(np.zeros(shape))
    assert torch.equal(before, net.layers[0].weight)
    assert net.samples_seen == 0


def test_a_picture_is_still_no_signal():
    with pytest.raises(errors.RankError, match=r"expected \(3, H, W\) or \(H, W, 3\)"):
        hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3).learn_one(np.zeros((3, 60)))


def test_one_number_is_the_length_of_a_signal(signals):
    net = make_net(input_size=60)
    assert net.input_size == (1, 60)
    assert net.learn_one(signals[0]).shape == (12 * 15,)
    with pytest.raises(errors.ImageSizeError, match="frame of 1×59 pixels: this network was built for 1×60"):
        net.learn_one(signals[0, :, :59])


def test_a_kernel_of_one_row_holds_nothing_else():
    net = make_net()
    assert net.layers[0].weight.shape == (8, 3, 1, 9)
    assert net.layers[0].weight_matrix.numel() == 8 * 3 * 9
    assert repr(net.layers[0]) == "8 neurons of 1×9×3, max pooling 1×4/1×2"


@NORMALIZATIONS
@pytest.mark.parametrize("stages", [1, 2])
def test_the_pipelined_engine_learns_the_same(signals, stages, normalization):
    engine = PipelinedEngine(stages=stages)
    eager, pipelined = (
        make_net(normalization=normalization),
        make_net(normalization=normalization, engine=engine),
    )
    expected = [eager.learn_one(x) for x in signals]
    assert all(torch.equal(a, b) for a, b in zip(expected, pipelined.learn_stream(signals), strict=True))
    assert torch.equal(eager.layers[1].weight, pipelined.layers[1].weight)


@NORMALIZATIONS
def test_a_file_goes_on_exactly(signals, tmp_path, normalization):
    whole, half = (make_net(normalization=normalization) for _ in range(2))
    for x in signals[:6]:
        whole.learn_one(x)
        half.learn_one(x)
    half.save(tmp_path / "net.safetensors")
    loaded = hs.load(tmp_path / "net.safetensors")
    assert [layer.spec for layer in loaded.layers] == [layer.spec for layer in whole.layers]
    for x in signals[6:]:
        assert torch.equal(whole.learn_one(x), loaded.learn_one(x))


def test_a_specification_survives_json_and_one_number_stays_one():
    for spec in (FIRST, SECOND, hs.LayerSpec(channels=4)):
        assert hs.LayerSpec.from_dict(json.loads(json.dumps(asdict(spec)))) == spec
    assert hs.LayerSpec(channels=4, kernel_size=(3, 3)) == hs.LayerSpec(channels=4)
    assert asdict(hs.LayerSpec(channels=4, pool_size=[2, 2]))["pool_size"] == 2
    assert not hs.LayerSpec(channels=4, kernel_size=(1, 3), pool="none", average_size=2).one_dimensional


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("kernel_size", (1, 4), "a positive odd integer, a pair of them, or None for a dense layer"),
        ("kernel_size", (1, 3, 5), "a positive odd integer, a pair of them, or None for a dense layer"),
        ("kernel_size", (1, 2.0), "a positive odd integer, a pair of them, or None for a dense layer"),
        ("kernel_size", "13", "a positive odd integer, a pair of them, or None for a dense layer"),
        ("pool_size", (0, 4), "a positive integer, below 2**31"),
        ("pool_stride", (1, True), "a positive integer, below 2**31"),
        ("pool_padding", (1, 0), "0 to half of pool_size"),
        ("pool_padding", (0, 3), "0 to half of pool_size"),
        ("average_size", (0, 2), "a positive integer, below 2**31"),
    ],
)
def test_a_pair_that_cannot_work_is_refused(field, value, expected):
    changes = {"pool_size": (1, 4)} | {field: value}
    with pytest.raises(errors.ConfigurationError) as caught:
        hs.LayerSpec(channels=4, **changes)
    assert str(caught.value) == f"{field}={value!r}: expected {expected}"


@NORMALIZATIONS
@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_a_model_computes_the_same(signals, precision, normalization):
    net = make_net(normalization=normalization)
    net.learn_many(signals)
    options = {} if precision == "float32" else {"precision": precision, "frames": signals, "error_limit": 0.1}
    extractor = OnnxExtractor(export_model(net, **options).data, ["cpu"])
    assert extractor.contract.input.shape == ("batch", 3, 1, 60)
    expected = net.transform_many(signals).numpy()
    for found in (
        extractor.transform_many(signals),
        extractor.transform_many(signals.transpose(0, 2, 1)),
        extractor.transform_one(signals[0])[None],
    ):
        error = np.linalg.norm(found - expected[: len(found)]) / np.linalg.norm(expected[: len(found)])
        assert error < {"float32": 1e-5, "float16": 5e-3, "int8": 0.1}[precision]


def test_a_model_takes_one_number_as_the_length():
    assert export_model(make_net(), size=60).contract.input.height == 1


def test_receptive_fields_are_pictures_of_channels_by_moments(signals, tmp_path):
    net = make_net()
    net.learn_many(signals)
    pictures = receptive_fields(net)
    assert pictures.shape == (8, 3, 9, 1)
    assert torch.equal(pictures[2, 1, :, 0].argsort(), net.layers[0].weight[2, 1, 0].argsort())
    assert figures.plot_receptive_fields([("signal", net)], tmp_path / "fields.png").exists()


def test_the_patch_that_excites_a_neuron_most_is_where_it_was_put(tmp_path):
    net = make_net()
    generator = np.random.default_rng(1)
    quiet = 0.01 * generator.standard_normal((5, 3, 60), dtype=np.float32)
    quiet[3, :, 20:29] += net.layers[0].weight[4, :, 0].numpy()
    best = inspection.best_patches(net, quiet, layer=0, neurons=[4], top=2)
    assert int(best.frames[0, 0]) == 3
    assert best.corners[0, 0].tolist() == [0, 20]
    assert best.patches().shape == (1, 2, 1, 9, 3)
    assert figures.plot_best_patches(best, tmp_path / "patches.png").exists()
    assert figures.plot_best_images(best, tmp_path / "images.png").exists()


def test_pictures_of_signals_show_each_channel_whatever_its_unit(tmp_path, monkeypatch):
    net, time = make_net(), np.arange(60, dtype=np.float32)
    frames = np.stack([np.sin(time), 9.8 + 0.1 * np.cos(time), np.full(60, 9.8)])[None].astype(np.float32)
    best = inspection.best_patches(net, frames, layer=0, neurons=[4], top=1)
    shown = []
    monkeypatch.setattr(figures, "show", lambda axis, picture: shown.append((axis, picture)))
    figures.plot_best_images(best, tmp_path / "images.png")
    axis, picture = shown[0]
    assert picture.shape == (3, 60, 1)
    assert np.ptp(picture, axis=(1, 2)) == pytest.approx([1, 1, 0])
    box = axis.get_window_extent()
    assert box.height > box.width / 4  # three rows of sixty pixels would be a line


@NORMALIZATIONS
def test_the_optimal_input_of_a_first_layer_neuron_is_its_weights(signals, normalization):
    net = make_net(normalization=normalization)
    for x in signals:
        net.learn_one(x)
    found = inspection.optimal_inputs(net, 0, [1, 5])
    assert found.pictures.shape == (2, 1, 9, 3)
    for neuron, picture in zip([1, 5], found.pictures, strict=True):
        weights = fold_normalisation(net.layers[0])[0][neuron].float()
        deviation = picture.permute(2, 0, 1) - net.layers[0].norm.mean.view(-1, 3).mean(dim=0).view(-1, 1, 1)
        assert float(torch.cosine_similarity(weights.flatten(), deviation.flatten(), dim=0)) > 0.9
    assert inspection.optimal_inputs(net, 1, [0], steps=3).pictures.shape == (1, 1, 16, 3)
