"""`verify` and the commands around models."""

import copy
import math
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.adapters.video import open_video
from hebbstream.cli._main import main
from hebbstream.clip import CLIP
from hebbstream.export import to_onnx, verify
from hebbstream.export._seal import _checksum
from hebbstream.export._to_onnx import export_model
from hebbstream.export._verify import median_seconds

LABELS = CLIP.with_suffix(".json")


@pytest.fixture(scope="module")
def learned(labelled):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), hs.SoftmaxProbe()
    hs.learn(net, labelled[:60], probe, progress=False)
    return net, probe


def test_it_compares_places_and_times(learned, frames, tmp_path):
    net, probe = learned
    path = to_onnx(net, tmp_path / "net.onnx", probe)
    found = verify(path, frames[:20], net, probe, seconds=0.01)
    assert found.frames == 20
    assert 0 < found.mean <= found.greatest <= 1e-4
    assert found.same_label == 1
    assert set(found.placement) == {"CPUExecutionProvider"}
    assert sum(found.placement.values()) > 5
    assert [timing.batch for timing in found.timings] == [1, 16]
    assert all(timing.network > 0 for timing in found.timings)
    text = str(found)
    for said in (
        "float32",
        "opset 17",
        "with torch on 20 frames",
        "100.0% have the same label",
        "frames a second; torch",
    ):
        assert said in text
    assert "from hebbstream \\x1b[31m9" in str(
        replace(found, contract=replace(found.contract, hebbstream_version="\x1b[31m9"))
    )
    alone = verify(path, frames[:2], seconds=0.01)
    assert alone.greatest is None
    assert "agreement" not in str(alone)


def test_frames_may_be_a_streams_samples(learned, tmp_path):
    net, probe = learned
    with open_video(CLIP, size=32) as video:
        path = to_onnx(net, tmp_path / "net.onnx", probe, precision="int8", frames=video, error_limit=math.inf)
    with open_video(CLIP, size=32, duration=0.2) as video:
        assert verify(path, video, net, probe, seconds=0.01).frames == 5
    labelled = [(np.zeros((32, 32, 3), np.uint8), "black")]
    assert verify(path, labelled, net, probe, seconds=0.01).frames == 1


@pytest.mark.parametrize("number", [int, np.int64])
def test_one_number_is_the_length_of_a_signal(number):
    net = hs.SoftHebbNet.from_preset("signal", width=4)
    assert export_model(net, size=number(96)).contract.input.shape == ("batch", 1, 1, 96)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": 5}, "net of type int: expected a SoftHebbNet"),
        ({"frames": 5}, "stream=5: expected samples"),
        ({"providers": 5}, "providers=5: expected names in a list"),
    ],
)
def test_what_is_no_network_and_what_are_no_frames_is_refused(learned, frames, tmp_path, options, message):
    path = to_onnx(learned[0], tmp_path / "net.onnx")
    with pytest.raises(errors.ConfigurationError, match=message):
        verify(path, **{"frames": frames[:2], "seconds": 0.01} | options)


