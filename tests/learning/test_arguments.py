"""Arguments in the wrong place or of the wrong kind: what to do is said before anything is learned."""

from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image
from river import cluster, compose, linear_model, multioutput, naive_bayes, preprocessing, tree

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe, LinearRegressorProbe, prequential
from hebbstream.errors import ConfigurationError, DtypeError

FRAMES = [(frame, index % 2) for index, frame in enumerate(np.random.default_rng(0).random((12, 28, 28), np.float32))]


@pytest.fixture
def net():
    return hs.SoftHebbNet.from_preset("mnist", width=2)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("clip.mp4", r"stream='clip.mp4': expected samples, such as open_video\('clip.mp4'\) of hebbstream.adapters"),
        (Path("a/b.mkv"), r"open_video\('a/b.mkv'\)"),
        (b"clip.mp4", r"open_video\(b'clip.mp4'\)"),
        (0, r"open_video\(0\)"),
        ("rtsp://user:secret@camera/1", r"rtsp://[^s]*@camera/1"),
    ],
)
def test_the_name_of_a_source_is_no_stream(net, source, message):
    for learn in (lambda: hs.learn(net, source), lambda: hs.Learner(net).learn(source)):
        with pytest.raises(ConfigurationError, match=message):
            learn()
    with pytest.raises(ConfigurationError, match=message):
        prequential(net, source, LinearProbe())
    assert net.samples_seen == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (pandas.DataFrame({"x": [0.5], "y": [1.5]}), r"stream of type DataFrame: .* windows\(…\) cuts out of its rows"),
        ({"door": FRAMES}, r"stream of type dict: .* interleave\(…\) makes"),
        (list, r"stream=list: expected an object, such as list\(\)"),
    ],
)
def test_what_holds_samples_by_name_or_makes_them_is_no_stream(net, source, message):
    with pytest.raises(ConfigurationError, match=message):
        hs.learn(net, source)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (Image.new("L", (28, 28)), r"frame of type Image: .* such as numpy.asarray\(frame\)$"),
        ({"image": FRAMES[0][0], "label": 0}, "frame of type dict: .* samples_from_huggingface reads"),
        (hs.Sample(FRAMES[0][0]), "frame of type Sample: .* such as its x$"),
        ([FRAMES[0][0], 0], "a pair .* is a tuple"),
        ("0.5", "expected a numpy array or a torch tensor$"),
    ],
)
def test_what_is_no_frame_is_refused_with_what_makes_one_of_it(net, frame, message):
    with pytest.raises(DtypeError, match=message):
        net.learn_one(frame)
    with pytest.raises(DtypeError, match=r"such as numpy.stack\(frames\)$"):
        net.transform_many([frame, frame])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (FRAMES, "net of type list: expected a SoftHebbNet first, and then the stream"),
        (iter(FRAMES), "net of type list_iterator"),
        ("net.safetensors", "net of type str"),
        (None, "net of type NoneType"),
        (hs.SoftHebbNet, r"net=SoftHebbNet: expected an object, such as SoftHebbNet.from_preset\('cifar10'\)"),
    ],
)
def test_what_is_no_network_is_refused(net, other, message):
    for learn in (hs.learn, lambda *arguments: prequential(*arguments, LinearProbe())):
        with pytest.raises(ConfigurationError, match=message):
            learn(other, net)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (LinearProbe, r"probe=LinearProbe: expected an object, LinearProbe\(\)"),
        ("ridge", "probe of type str: expected a classifier with predict_one and learn_one, such as LinearProbe"),
        (linear_model.LinearRegression(), "probe of type LinearRegression: expected a classifier"),
        (
            LinearRegressorProbe(),
            "LinearRegressorProbe: expected a classifier.*; a regressor stands .* a river pipeline",
        ),
        (multioutput.RegressorChain(LinearRegressorProbe()), "probe of type RegressorChain: expected a classifier"),
        (cluster.KMeans(), "probe of type KMeans: expected a classifier"),
        (preprocessing.StandardScaler(), "probe of type StandardScaler: expected a classifier"),
    ],
)
def test_what_is_no_classifier_is_refused(net, probe, message):
    for learn in (lambda: hs.learn(net, FRAMES, probe), lambda: prequential(net, FRAMES, probe)):
        with pytest.raises(ConfigurationError, match=message):
            learn()
    assert net.samples_seen == 0


