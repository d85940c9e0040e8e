"""What is of another kind than asked for is refused by one message; NumPy's numbers are numbers."""

import time

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.audio import open_audio
from hebbstream.adapters.river import SoftHebbAnomaly, SoftHebbTransformer
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.export import OnnxExtractor, follow, publish, to_onnx, verify

FRAMES = np.zeros((1, 28, 28), np.uint8)


@pytest.fixture
def net():
    return hs.SoftHebbNet.from_preset("mnist", width=4)


@pytest.mark.parametrize("path", [None, 3, b"run", ["run"]])
@pytest.mark.parametrize(
    "use",
    [
        lambda net, path: hs.Learner.load(path),
        lambda net, path: hs.load(path),
        lambda net, path: net.save(path),
        lambda net, path: hs.Learner(net).save(path),
        lambda net, path: hs.Checkpoint(path),
        lambda net, path: to_onnx(net, path, size=28),
    ],
)
def test_what_is_no_path(use, path, net):
    with pytest.raises(errors.ConfigurationError, match="expected the path of a file"):
        use(net, path)


@pytest.mark.parametrize("name", ["rate", "start", "duration", "read_timeout", "retry_for", "stream"])
def test_what_is_no_number_of_a_video(name):
    with pytest.raises(errors.ConfigurationError, match=f"{name}='fast'"):
        open_video(CLIP, **{name: "fast"})


@pytest.mark.parametrize("name", ["rate", "seconds", "hop", "mels"])
def test_what_is_no_number_of_a_sound(name):
    with pytest.raises(errors.ConfigurationError, match=f"{name}='fast'"):
        open_audio(CLIP, **{name: "fast"})


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            lambda net, path: to_onnx(net, path, size=28, error_limit="low"),
            "error_limit='low': expected 0 or a positive",
        ),
        (
            lambda net, path: verify(to_onnx(net, path, size=28), FRAMES, seconds="long"),
            "seconds='long': expected a fin",
        ),
        (
            lambda net, path: follow(publish(net, path.with_suffix(".json"), size=28), every_seconds="often"),
            "='often': ",
        ),
        (
            lambda net, path: SoftHebbAnomaly(SoftHebbTransformer(net=net), "first").score_one(FRAMES[0]),
            "layer='first': expected an index",
        ),
        (
            lambda net, path: hs.SoftHebbNet.from_preset("mnist", width="wide"),
            "width='wide': expected a positive integer",
        ),
        (lambda net, path: open_video(CLIP, format=3), "format=3: expected an input format of FFmpeg"),
        (lambda net, path: open_video(CLIP, options={"timeout": 5}), "option 'timeout' of type int: expected text"),
    ],
)
def test_what_is_no_option(use, message, net, tmp_path):
    with pytest.raises(errors.ConfigurationError, match=message):
        use(net, tmp_path / "net.onnx")


def test_numbers_of_numpy_make_the_same_network_and_are_saved(tmp_path):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=np.int64(4), learning_rate=np.float32(0.5))], 3, seed=np.int64(7))
    assert net.layers[0].spec == hs.LayerSpec(channels=4, learning_rate=0.5)
    assert np.array_equal(net.layers[0].weight, hs.SoftHebbNet([net.layers[0].spec], 3, seed=7).layers[0].weight)
    hs.Learner(net, hs.SoftmaxProbe(), replay=hs.Replay(np.int64(5))).save(tmp_path / "run")
    assert hs.Learner.load(tmp_path / "run").replay.capacity == 5


@pytest.mark.parametrize(
    "make",
    [
        lambda half: hs.SoftmaxProbe(half, average_over=np.int64(9), calibrate=half > 0, min_confidence=half),
        lambda half: hs.RidgeProbe(half, half_life=half, min_confidence=half),
        lambda half: hs.SldaProbe(half, solve_every=np.float32(3), min_confidence=half),
    ],
)
def test_numbers_of_numpy_as_options_of_a_probe_that_is_exported(make, net, tmp_path):
    probe = make(np.float32(0.5))
    probe.learn_one(net.transform_one(FRAMES[0]), "dark")
    assert {type(value) for value in probe.options().values()} <= {int, float, bool, str, type(None)}
    assert OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", probe, size=28)).contract.min_confidence == 0.5


def test_a_half_life_of_few_digits_forgets_as_the_same_number_of_python():
    """A resumed run has Python's, and must go on bit for bit."""
    given, read = (hs.SldaProbe(half_life=kind(7)) for kind in (np.float32, float))
    for probe in (given, read):
        probe.learn_many(np.eye(40), [0, 1] * 20)
    assert torch.equal(given.affine()[0], read.affine()[0])


def test_numbers_of_numpy_where_torch_and_locks_take_none(net, tmp_path):
    assert hs.Replay(weight=np.float32(0.5)).weight == 0.5
    net.reopen_plasticity(np.float32(0.5), half_life=np.float32(1))
    assert net.layers[0].opening.tolist() == [0.5, 0.5]
    publish(net, tmp_path / "net.json", size=28)
    with follow(tmp_path / "net.json", every_seconds=np.float32(0.01)) as extractor:
        net.learn_one(FRAMES[0])
        publish(net, tmp_path / "net.json", size=28)
        deadline = time.monotonic() + 20
        while not extractor.swaps and time.monotonic() < deadline:
            time.sleep(0.01)
        assert extractor.contract.samples_seen == 1


def test_the_model_where_its_manifest_is_asked_for(net, tmp_path):
    model = publish(net, tmp_path / "net.json", size=28)
    with pytest.raises(errors.CorruptModelError, match=r"\.onnx: a model: expected the manifest"):
        follow(model)


def test_an_exported_model_where_a_checkpoint_is_asked_for(net, tmp_path):
    to_onnx(net, tmp_path / "net.onnx", size=28)
    with pytest.raises(errors.CorruptCheckpointError, match="an exported model: expected the checkpoint"):
        hs.Learner.load(tmp_path / "net.onnx")
