"""What a probe gives and takes as its state, and how it shows itself."""

import json

import numpy as np
import pytest
import torch
from probes import assert_equal_probes, blobs, learned

import hebbstream as hs
from hebbstream import errors
from hebbstream.probe._labels import decode_label, decode_labels, encode_label
from hebbstream.probe._solvers import SOLVERS, as_online_probe, probe_from_state

OPTIONS = [
    ("gradient", {"optimizer": "adam", "learning_rate": 0.02, "calibrate": True}),
    ("gradient", {"average_over": 20}),
    ("ridge", {"dimensions": 9, "solve_every": 7}),
    ("slda", {"half_life": 20.0, "calibrate": True}),
]


@pytest.mark.parametrize(("solver", "options"), OPTIONS)
def test_a_state_in_json_and_tensors_is_all_there_is(solver, options):
    X, y = blobs(60)
    probe = learned(solver, X[:30], y[:30], **options)
    probe.predict_one(X[0])
    probe.learn_one(X[30], y[30])
    state = probe.state_dict()
    other = probe_from_state(json.loads(json.dumps({**state, "tensors": None})) | {"tensors": state["tensors"]})
    assert_equal_probes(other, probe)
    held = {name: tensor.clone() for name, tensor in probe.state_dict()["tensors"].items()}
    other.learn_many(X[31:], y[31:])
    assert all(torch.equal(tensor, held[name]) for name, tensor in probe.state_dict()["tensors"].items())
    probe.learn_many(X[31:], y[31:])
    assert other.predict_proba_one(X[0]) == probe.predict_proba_one(X[0])
    for one in (other, probe):
        one.forget(y[0])
        one.grow(2)
    assert_equal_probes(other, probe)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_probe_that_has_learned_nothing_has_a_state_too(solver):
    probe = probe_from_state(SOLVERS[solver](calibrate=True).state_dict())
    assert probe.n_features is None
    probe.learn_one([1.0, 2.0], "a")
    assert probe.predict_one([1.0, 2.0]) == "a"


def test_a_probe_of_which_every_class_is_forgotten_has_a_state_too():
    probe = learned("ridge", *blobs(30))
    for label in list(probe.classes):
        probe.forget(label)
    assert_equal_probes(probe_from_state(probe.state_dict()), probe)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t: s.update(solver="svm"), "solver='svm': expected one of 'gradient', 'ridge', 'slda'"),
        (lambda s, t: s.update(solver=["svm"]), "unhashable"),
        (lambda s, t: s.pop("solver"), "without 'solver'"),
        (lambda s, t: s["options"].update(l2=-1), "l2=-1"),
        (lambda s, t: s["options"].update(unknown=1), "unknown"),
        (lambda s, t: s["options"].update(dimensions="many"), "dimensions='many': expected a positive integer"),
        (lambda s, t: s["options"].update(calibrate=False), "tensors temperature: expected none"),
        (lambda s, t: s["options"].update(dimensions=2), r"gram of float64 \(13, 13\): expected float64 \(3, 3\)"),
        (lambda s, t: s["classes"].append(["str", "more"]), r"sums of float64 \(4, 13\): expected float64 \(5, 13\)"),
        (lambda s, t: s["classes"].append(s["classes"][0]), "expected each of them once"),
        (lambda s, t: s["classes"].append(["tuple", [1]]), "expected the name of its type"),
        (lambda s, t: s["classes"].append("str"), "too many values"),
        (lambda s, t: s.update(classes=None), "not iterable"),
        (lambda s, t: s.update(steps=3), "steps=3: expected at least 4"),
        (lambda s, t: s.update(steps="20"), "steps='20'"),
        (lambda s, t: s.update(steps=0, classes=[]), "4 tensors after 0 steps"),
        (lambda s, t: t.pop("gram"), "without 'gram'"),
        (lambda s, t: t.clear(), "0 tensors after 20 steps"),
        (lambda s, t: t.update(temperature=torch.zeros(3)), r"temperature of float32 \(3,\): expected float64 \(2,\)"),
        (lambda s, t: t.update(gram=t["gram"].float()), r"gram of float32 \(13, 13\): expected float64"),
        (lambda s, t: t.update(gram=None), "NoneType"),
        (lambda s, t: t.update(other=torch.zeros(3)), "tensors other: expected none of that name"),
        (lambda s, t: t.update(solution=torch.zeros(2)), r"solution of float32 \(2,\): expected float64 \(4, 13\)"),
        (lambda s, t: t.update(solution=t["sums"]), "without 'pending'"),
        (lambda s, t: s.pop("tensors"), "without 'tensors'"),
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(change, message):
    state = learned("ridge", *blobs(20), calibrate=True).state_dict()
    change(state, state["tensors"])
    with pytest.raises(ValueError, match=message) as caught:
        probe_from_state(state)
    assert str(caught.value).startswith("state of a probe")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mean", "losses", "weight", "age", "count"])
