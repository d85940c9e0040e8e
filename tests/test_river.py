import numpy as np
import pytest
import torch
from river import checks, datasets, evaluate, metrics

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.probe import SOLVERS

CHECKS = list(checks.yield_checks(LinearProbe()))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("solver", SOLVERS)
def test_rivers_own_checks(solver, check):
    check(LinearProbe(solver))


def test_no_check_is_skipped():
    assert LinearProbe()._unit_test_skips() == set()
    names = {check.__name__ for check in CHECKS}
    assert len(CHECKS) >= 62  # those of mini-batches too, which river leaves out where pandas is missing
    assert {"check_learn_many_matches_learn_one", "check_predict_many_matches_predict_one"} <= names


def test_it_learns_rivers_image_segments_far_above_chance():
    stream = datasets.ImageSegments().take(1500)
    accuracy = evaluate.progressive_val_score(stream, LinearProbe(learning_rate=0.01), metrics.Accuracy())
    assert accuracy.get() > 0.75  # seven classes


def test_dicts_arrays_and_tensors_are_the_same_features():
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    labels = ["up" if row[0] > 0 else "down" for row in rows]
    probes = [LinearProbe() for _ in range(3)]
    for row, label in zip(rows, labels, strict=True):
        for probe, x in zip(probes, (dict(enumerate(row.tolist())), row, torch.from_numpy(row)), strict=True):
            probe.learn_one(x, label)
    first, *others = [probe.predict_proba_one(row) for probe, row in zip(probes, [rows[0]] * 3, strict=True)]
    assert all(first == other for other in others)


def test_classes_appear_on_the_fly_and_features_may_come_and_go():
    probe = LinearProbe(learning_rate=0.05)
    assert probe.predict_one({"a": 1.0}) is None
    assert probe.predict_proba_one({"a": 1.0}) == {}
    for _ in range(50):
        probe.learn_one({"a": 1.0}, "first")
        probe.learn_one({"b": 1.0}, 2)
        probe.learn_one({"c": 1.0, "a": 0.5}, "third")
    assert [probe.predict_one({name: 1.0}) for name in "ab"] == ["first", 2]
    assert probe.predict_one({"c": 1.0, "a": 0.5, "never seen": 9.0}) == "third"
    assert sum(probe.predict_proba_one({"c": 1.0}).values()) == pytest.approx(1.0, abs=1e-9)


def test_bad_features_are_refused():
    probe = hs.SoftmaxProbe()
    probe.learn_one(np.ones(3), "a")
    before = {name: tensor.clone() for name, tensor in probe.tensors().items()}
    with pytest.raises(errors.RankError, match=r"shape \(4,\): expected \(3,\)"):
        probe.learn_one(np.ones(4), "b")
    with pytest.raises(errors.NonFiniteError):
        probe.learn_one(np.array([1.0, np.nan, 0.0]), "b")
    assert probe.classes == ["a"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in probe.tensors().items())
    with pytest.raises(errors.ConfigurationError, match="solver='svm'"):
        LinearProbe(solver="svm")


def test_a_probe_wrapped_again_goes_on_where_it_was(tmp_path):
    probe = LinearProbe()
    probe.learn_one(np.ones(3), "a")
    hs.save_checkpoint(tmp_path / "run", hs.SoftHebbNet.from_preset("cifar10", width=2), probe)
    again = LinearProbe.from_probe(hs.load_checkpoint(tmp_path / "run").probe)
    probe.learn_one(np.zeros(3), "b")
    again.learn_one(np.zeros(3), "b")
    assert again.predict_proba_one(np.ones(3)) == probe.predict_proba_one(np.ones(3))
