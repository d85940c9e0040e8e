"""What is of another kind than asked for is refused by one message; NumPy's numbers are numbers."""

import numpy as np
import pytest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.audio import open_audio
from hebbstream.adapters.river import SoftHebbAnomaly, SoftHebbTransformer
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP
from hebbstream.export import follow, publish, to_onnx, verify

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


def test_an_exported_model_where_a_checkpoint_is_asked_for(net, tmp_path):
    to_onnx(net, tmp_path / "net.onnx", size=28)
    with pytest.raises(errors.CorruptCheckpointError, match="an exported model: expected the checkpoint"):
        hs.Learner.load(tmp_path / "net.onnx")
