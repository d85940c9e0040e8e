"""An anomaly score in river's interface."""

import copy
import pickle

import numpy as np
import pytest
from river import anomaly, checks, datasets, metrics

import hebbstream as hs
from hebbstream.adapters.river import SoftHebbAnomaly, SoftHebbTransformer
from hebbstream.adapters.river._drift import explained_share
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._forward import forward_frame

SPEC = hs.LayerSpec(channels=8, kernel_size=3, learning_rate=0.05, radius=3.0, update_scale="running_max")


class Cards:
    """Rows of correlated numbers, one in twenty of numbers that are not: `datasets.CreditCard` is a download."""

    def take(self, count):
        rng = np.random.default_rng(0)
        for index in range(count):
            odd = index % 20 == 19
            row = rng.normal(size=8) if odd else np.repeat(rng.normal(size=2), 4) + 0.1 * rng.normal(size=8)
            yield {f"V{column}": float(value) for column, value in enumerate(row)}, int(odd)


@pytest.fixture
def cards(monkeypatch):
    monkeypatch.setattr(datasets, "CreditCard", Cards)


def test_rivers_own_checks(cards):
    found = [*checks.yield_checks(SoftHebbAnomaly())]
    assert "check_roc_auc" in {check.__name__ for check in found}
    for check in found:
        if "dataset" in getattr(check, "keywords", {}):
            check.keywords["dataset"] = list(Cards().take(200))
        check(SoftHebbAnomaly())


def test_rows_that_are_put_together_otherwise_score_higher():
    detector, late = SoftHebbAnomaly(), metrics.ROCAUC()
    for index, (row, odd) in enumerate(Cards().take(2000)):
        if index > 1000:
            late.update(odd, detector.score_one(row))
        detector.learn_one(row)
    assert late.get() > 0.8


def pictures(count, *, smooth):
    x = np.random.default_rng(1).normal(size=(count, 16, 16, 3))
    for axis in (1, 2) * 3 if smooth else ():
        x = x + np.roll(x, 1, axis)
    return (0.5 + 0.1 * (x - x.mean()) / x.std()).clip(0, 1).astype(np.float32)


@pytest.mark.parametrize("wrap", [lambda frame: frame, lambda frame: {"image": frame}])
def test_pictures_of_another_kind_score_higher(wrap):
    detector = SoftHebbAnomaly(SoftHebbTransformer(layers=[SPEC]))
    for frame in pictures(400, smooth=True):
        detector.score_one(wrap(frame))
        detector.learn_one(wrap(frame))
    known = [detector.score_one(wrap(frame)) for frame in pictures(20, smooth=True)]
    odd = [detector.score_one(wrap(frame)) for frame in pictures(20, smooth=False)]
    assert 0 <= max(known) < min(odd) <= 1


def test_it_is_what_the_winners_do_not_explain_and_to_score_changes_nothing():
    detector = SoftHebbAnomaly(SoftHebbTransformer("cifar10", width=4), layer=1)
    frames = np.random.default_rng(0).integers(0, 256, (110, 32, 32, 3), np.uint8)
    for frame in frames:
        detector.score_one(frame)
        detector.learn_one(frame)
    net = detector.transformer.net
    before = net.layers[1].weight.clone()
    for frame in frames[-3:]:
        expected = 1 - float(explained_share(net.layers[1], forward_frame(net, frame)[1][1]))
        assert detector.score_one(frame) == detector.score_one(frame) == pytest.approx(expected, abs=1e-6)
    assert net.samples_seen == 110
    assert before.equal(net.layers[1].weight)


def test_a_sample_scored_and_learned_costs_one_forward_pass(monkeypatch):
    detector, calls = SoftHebbAnomaly(SoftHebbTransformer(neurons=4)), []
    rows = [row for row, _ in Cards().take(120)]
    for row in rows[:110]:
        detector.learn_one(row)
    forward = hs.SoftHebbLayer.forward
    monkeypatch.setattr(hs.SoftHebbLayer, "forward", lambda *a, **k: (calls.append(1), forward(*a, **k))[1])
    for row in rows[110:]:
        detector.score_one(row)
        detector.learn_one(row)
    assert len(calls) == 10


