"""Classes that come, one after another, and go."""

import json
import pickle

import numpy as np
import pytest
import torch
from probes import EXACT, accuracy, assert_equal_probes, blobs, learned, rows_in_order

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters._array_files import read_idx
from hebbstream.probe._solvers import SOLVERS


@pytest.mark.parametrize("solver", SOLVERS)
def test_labels_of_any_hashable_type_and_none_that_is_not_one(solver):
    probe = SOLVERS[solver]()
    labels = ["a", 3, 2.5, ("x", 1), frozenset([1]), np.str_("b")]
    X = np.eye(6)
    for _ in range(3):
        for row, label in zip(X, labels, strict=True):
            probe.learn_one(row, label)
    probe.learn_one(X[1], torch.tensor(3))
    assert probe.classes == labels
    before = pickle.dumps(probe)
    for label in (["list"], None, float("nan"), torch.ones(2)):
        with pytest.raises(errors.LabelError):
            probe.learn_one(X[0], label)
        with pytest.raises(errors.LabelError):
            probe.learn_many(X[:2], ["new", label])
    for weight in (0.0, -1.0, 1e200, 1e-300, float("nan"), float("inf"), "heavy"):
        with pytest.raises(errors.ValueRangeError, match="sample weight"):
            probe.learn_one(X[0], "new", weight)
    with pytest.raises(errors.InputError, match="6 rows, 1 labels, 1 weights"):
        probe.learn_many(X, ["new"])
    assert pickle.dumps(probe) == before


@pytest.mark.parametrize("solver", SOLVERS)
def test_labels_of_numpy_become_those_of_python_which_json_knows(solver):
    probe, replay = SOLVERS[solver](), hs.Replay()
    labels = [np.str_("b"), np.int64(3), np.float64(2.5), np.bool_(False)]
    probe.learn_many(np.eye(4), labels)
    for label in labels:
        replay.add(torch.zeros(2), label)
    probe.rename(np.int64(3), np.int64(4))
    assert json.dumps([probe.classes, replay.kept()[1]]) == '[["b", 4, 2.5, false], ["b", 3, 2.5, false]]'
    assert json.dumps(probe.predict_one([1.0, 0, 0, 0])) == '"b"'
    moment = np.datetime64("2026-01-01", "ns")  # Python's dates hold less
    probe.learn_one(np.eye(4)[0], moment)
    assert type(probe.classes[-1]) is np.datetime64


@pytest.mark.parametrize("half_life", [None, 50.0])
@pytest.mark.parametrize("solver", ["ridge", "slda"])
def test_merged_classes_are_those_that_had_one_name_from_the_start(solver, half_life):
    X, y = blobs(300)
    probe, other = SOLVERS[solver](half_life=half_life), SOLVERS[solver](half_life=half_life)
    probe.learn_many(X, y)
    other.learn_many(X, [1 if label == 2 else "three" if label == 3 else label for label in y])
    probe.rename(3, "three")
    probe.rename(2, 1)
    with pytest.raises(errors.LabelError, match="label 2: expected one of the 3 classes"):
        probe.rename(2, 1)
    probe.rename(1, 1)
    assert probe.classes == other.classes
    assert probe.steps == other.steps
    if half_life is None:
        torch.testing.assert_close(probe.affine(), other.affine(), rtol=1e-9, atol=1e-9)
    assert probe.predict_many(X) == other.predict_many(X)
    probe.learn_one(X[0], 2)
    assert probe.classes[-1] == 2


