import numpy as np
import pytest
import torch
from river import metrics

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.evaluation import prequential
from hebbstream.adapters.river import LinearProbe


class Echo:
    """Predicts the label it learned last, and notes what it is asked."""

    def __init__(self):
        self.calls, self.last = [], None

    def predict_one(self, x):
        self.calls.append("predict")
        return self.last

    def learn_one(self, x, y):
        self.calls.append(y)
        self.last = y


def tiny():
    return hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)


def stream(labels):
    return [(np.full((8, 8, 3), index, np.uint8), label) for index, label in enumerate(labels)]


def test_it_predicts_before_it_learns_and_scores_cumulatively_and_in_windows():
    found = prequential(tiny(), stream("aabbbb"), Echo(), window=2, progress=False)
    assert [scores.labelled for scores in found.scores] == [2, 4, 6]
    assert [scores.cumulative["Accuracy"] for scores in found.scores] == [1 / 2, 2 / 4, 4 / 6]
    assert [scores.windowed["Accuracy"] for scores in found.scores] == [1 / 2, 1 / 2, 1.0]


def test_delayed_labels_are_predicted_at_once_and_learned_later():
    probe = Echo()
    found = prequential(tiny(), stream("abcd"), probe, delay=2, progress=False)
    assert probe.calls == ["predict", "predict", "predict", "a", "predict", "b", "c", "d"]
    assert found.scores[-1].labelled == found.scores[-1].samples == 4


def test_samples_without_a_label_are_learned_from_but_not_scored():
    net = tiny()
    found = prequential(net, stream(["a", None, "a", None]), Echo(), progress=False)
    assert (found.scores[-1].labelled, found.scores[-1].samples, net.samples_seen) == (2, 4, 4)
    assert found.scores[-1].cumulative["Accuracy"] == 0.5
    with pytest.raises(errors.EmptyStreamError, match="no label came with 2 samples"):
        prequential(net, stream([None, None]), Echo(), progress=False)


def test_frozen_the_network_stays_as_it_is():
    net = tiny()
    before = net.layers[0].weight.clone()
    prequential(net, stream("abab"), LinearProbe(), frozen=True, limit=3, progress=False)
    assert torch.equal(net.layers[0].weight, before)
    assert net.samples_seen == 0


def test_several_metrics_and_their_picture(tmp_path):
    both = metrics.Accuracy() + metrics.CrossEntropy()
    found = prequential(tiny(), stream("ab" * 30), LinearProbe(), both, window=5, progress=False)
    assert set(found.scores[-1].windowed) == {"Accuracy", "CrossEntropy"}
    lines = str(found).splitlines()
    assert len(lines) <= 12
    assert lines[-1].split()[:2] == ["60", "60"]
    assert found.plot(tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0"),
        ({"delay": -1}, "delay=-1"),
        ({"limit": 0}, "limit=0"),
        ({"metrics": metrics.MAE()}, "metric MAE: expected one of classification"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        prequential(tiny(), stream("ab"), Echo(), progress=False, **options)