class OnACard(torch.Tensor):
    """A tensor that NumPy cannot read, as on a card."""

    def __array__(self, *args, **options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_frames_network_and_probe_may_be_on_a_card(learned, frames, tmp_path, monkeypatch):
    net, probe = learned
    path = to_onnx(net, tmp_path / "net.onnx", probe)
    transform, predict = net.transform_many, probe.predict_proba_many
    monkeypatch.setattr(net, "transform_many", lambda batch: transform(batch).as_subclass(OnACard))
    monkeypatch.setattr(probe, "predict_proba_many", lambda rows: predict(rows).as_subclass(OnACard))
    found = verify(
        path, [torch.from_numpy(frame).as_subclass(OnACard) for frame in frames[:3]], net, probe, seconds=0.01
    )
    assert (found.frames, found.same_label) == (3, 1)


def test_it_sees_a_model_of_another_network(learned, frames, tmp_path):
    net, _ = learned
    other = hs.SoftHebbNet.from_preset("cifar10", width=4, seed=1)
    other.samples_seen = net.samples_seen
    path = to_onnx(other, tmp_path / "other.onnx", size=32)
    assert verify(path, frames[:5], net, seconds=0.01).mean > 0.1
    other.samples_seen += 1
    with pytest.raises(errors.ConfigurationError, match="expected as many"):
        verify(path, frames[:5], other)
    with pytest.raises(errors.ConfigurationError, match=r"frames=\[\]"):
        verify(path, [])


def test_labels_are_compared_by_name(learned, frames, tmp_path):
    net, probe = learned
    path = to_onnx(net, tmp_path / "net.onnx", probe, size=32)
    assert verify(path, frames[:5], net, LinearProbe.from_probe(probe), seconds=0.01).same_label == 1
    probe = copy.deepcopy(probe)
    probe.classes = [("not", label) for label in probe.classes]
    assert verify(path, frames[:5], net, probe, seconds=0.01).same_label == 0
    to_onnx(net, path, probe, size=32)  # which holds them as text
    assert verify(path, frames[:5], net, probe, seconds=0.01).same_label == 1


def test_what_cannot_be_compared_is_refused(learned, frames, tmp_path):
    net, _ = learned
    path = to_onnx(net, tmp_path / "net.onnx", resize=True)
    wider = hs.SoftHebbNet.from_preset("cifar10", width=8)
    wider.samples_seen = net.samples_seen
    large = np.zeros((2, 48, 48, 3), np.uint8)
    for error, match, given, compared in (
        (errors.ConfigurationError, "makes 1024 features of a frame and a network that makes 2048", frames[:2], wider),
        (errors.ConfigurationError, "makes 1024 features of a frame and a network that makes 2304", large, net),
        (errors.InputError, r"shapes \(32, 32, 3\) and \(48, 48, 3\)", [frames[0], large[0]], net),
    ):
        with pytest.raises(error, match=match):
            verify(path, given, compared, seconds=0.01)
    for seconds in (0, -1, math.nan, math.inf):
        with pytest.raises(errors.ConfigurationError, match=f"seconds={seconds}"):
            verify(path, frames[:2], net, seconds=seconds)


def test_frames_may_be_any_iterable(learned, frames, tmp_path):
    net, _ = learned
    path = to_onnx(net, tmp_path / "net.onnx")
    assert verify(path, iter(frames[:3]), net, seconds=0.01).frames == 3


def test_features_where_torch_has_none_are_infinitely_far(frames, tmp_path):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    path = to_onnx(net, tmp_path / "net.onnx", size=32)
    net.layers[0].weight.zero_()
    assert verify(path, frames[:2], net, seconds=0.01).mean == math.inf
    path = to_onnx(net, tmp_path / "none.onnx", size=32)
    assert verify(path, frames[:2], net, seconds=0.01).mean == 0


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert run("learn", CLIP, "--width", 4, "--size", 32, "--labels", LABELS, "--limit", 60, "--quiet")[0] == 0
    return run


def test_export_and_verify_by_command(run, tmp_path):
    options = ("--input-dtype", "uint8", "--layout", "NHWC", "--resize", "--precision", "int8", "--error-limit", "inf")
    code, out, _ = run(
        "export", "run.safetensors", "net.onnx", *options, "--source", CLIP, "--verify", "--seconds", 0.01
    )
    assert code == 0
    assert "int8: features differ from float32's by" in out
    assert " MB instead of 0." in out
    assert "with torch on 200 frames" in out
    assert "model net.onnx" in out
    code, out, _ = run("verify", "net.onnx", CLIP, "--checkpoint", "run.safetensors", "--seconds", 0.01)
    assert code == 0
    assert "(batch, height, width, 3)" in out
    assert "have the same label" in out
    code, out, _ = run("verify", "net.onnx", CLIP, "--seconds", 0.01, "--size", "48x40")
    assert code == 0
    assert "agreement" not in out
    for wrong, said in (
        (("verify", "none.onnx", CLIP), "no model at none.onnx"),
        (("verify", "run.safetensors", CLIP), "run.safetensors: "),
        (("verify", "net.onnx", CLIP, "--providers", "GPU"), "provider 'GPU'"),
        (
            ("export", "run.safetensors", "b.onnx", "--precision", "int8", "--error-limit", 1e-6, "--source", CLIP),
            "error_limit allows more",
        ),
    ):
        code, _, err = run(*wrong)
        assert code == 1
        assert said in err
    assert not (tmp_path / "b.onnx").exists()


def test_verify_fails_with_the_checkpoint_of_another_network(run):
    assert run("export", "run.safetensors", "net.onnx")[0] == 0
    learner = hs.Learner.load("run.safetensors")
    other = hs.SoftHebbNet.from_preset("motion", width=4, seed=1)
    other.samples_seen = learner.net.samples_seen
    other.save("other.safetensors")
    compared = ("verify", "net.onnx", CLIP, "--size", 32, "--seconds", 0.01, "--checkpoint")
    code, _, err = run(*compared, "other.safetensors")
    assert (code, "net.onnx: its features differ from those of other.safetensors by" in err) == (1, True)
    assert run(*compared, "run.safetensors")[0] == 0


def test_feature_maps_by_command(run):
    code, _, _ = run(
        "export", "run.safetensors", "map.onnx", "--feature-map", "--source", CLIP, "--verify", "--seconds", 0.01
    )
    assert code == 0


def test_learning_publishes_by_command(run, tmp_path):
    options = (
        "--width",
        4,
        "--size",
        32,
        "--labels",
        LABELS,
        "--limit",
        50,
        "--quiet",
        "--checkpoint",
        "b.safetensors",
    )
    code, out, _ = run(
        "learn", CLIP, *options, "--export", "site/net.json", "--export-every", 20, "--export-input-dtype", "uint8"
    )
    assert code == 0
    assert "models named by site/net.json" in out
    written = sorted(path.name[:13] for path in (tmp_path / "site").iterdir())
    assert written == ["net-000000040", "net-000000050", "net.json"]
    found = hs.Learner.load("b.safetensors")
    assert found.net.preset == "motion"
    assert math.isfinite(float(np.asarray(found.net.r1_fraction()).sum()))


def test_what_is_timed_on_a_card_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    median_seconds(lambda: None, 1e-9, "cuda", warm_up=2)
    assert waited == ["cuda"] * 5


def test_a_model_that_computes_nothing_is_refused_in_one_line(learned, frames, tmp_path):
    path = to_onnx(learned[0], tmp_path / "net.onnx")
    model = onnx.load(path)
    next(node for node in model.graph.node if node.op_type == "Flatten").attribute[0].i = 77
    next(entry for entry in model.metadata_props if entry.key == "checksum").value = _checksum(model)
    onnx.save(model, path)
    with pytest.raises(errors.CorruptModelError, match=r"net\.onnx: a model that computes nothing \(") as caught:
        verify(path, frames[:2])
    assert "\n" not in str(caught.value)