def test_a_probe_that_learns_by_gradients_merges_nothing_and_says_so():
    probe = learned("gradient", *blobs(80))
    with pytest.raises(errors.ConfigurationError, match="solver='gradient': expected ridge or slda"):
        probe.rename(2, 1)
    probe.rename(2, "two")
    assert set(probe.classes) == {0, 1, "two", 3}


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_forgotten_class_is_predicted_no_more_and_the_others_as_before(solver):
    X, y = blobs(400)
    probe = learned(solver, X, y)
    before = rows_in_order(probe, [0, 1, 3])
    probe.forget(2)
    assert sorted(probe.classes) == [0, 1, 3]
    assert set(probe.predict_many(X)) == {0, 1, 3}
    others = [label != 2 for label in y]
    assert accuracy(probe, X[others], [label for label in y if label != 2]) > 0.95
    if solver != "slda":  # there the scale of the features is that of the classes known
        after = rows_in_order(probe, [0, 1, 3])
        cosine = torch.nn.functional.cosine_similarity(after[:, :-1].double(), before[:, :-1].double())
        assert cosine.min() > 1 - 1e-6
    with pytest.raises(errors.LabelError, match="label 2: expected one of the 3 classes"):
        probe.forget(2)
    for row, label in zip(*blobs(200, seed=7), strict=True):
        probe.learn_one(row, label)
    assert accuracy(probe, *blobs(200, seed=8)) > 0.9
    for label in list(probe.classes):
        probe.forget(label)
    assert probe.predict_one(X[0]) is None
    assert probe.predict_proba_one(X[0]) == {}
    probe.learn_one(X[0], "again")
    assert probe.predict_one(X[0]) == "again"


