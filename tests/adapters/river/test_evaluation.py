import re

import numpy as np
import pytest
import torch
from river import drift, evaluate, metrics
from strategies import tiny_net

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe, prequential


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


def stream(labels):
    return [(np.full((8, 8, 3), index % 256, np.uint8), label) for index, label in enumerate(labels)]


def test_it_predicts_before_it_learns_and_scores_cumulatively_and_in_windows():
    found = prequential(tiny_net(), stream("aabbbbb"), Echo(), window=2, progress=False)
    assert [(scores.labelled, scores.scored) for scores in found.scores] == [(3, 2), (5, 4), (7, 6)]
    assert [scores.cumulative["Accuracy"] for scores in found.scores] == [1 / 2, 3 / 4, 5 / 6]
    assert [scores.windowed["Accuracy"] for scores in found.scores] == [1 / 2, 1.0, 1.0]


def test_delayed_labels_are_predicted_at_once_and_learned_later():
    probe = Echo()
    found = prequential(tiny_net(), stream("abcd"), probe, delay=2, progress=False)
    assert probe.calls == ["predict", "predict", "predict", "a", "predict", "b", "c", "d"]
    assert found.scores[-1].labelled == found.scores[-1].samples == 4
    assert found.scores[-1].scored == 1


@pytest.mark.parametrize("delay", [0, 5])
def test_scores_are_those_of_river(delay):
    net, images = tiny_net(), stream([f"class {index * index % 3}" for index in range(40)])
    rows = [(dict(enumerate(net.transform_one(x).tolist())), y) for x, y in images]

    def wanted():
        return metrics.Accuracy() + metrics.CohenKappa() + metrics.MacroF1() + metrics.GeometricMean()

    theirs = evaluate.progressive_val_score(rows, LinearProbe(learning_rate=0.1), wanted(), delay=delay + 1)
    ours = prequential(net, images, LinearProbe(learning_rate=0.1), wanted(), delay=delay, frozen=True, progress=False)
    assert list(ours.scores[-1].cumulative.values()) == pytest.approx(theirs.get())


def test_samples_without_a_label_are_learned_from_but_not_scored():
    net = tiny_net()
    found = prequential(net, stream(["a", None, "a", None]), Echo(), progress=False)
    last = found.scores[-1]
    assert (last.scored, last.labelled, last.samples, net.samples_seen) == (1, 2, 4, 4)
    assert last.cumulative["Accuracy"] == 1.0


@pytest.mark.parametrize(("labels", "came"), [([None, None], "2 samples came with 0 labels"), ("a", "1 samples came")])
def test_nothing_to_score_is_an_error(labels, came):
    with pytest.raises(errors.EmptyStreamError, match=came):
        prequential(tiny_net(), stream(labels), Echo(), progress=False)


def test_what_a_probe_abstains_from_is_not_scored():
    found = prequential(tiny_net(), stream("ab" * 10), LinearProbe(min_confidence=1.0), window=1, progress=False)
    last = found.scores[-1]
    assert last.labelled == 20
    assert last.scored == 1  # while there was one class alone, its probability was 1


def test_learn_scores_what_prequential_scores():
    """A probe that answers rarely, and then rightly, is not wrong in either."""

    def shy():
        return LinearProbe(min_confidence=0.51)

    def few():
        return stream("ab" * 30)

    found = prequential(tiny_net(), few(), shy(), progress=False).scores[-1]
    steps = []
    report = hs.learn(tiny_net(), few(), shy(), callbacks=[steps.append], progress=False)
    assert 0 < found.scored < found.labelled
    assert report.counters.scored == found.scored
    assert report.accuracy == found.cumulative["Accuracy"]
    assert all((step.right is None) == (step.prediction is None) for step in steps)


def test_frozen_the_network_stays_as_it_is():
    net = tiny_net()
    before = net.layers[0].weight.clone()
    prequential(net, stream("abab"), LinearProbe(), frozen=True, limit=3, progress=False)
    assert torch.equal(net.layers[0].weight, before)
    assert net.samples_seen == 0