@pytest.mark.parametrize(
    "make",
    [
        naive_bayes.GaussianNB,
        lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
        lambda: tree.HoeffdingTreeClassifier(grace_period=5),
        lambda: compose.SelectType(float) | LinearProbe(),
    ],
    ids=["bayes", "pipeline", "tree", "ours in a pipeline"],
)
def test_rivers_classifiers_are_probes(net, make):
    probe = make()
    report = hs.learn(net, FRAMES, probe, progress=False)
    assert 12 - report.counters.scored in (0, 1)  # some predict nothing before the first label
    by_hand, other = make(), hs.SoftHebbNet.from_preset("mnist", width=2)
    for frame, label in FRAMES:
        by_hand.learn_one(dict(enumerate(other.learn_one(frame).tolist())), label)
    x = dict(enumerate(net.transform_one(FRAMES[0][0]).tolist()))
    assert probe.predict_proba_one(x) == by_hand.predict_proba_one(x)
    assert prequential(net, FRAMES, make(), progress=False).scores[-1].labelled == 12


def test_a_checkpoint_with_rivers_classifier_is_refused_before_the_first_sample(net, tmp_path):
    with pytest.raises(
        ConfigurationError, match="checkpoint with a GaussianNB: expected an OnlineProbe or a LinearProbe"
    ):
        hs.learn(net, FRAMES, naive_bayes.GaussianNB(), checkpoint=tmp_path / "run", progress=False)
    assert net.samples_seen == 0


class Own(hs.SoftmaxProbe):
    """Predicts something else, which no file knows."""

    def predict_one(self, x):
        return "own"


@pytest.mark.parametrize("probe", [Own(), LinearProbe.from_probe(Own())])
def test_a_checkpoint_that_would_give_back_another_probe_is_refused(net, tmp_path, probe):
    message = "checkpoint with a Own: expected a SoftmaxProbe itself"
    with pytest.raises(ConfigurationError, match=message):
        hs.learn(net, FRAMES, probe, checkpoint=tmp_path / "run", progress=False)
    with pytest.raises(ConfigurationError, match=message):
        hs.Learner(net, probe).save(tmp_path / "run")
    assert net.samples_seen == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit=0: expected a positive integer, or None"),
        ({"limit": 1e1}, "limit=10.0: expected a positive integer, or None"),
        ({"limit": float("nan")}, "limit=nan: expected a positive integer"),
        ({"batch_size": 2.5}, "batch_size=2.5: expected a positive integer"),
        ({"callbacks": hs.Callback()}, r"callbacks=Callback\(\): expected a list of callbacks"),
        ({"checkpoint": 5}, "path 5: expected the path of a file"),
    ],
)
def test_what_no_run_can_work_with_is_refused_first(net, options, message):
    with pytest.raises(ConfigurationError, match=message):
        hs.learn(net, FRAMES, progress=False, **options)
    assert net.samples_seen == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_samples": 0}, "every_samples=0: expected a positive integer, or None"),
        ({"every_samples": 1e1}, "every_samples=10.0: expected a positive integer, or None"),
        ({"every_seconds": 0}, "every_seconds=0: expected a positive number of seconds, or None"),
        ({"every_seconds": "5"}, "every_seconds='5': expected a positive number of seconds, or None"),
        ({"kept": 0}, "kept=0: expected a positive integer"),
        ({"kept": 2.0}, "kept=2.0: expected a positive integer"),
    ],
)
def test_what_no_checkpoint_can_work_with_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        hs.Checkpoint("run", **options)


@pytest.mark.parametrize("seconds", ["5", -1, float("nan")])
def test_what_is_no_period_of_a_callback_is_refused_first(net, seconds):
    callback = hs.Callback()
    callback.every_seconds = seconds
    with pytest.raises(
        ConfigurationError, match=f"every_seconds={seconds!r}: expected 0 or a positive number, or None"
    ):
        hs.learn(net, FRAMES, callbacks=[callback], progress=False)
    assert net.samples_seen == 0


def test_numbers_of_numpy_are_numbers(net, tmp_path):
    checkpoint = hs.Checkpoint(tmp_path / "run", every_samples=np.int64(2), kept=np.int64(2))
    assert hs.learn(net, FRAMES, limit=np.int64(3), checkpoint=checkpoint, progress=False).samples == 3
    net = hs.SoftHebbNet.from_preset("mnist", width=2, seed=np.int64(3))
    assert type(net.seed) is int
    assert hs.learn(net, FRAMES, progress=False).samples == len(FRAMES)