def test_before_the_first_sample_and_behind_rivers_filter():
    detector = SoftHebbAnomaly()
    assert detector.score_one({"a": 1.0}) == 0.0
    guarded = anomaly.ThresholdFilter(SoftHebbAnomaly(SoftHebbTransformer(neurons=4)), threshold=0.99)
    for row, _ in Cards().take(10):
        guarded.learn_one(row)
    assert not guarded.classify(guarded.score_one(row))


def test_what_cannot_work_is_refused():
    with pytest.raises(ConfigurationError, match="transformer of type int: expected a SoftHebbTransformer"):
        SoftHebbAnomaly(3)
    detector = SoftHebbAnomaly(SoftHebbTransformer("cifar10", width=2), layer=3)
    with pytest.raises(ConfigurationError, match="layer=3: expected an index from 0 to 2"):
        detector.score_one(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.parametrize("row", [{"a": 1.0, "b": 2.0}, {"a": 0.0, "b": 0.0}])
def test_rows_that_are_all_the_same_are_nothing_unusual(row):
    detector = SoftHebbAnomaly()
    for _ in range(50):
        detector.learn_one(row)
    assert detector.score_one(row) == 0.0
    assert detector.score_one({"a": 2.0, "b": -1.0}) > 0.0


def test_a_score_is_never_below_zero():
    detector, scores = SoftHebbAnomaly(), []
    for value in np.random.default_rng(0).normal(size=300):
        detector.learn_one({"a": value})
        scores.append(detector.score_one({"a": value}))
    assert min(scores) >= 0.0


def noise(count, seed=0):
    return [
        dict(zip("abcde", map(float, row), strict=True)) for row in np.random.default_rng(seed).normal(size=(count, 5))
    ]


def test_what_lies_further_out_in_the_same_direction_scores_higher():
    detector = SoftHebbAnomaly()
    for row in noise(300):
        detector.learn_one(row)
    for row in noise(20, seed=1):
        scores = [detector.score_one({name: far * value for name, value in row.items()}) for far in (1, 3, 10, 1e6)]
        assert scores == sorted(set(scores))


def test_a_spike_stands_out_where_nothing_has_changed_for_long():
    detector = SoftHebbAnomaly()
    for row in (still := noise(400)) + still[-1:] * 600:
        detector.learn_one(row)
    assert detector.score_one(still[-1]) < 0.1
    assert detector.score_one(still[-1] | {"a": 50.0}) > 0.9


def test_few_rows_call_nothing_very_unusual():
    detector = SoftHebbAnomaly()
    for learned, row in enumerate(noise(30), start=1):
        detector.learn_one(row)
        assert 0.4 < detector.score_one(dict.fromkeys(row, 1e9)) < learned / (learned + 1) + 1e-9


def test_a_filter_refuses_few_of_the_first_rows():
    guarded = anomaly.ThresholdFilter(SoftHebbAnomaly(), threshold=0.95)
    for row in noise(100):
        guarded.learn_one(row)
    assert guarded.anomaly_detector.transformer.net.samples_seen > 95


def test_copies_go_on_exactly_and_a_clone_without_attributes_begins_anew():
    detector = SoftHebbAnomaly(SoftHebbTransformer(neurons=6))
    for row in noise(120):
        detector.learn_one(row)
    copies = [copy.deepcopy(detector), detector.clone(include_attributes=True)]
    copies += [pickle.loads(pickle.dumps(detector))]  # noqa: S301  # our own
    for row in noise(30, seed=1):
        assert {made.score_one(row) for made in copies} == {detector.score_one(row)} != {0.0}
        for made in (detector, *copies):
            made.learn_one(row)
    assert detector.clone().score_one(row) == 0.0
    other = SoftHebbTransformer(neurons=3)
    assert detector.clone({"transformer": other}, include_attributes=True).transformer.neurons == 3