def test_several_metrics_and_their_picture(tmp_path):
    both = metrics.Accuracy() + metrics.CrossEntropy()
    found = prequential(tiny_net(), stream("ab" * 30), LinearProbe(), both, window=5, progress=False)
    assert set(found.scores[-1].windowed) == {"Accuracy", "CrossEntropy"}
    lines = str(found).splitlines()
    assert len(lines) <= 12
    assert lines[-1].split()[:3] == ["60", "60", "59"]
    assert found.plot(tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_two_metrics_of_one_kind_are_told_apart():
    both = metrics.FBeta(beta=0.5) + metrics.FBeta(beta=2) + metrics.Accuracy()
    found = prequential(tiny_net(), stream([True, True, False]), Echo(), both, progress=False).scores[-1]
    half, twice = "FBeta(beta=0.5, pos_val=True)", "FBeta(beta=2, pos_val=True)"
    assert list(found.cumulative) == list(found.windowed) == [half, twice, "Accuracy"]
    assert found.cumulative[half] != found.cumulative[twice]


class Wrong:
    """Predicts "a", and is never told better."""

    def predict_one(self, x):
        return "a"

    def learn_one(self, x, y):
        pass


@pytest.mark.parametrize(
    "detector", [drift.ADWIN(), drift.PageHinkley(threshold=20), drift.binary.DDM(), drift.binary.HDDMA()]
)
def test_a_detector_notices_where_the_error_drifts(detector, tmp_path):
    steady = prequential(tiny_net(), stream("a" * 250), Wrong(), detector=detector, progress=False)
    assert steady.drifts == []
    assert "drifted" not in str(steady)
    changed = prequential(
        tiny_net(), stream("a" * 200 + "b" * 50), Wrong(), detector=detector, window=50, progress=False
    )
    first = changed.drifts[0]
    assert 200 < first.samples <= 250
    assert first.cumulative["Accuracy"] == 200 / first.scored
    assert str(changed).splitlines()[-1].startswith(f"the error drifted, noticed after samples {first.samples}")
    assert [scores.scored for scores in changed.scores] == [50, 100, 150, 200, 250]
    assert changed.plot(tmp_path / "with.png").read_bytes() != steady.plot(tmp_path / "without.png").read_bytes()
    assert not detector.drift_detected  # a clone was at work


def test_the_picture_has_a_line_for_each_drift(tmp_path):
    detector = drift.DummyDriftDetector(t_0=20)
    found = prequential(tiny_net(), stream("a" * 300), Wrong(), detector=detector, window=50, progress=False)
    assert [scores.samples for scores in found.drifts[:3]] == [20, 40, 60]
    assert "noticed after samples 20, 40, 60" in str(found)
    assert "200 and 5 more" in str(found)
    picture = found.plot(tmp_path / "curve.svg").read_text()
    assert picture.count("stroke-dasharray") == len(found.drifts) + 1  # and the legend's


def test_the_picture_shows_each_score_and_one_alone(tmp_path):
    for labels, points in (("aab", 1), ("aabbb", 2)):
        found = prequential(tiny_net(), stream(labels), Echo(), window=2, progress=False)
        assert len(found.scores) == points
        picture = found.plot(tmp_path / "curve.svg").read_text()
        assert len(re.findall("<use .*fill: #1f77b4", picture)) == points + 1  # and the legend's


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0"),
        ({"window": "9"}, "window='9'"),
        ({"delay": -1}, "delay=-1"),
        ({"delay": None}, "delay=None"),
        ({"limit": 0}, "limit=0"),
        ({"metrics": metrics.MAE()}, "metric MAE: expected one of classification.* progressive_val_score"),
        (
            {"metrics": metrics.ConfusionMatrix()},
            "metric ConfusionMatrix: expected one of classification, and a number",
        ),
        ({"detector": metrics.Accuracy()}, "detector=.*: expected a river drift detector"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        prequential(tiny_net(), stream("ab"), Echo(), progress=False, **options)


def test_a_label_that_is_no_class_is_refused_before_the_network_learns():
    net = tiny_net()
    with pytest.raises(errors.LabelError, match="label nan is a missing value"):
        prequential(net, stream([float("nan")]), LinearProbe(), progress=False)
    assert net.samples_seen == 0


def test_a_metric_of_probabilities_needs_a_probe_that_gives_them():
    net = tiny_net()
    with pytest.raises(errors.ConfigurationError, match="LogLoss with a Echo: expected a probe with predict_proba_one"):
        prequential(net, stream("ab"), Echo(), metrics.Accuracy() + metrics.LogLoss(), progress=False)
    assert net.samples_seen == 0
