"""Features keep their names: in a probe's state, in every order and number, and side by side."""

import copy
import json
import pickle
import re
import sys

import numpy as np
import pandas as pd
import pytest
from river import compose

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe, LinearRegressorProbe, OnnxTransformer, SoftHebbTransformer
from hebbstream.export import to_onnx
from hebbstream.probe._solvers import SOLVERS, probe_from_state

ROWS = np.random.default_rng(0).normal(size=(30, 4))
LABELS = ["p" if row[0] > 0 else "n" for row in ROWS]
NAMES = {
    "text": list("abcd"),
    "numbers": [3, -1, 7, 2],
    "of every type": ["3", 3, 2.5, False],
    "tuples": [("red", 1), ("red", ("blue", None)), None, ()],
}


def learned(solver, names, **options):
    probe = LinearProbe(solver, **options)
    for row, label in zip(ROWS, LABELS, strict=True):
        probe.learn_one(dict(zip(names, row, strict=True)), label)
    return probe


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
@pytest.mark.parametrize("solver", SOLVERS)
def test_names_are_in_a_checkpoint(tmp_path, solver, names):
    probe = learned(solver, names)
    hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=2), probe).save(tmp_path / "run")
    again = LinearProbe.from_probe(hs.Learner.load(tmp_path / "run").probe)
    backwards = dict(zip(reversed(names), reversed(ROWS[0]), strict=True))
    assert again.predict_proba_one(backwards) == probe.predict_proba_one(backwards)
    for one in (probe, again):
        one.learn_one({"new": 1.0, names[1]: 2.0}, "p")
    assert again.predict_proba_one({"new": 3.0}) == probe.predict_proba_one({"new": 3.0})
    assert again.as_probe().columns == probe.as_probe().columns == {**dict(zip(names, range(4), strict=True)), "new": 4}


def test_two_wrappers_of_one_probe_know_the_same_names():
    one = learned("ridge", list("abcd"))
    other = LinearProbe.from_probe(one.as_probe())
    other.learn_one({"e": 1.0}, "p")
    one.learn_one({"f": 1.0, "e": 2.0}, "p")
    assert list(one.as_probe().columns) == list("abcdef")
    assert other.predict_proba_one({"f": 1.0}) == one.predict_proba_one({"f": 1.0})


def test_a_name_that_no_file_holds_is_refused_by_name():
    with pytest.raises(errors.LabelError, match="feature name b'a': a checkpoint holds"):
        learned("ridge", [b"a", "b", "c", "d"]).as_probe().state_dict()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([["str", "a"]], "1 names: expected another for each of 4 features"),
        ([["str", "a"]] * 4, "4 names: expected another for each of 4 features"),
        ([["list", []]] * 4, "expected the name of its type"),
        ([["str", 3]] * 4, "expected the name of its type"),
        (None, "not iterable"),
    ],
)
def test_names_that_do_not_fit_are_refused(names, message):
    state = learned("ridge", list("abcd")).as_probe().state_dict()
    with pytest.raises(ValueError, match=message):
        probe_from_state({**state, "names": names})
    json.dumps(state["names"])


@pytest.mark.parametrize("make", [LinearProbe, lambda: LinearProbe("slda"), LinearRegressorProbe])
def test_what_learned_from_vectors_takes_as_many_columns_in_their_order_and_then_has_their_names(make):
    probe, frame = make(), pd.DataFrame(ROWS, columns=list("abcd"))
    targets = list(ROWS[:, 0] > 0)
    probe.learn_many(ROWS, targets)
    assert list(probe.predict_many(frame)) == list(probe.predict_many(ROWS))
    with pytest.raises(errors.InputError):
        probe.learn_one({"a": 1.0, "b": 2.0}, True)
    probe.learn_many(frame, targets)
    row = dict(zip("dcba", ROWS[0, ::-1], strict=True))
    assert probe.predict_one(row) == probe.predict_many(frame)[0]
    assert list(probe._columns._probe.columns) == list("abcd")


@pytest.mark.parametrize("make", [LinearProbe, lambda: LinearProbe("slda"), LinearRegressorProbe])
def test_a_clone_with_its_attributes_goes_on_alone(make):
    probe, other = make(), make()
    for one in (probe, other):
        one.learn_one({"a": 1.0}, True)
    clone = probe.clone(include_attributes=True)
    for one in (clone, other):
        one.learn_one({"a": 1.0, "b": 3.0}, False)
    assert clone.predict_one({"b": 3.0}) == other.predict_one({"b": 3.0})
    assert list(clone._columns._probe.columns) == ["a", "b"]
    assert list(probe._columns._probe.columns) == ["a"]