def test_a_state_of_the_gradient_probe_that_does_not_fit_together_is_refused(name):
    state = learned("gradient", *blobs(20)).state_dict()
    state["tensors"][name] = state["tensors"][name].repeat(2, 1)
    with pytest.raises(ValueError, match=r"state of a probe: tensor \w+ of float64 .*: expected float64"):
        probe_from_state(state)


@pytest.mark.parametrize("label", ["a", "", 3, -1, 2.5, float("inf"), True, False])
def test_labels_are_terms_of_json_and_come_back(label):
    again = decode_label(json.loads(json.dumps(encode_label(label))))
    assert (again, type(again)) == (label, type(label))


@pytest.mark.parametrize(
    ("label", "encoded"),
    [(np.str_("b"), ["str", "b"]), (np.int64(3), ["int", 3]), (np.bool_(True), ["bool", True])],
)
def test_labels_of_numpy_are_those_they_equal(label, encoded):
    assert encode_label(label) == encoded


@pytest.mark.parametrize("label", [("a", 1), b"a", None, frozenset()])
def test_other_labels_cannot_be_encoded(label):
    with pytest.raises(errors.LabelError, match="str, int, float and bool"):
        encode_label(label)


@pytest.mark.parametrize(
    "encoded",
    [
        [["int", "3"]],
        [["int", True]],
        [["eval", "1"]],
        [["float", float("nan")]],
        [["int", 1], ["bool", True]],
        [["str"]],
    ],
)
def test_labels_that_none_was_encoded_as_are_refused(encoded):
    with pytest.raises(ValueError, match=r"expected|unpack"):
        decode_labels(encoded)


@pytest.mark.parametrize(
    ("probe", "fresh", "after"),
    [
        (hs.SoftmaxProbe(), "", "features=3, classes=2, labels=4"),
        (hs.SoftmaxProbe(0.5, average_over=9), "learning_rate=0.5, average_over=9", "features=3, classes=2, labels=4"),
        (hs.RidgeProbe(seed=4), "seed=4", "features=3, classes=2, labels=4"),
        (hs.SldaProbe(min_confidence=0.5), "min_confidence=0.5", "features=3, classes=2, labels=4"),
    ],
)
def test_a_probe_shows_what_it_was_made_with_and_what_it_has_learned(probe, fresh, after):
    name = type(probe).__name__
    assert repr(probe) == f"{name}({fresh})"
    for label in "abab":
        probe.learn_one(np.ones(3), label)
    assert repr(probe) == f"{name}({', '.join(filter(None, [fresh, after]))})"


def test_only_a_probe_or_what_holds_one_is_a_probe():
    with pytest.raises(errors.ConfigurationError, match="model with a dict: expected an OnlineProbe or a LinearProbe"):
        as_online_probe({}, "model")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hs.SldaProbe(dimensions=2.5), "dimensions=2.5: expected a positive integer"),
        (lambda: hs.SldaProbe(shrinkage="0.1"), "shrinkage='0.1': expected a number above 0"),
        (lambda: hs.RidgeProbe(half_life="100"), "half_life='100': expected a number above 0, or None"),
        (lambda: hs.RidgeProbe(l2=None), "l2=None: expected a number above 0"),
        (lambda: hs.RidgeProbe(solve_every="5"), "solve_every='5': expected a positive integer"),
        (lambda: hs.SoftmaxProbe(optimizer=["sgd"]), r"optimizer=\['sgd'\]: expected one of 'sgd', 'adam'"),
        (lambda: hs.SoftmaxProbe("3"), "learning_rate='3': expected a number above 0"),
        (lambda: hs.SoftmaxProbe(average_over="9"), "average_over='9': expected a positive number of samples"),
        (lambda: hs.SoftmaxProbe(min_confidence=None), "min_confidence=None: expected a probability"),
    ],
)
def test_an_option_that_is_no_number_is_refused_before_it_is_learned_with(make, message):
    with pytest.raises(errors.ConfigurationError, match=message):
        make()