def test_the_within_class_covariance_outlives_a_forgotten_class():
    X, y = blobs(300)
    probe = learned("slda", X, y, shrinkage=1e-9)
    probe.forget(2)
    known = np.array([label for label in y if label != 2])
    means = {label: X[np.array(y) == label].mean(axis=0) for label in range(4)}
    within = sum(np.outer(row - means[label], row - means[label]) for row, label in zip(X, y, strict=True)) / 300
    weight = probe.affine()[0].numpy()
    expected = np.linalg.solve(within, (means[1] - means[0]))
    found = weight[probe.classes.index(1)] - weight[probe.classes.index(0)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(known) < 300


@pytest.mark.parametrize("solver", SOLVERS)
def test_before_the_first_label_there_is_nothing_to_predict(solver):
    probe = SOLVERS[solver]()
    assert probe.predict_one(np.ones(3)) is None
    assert probe.predict_many(np.ones((2, 3))) == [None, None]
    assert probe.predict_proba_one(np.ones(3)) == {}
    assert probe.predict_proba_many(np.ones((2, 3))).shape == (2, 0)
    assert probe.state_dict()["tensors"] == {}
    probe.learn_many(np.ones((0, 3)), [])
    assert probe.n_features is None
    with pytest.raises(errors.ConfigurationError, match="without classes"):
        probe.affine()


@pytest.mark.parametrize("solver", EXACT)
def test_class_after_class_is_as_good_as_shuffled(solver):
    X, y = blobs(600, classes=6, spread=2.5)
    test, truth = blobs(500, classes=6, seed=1, spread=2.5)
    order = np.argsort(y, kind="stable")
    by_class, shuffled = learned(solver, X[order], np.array(y)[order].tolist()), learned(solver, X, y)
    assert accuracy(by_class, test, truth) == accuracy(shuffled, test, truth) > 0.75


def test_class_after_class_on_mnist(data):
    train, train_labels, test, test_labels = (
        read_idx(data / "mnist" / f"{name}-ubyte.gz")[:2000]
        for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    )
    X, T = (images.reshape(len(images), -1) / 255.0 for images in (train, test))
    order = np.argsort(train_labels // 2, kind="stable")  # two classes at a time, never seen again
    found = {}
    for solver in SOLVERS:
        for name, indices in (("shuffled", np.arange(len(X))), ("by class", order)):
            probe = learned(solver, X[indices], train_labels[indices].tolist())
            found[solver, name] = accuracy(probe, T, test_labels)
    for solver in EXACT:
        assert found[solver, "shuffled"] > 0.75
        assert abs(found[solver, "by class"] - found[solver, "shuffled"]) < 0.01
    assert found["gradient", "by class"] < found["gradient", "shuffled"] - 0.1  # it forgets


def test_a_few_samples_of_a_new_class_are_enough_for_slda():
    X, y = blobs(1000, features=40, classes=5, spread=2.0)
    new = [index for index, label in enumerate(y) if label == 4]
    probe = learned("slda", *zip(*((X[i], label) for i, label in enumerate(y) if label != 4), strict=True))
    probe.learn_many(X[new[:5]], [4] * 5)
    assert accuracy(probe, X[new[5:]], [4] * len(new[5:])) > 0.8
    assert accuracy(probe, X, y) > 0.9


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_probe_whose_first_sample_was_interrupted_is_as_new(solver, monkeypatch):
    X, y = blobs(4, features=5, classes=2)
    probe, new = learned(solver, X[:0], y[:0], calibrate=True), learned(solver, X[:0], y[:0], calibrate=True)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(probe, "_learn", interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe.learn_one(X[0], "new")
    assert probe.state_dict() == new.state_dict()


@pytest.mark.parametrize("method", ["_replaced", "_learn"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_new_class_that_was_interrupted_is_learned_as_if_it_had_not_been(solver, method, monkeypatch):
    X, y = blobs(40, features=5, classes=4)
    probe = learned(solver, X, y, calibrate=True)

    def interrupted(*_):
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(probe, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        probe.learn_one(X[0], "new")
    assert_equal_probes(probe, learned(solver, X, y, calibrate=True))
    probe.learn_one(X[0], "new")
    assert_equal_probes(probe, learned(solver, [*X, X[0]], [*y, "new"], calibrate=True))


@pytest.mark.parametrize(("first", "second"), [("1", 1), (0, "0"), (True, "True"), ("2.0", 2.0)])
def test_a_label_that_comes_as_text_and_as_a_number_is_told_once(first, second, caplog):
    probe = SOLVERS["ridge"]()
    for label in (first, second, first, second):
        probe.learn_one([1.0, 0.0], label)
    assert probe.classes == [first, second]
    assert [record.message for record in caplog.records] == [
        f"label {second!r} is another class than {first!r}: labels of CSV files are text, those of other files may be numbers"
    ]


def test_labels_that_differ_are_not_remarked_on(caplog):
    probe = SOLVERS["ridge"]()
    for label in ("1", "01", 2, 2.5, "up", "True", False, "nan"):
        probe.learn_one([1.0, 0.0], label)
    assert not caplog.records


@pytest.mark.parametrize("measured", [lambda n: n / 4, lambda n: f"{n / 4:.2f}", lambda n: np.float32(n / 4)])
def test_labels_that_are_measurements_are_told_once(measured, caplog):
    probe = SOLVERS["gradient"]()
    for n in range(120):
        probe.learn_one([1.0, 0.0], measured(n))
    (told,) = caplog.records
    assert told.message.startswith("50 labels so far are numbers, such as ")
    assert told.message.endswith("to predict a number, use LinearRegressorProbe of hebbstream.adapters.river")


@pytest.mark.parametrize("named", [int, str, float, lambda n: f"person {n / 4}", lambda n: n / 4 if n else "none"])
def test_many_classes_that_are_none_are_not_remarked_on(named, caplog):
    probe = SOLVERS["gradient"]()
    for n in range(120):
        probe.learn_one([1.0, 0.0], named(n))
    assert not caplog.records


@pytest.mark.parametrize("weight", [np.array(2.0), torch.tensor(2.0), np.float32(2.0)])
def test_a_scalar_array_is_the_weight_of_every_sample(weight):
    X, y = blobs(12)
    found, expected = SOLVERS["slda"](), SOLVERS["slda"]()
    found.learn_many(X, y, weight)
    expected.learn_many(X, y, 2.0)
    assert_equal_probes(found, expected)


def test_a_label_that_python_cannot_write_is_refused():
    for learn in (hs.SoftmaxProbe().learn_one, hs.Replay().add):
        with pytest.raises(errors.LabelError, match="label of 16,610 bits: expected an integer of at most 2,048"):
            learn(torch.zeros(3), 10**5000)