def test_features_may_be_changed_in_place_on_their_way():
    def doubled(x):
        for name in list(x):
            x[name] *= 2
        x["hour"] = 1.0
        return x

    def apart(x):
        return {**{name: 2 * value for name, value in x.items()}, "hour": 1.0}

    in_place, expected = (
        SoftHebbTransformer(neurons=4) | compose.FuncTransformer(change) | LinearProbe("ridge")
        for change in (doubled, apart)
    )
    for row, label in zip(ROWS, LABELS, strict=True):
        x = dict(zip("abcd", row, strict=True))
        assert in_place.predict_one(x) == expected.predict_one(x)
        for model in (in_place, expected):
            model.learn_one(x, label)
    assert in_place.predict_proba_one(x) == expected.predict_proba_one(x)
    assert "hour" in in_place["LinearProbe"].as_probe().columns


def test_a_copy_of_features_is_as_they_are():
    features = SoftHebbTransformer(neurons=4).transform_one({"a": 1.0})
    for same in (copy.deepcopy(features), pickle.loads(pickle.dumps(features))):  # noqa: S301  # our own
        assert same == features
        assert same.tensor.tolist() == list(features.values())
    del features[next(iter(features))]
    assert features.tensor is None
    assert copy.copy(features) == features


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_probe_of_a_run_goes_on_behind_the_network(tmp_path, solver):
    """`learn` shows it vectors, a pipeline features by name, or a data frame."""
    frames = np.random.default_rng(1).integers(0, 256, (12, 28, 28), np.uint8)
    net, probe = hs.SoftHebbNet.from_preset("mnist", width=4), LinearProbe(solver)
    learner = hs.Learner(net, probe)
    learner.learn([(frame, index % 3) for index, frame in enumerate(frames)], progress=False)
    learner.save(tmp_path / "run")
    loaded = hs.Learner.load(tmp_path / "run")
    model = SoftHebbTransformer.from_checkpoint(tmp_path / "run", standardise=False) | LinearProbe.from_probe(
        loaded.probe
    )
    expected = [probe.predict_one(net.transform_one(frame)) for frame in frames]
    assert list(model.predict_many(frames)) == [model.predict_one(frame) for frame in frames] == expected
    model.learn_one(frames[0], 2)
    model.learn_many(frames[:4], [0, 1, 2, 0])
    assert list(model.predict_many(frames)) == [model.predict_one(frame) for frame in frames]


def test_features_of_different_networks_have_different_names():
    row = {"a": 1.0, "b": 2.0}
    parts = [
        SoftHebbTransformer(neurons=50),
        SoftHebbTransformer(neurons=30),
        SoftHebbTransformer(neurons=30, seed=1),
        SoftHebbTransformer(neurons=30, prefix="mine"),
    ]
    union = compose.TransformerUnion(*parts)
    for _ in range(3):
        union.learn_one(row)
    assert len(union.transform_one(row)) == union.transform_many(pd.DataFrame([row])).shape[1] == 140
    assert {"mine_0", "mine_29"} < union.transform_one(row).keys()
    names = [set(part.transform_one(row)) for part in (*parts, parts[0].clone())]
    assert names[0] == names[-1]
    image = np.zeros((32, 32, 3), np.uint8)
    nets = [
        SoftHebbTransformer("cifar10", width=2),
        SoftHebbTransformer("cifar10", width=4),
        SoftHebbTransformer("cifar10", width=2, mirror=True),
        SoftHebbTransformer(layers=[hs.LayerSpec(channels=2)]),
    ]
    found = [next(iter(net.transform_one(image))) for net in nets]
    assert len(set(found)) == len(found)
    again = SoftHebbTransformer(net=hs.SoftHebbNet.from_preset("cifar10", width=2))
    assert next(iter(again.transform_one(image))) == found[0]


def test_features_have_the_names_of_a_number_whatever_its_type():
    for name, others in (("neurons", {}), ("seed", {"neurons": 4}), ("window", {"preset": "signal", "width": 2})):
        found = []
        for number in (16, np.int64(16)):
            model = SoftHebbTransformer(**{name: number, **others})
            model.learn_one({"a": 1.0})
            found.append(dict(model.transform_one({"a": 1.0})))
        assert found[0] == found[1]


def test_an_exported_model_names_its_features_for_rows_and_batches_alike(tmp_path):
    path = to_onnx(hs.SoftHebbNet.from_preset("cifar10", width=2), tmp_path / "net.onnx", size=32)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    for prefix in ("onnx", "other"):
        model = OnnxTransformer(str(path), prefix=prefix) | LinearProbe("ridge")
        for image, label in zip(images, "abab", strict=True):
            model.learn_one({"image": image}, label)
        assert list(model.predict_many(images)) == [model.predict_one(image) for image in images] == list("abab")
        assert next(iter(model["LinearProbe"].as_probe().columns)) == f"{prefix}_0"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])  # noqa: S301  # ours
def test_a_transformer_whose_features_were_changed_is_copied(copied):
    transformer = SoftHebbTransformer(neurons=4)
    transformer.learn_one({"a": 1.0})
    features = transformer.transform_one({"a": 1.0})
    expected = dict(features)
    features["extra"] = 1.0
    assert dict(copied(features)) == expected | {"extra": 1.0}
    assert dict(copied(transformer).transform_one({"a": 1.0})) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e39])
@pytest.mark.parametrize("make", [LinearProbe, LinearRegressorProbe])
def test_a_value_that_is_refused_is_named(make, value):
    model, row = make(), {"steam": 1.0, "oil": 2.0}
    bad = row | {"oil": value}
    message = f"feature 'oil' is {value!r}: expected a finite number of at most 3.4e+38"
    for learned in (False, True):
        with pytest.raises(errors.NonFiniteError, match=f"^{re.escape(message)}$"):
            model.learn_one(bad | {"late": 1.0}, 1)
        with pytest.raises(errors.NonFiniteError, match=f"^{re.escape(message)}$"):
            model.learn_many(pd.DataFrame([row, bad]), [1, 0])
        assert list(model._columns._probe.columns) == list(row) * learned
        model.learn_one(row, 1)
    with pytest.raises(errors.NonFiniteError, match=f"^{re.escape(message)}$"):
        model.predict_one(bad)
    assert model.predict_one(row | {"never": value}) == 1


@pytest.mark.parametrize("make", [LinearProbe, LinearRegressorProbe])
def test_rows_with_new_names_and_too_few_labels_are_told_as_that(make):
    model, frame = make(), pd.DataFrame([{"steam": 1.0}, {"steam": 2.0}])
    model.learn_many(frame, [1, 0])
    with pytest.raises(errors.InputError, match=r"^2 rows, 1 targets, 1 weights: expected as many of each$"):
        model.learn_many(frame.assign(late=1.0), [1])
    assert list(model._columns._probe.columns) == ["steam"]


@pytest.mark.parametrize("make", [LinearProbe, LinearRegressorProbe])
@pytest.mark.parametrize(
    "targets", [{0: 1, 1: 0}, "10", 1.0, None, np.ones((2, 1)), np.array(1.0), pd.DataFrame({0: [1], 1: [0]})], ids=repr
)
def test_targets_that_are_no_list_are_refused_before_anything_is_learned(make, targets):
    model = make()
    with pytest.raises(
        errors.InputError, match=r"^targets of type \w+: expected one for each row, as a list, a series"
    ):
        model.learn_many(pd.DataFrame({"a": [1.0, 2.0]}), targets)
    assert model._model.steps == 0
    assert not model._columns._probe.columns


def test_mini_batches_without_pandas_name_the_package_that_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    transformer = SoftHebbTransformer(neurons=4)
    transformer.learn_one({"a": 1.0})
    assert len(transformer.transform_one({"a": 1.0})) == 4
    with pytest.raises(errors.MissingDependencyError, match=r"pip install 'river\[pandas\]'"):
        transformer.transform_many([{"a": 1.0}])


@pytest.mark.parametrize(
    "value",
    ["red", "1.5", b"1", [1.0, 2.0], np.zeros(2), 1j, None],
    ids=["text", "digits", "bytes", "list", "array", "complex", "none"],
)
def test_what_is_no_number_is_named(value):
    for model in (LinearProbe(), LinearRegressorProbe()):
        for row in ({"level": 1.0, "colour": value}, {"colour": value}):
            with pytest.raises(
                errors.DtypeError, match=f"^feature 'colour' is {re.escape(repr(value))}: expected a number$"
            ):
                model.learn_one(row, 1)
    frame = pd.DataFrame({"level": [1.0, 2.0], "colour": ["1", "blue"]})
    with pytest.raises(errors.DtypeError, match="feature 'colour' is '1': expected a number"):
        LinearProbe().learn_many(frame, [0, 1])
