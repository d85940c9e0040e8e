import decimal
import numbers
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks, datasets, evaluate, metrics
from strategies import modest

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import LinearProbe
from hebbstream.probe._solvers import SOLVERS

CHECKS = list(checks.yield_checks(LinearProbe()))
ON_DATA = [check for check in CHECKS if hasattr(check, "keywords")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_rivers_own_checks(check):
    check(LinearProbe())


@pytest.mark.parametrize("check", ON_DATA, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam"},
        {"solver": "ridge"},
        {"solver": "slda"},
        {"solver": "ridge", "half_life": 50.0},
        {"solver": "slda", "half_life": 50.0},
    ],
    ids=str,
)
def test_so_those_on_data_pass_with_other_options(options, check):
    check(LinearProbe(**options))


def test_no_check_is_skipped():
    assert LinearProbe()._unit_test_skips() == set()
    names = {check.__name__ for check in CHECKS}
    assert len(CHECKS) >= 62  # those of mini-batches too, which river leaves out where pandas is missing
    assert {"check_learn_many_matches_learn_one", "check_predict_many_matches_predict_one"} <= names


def test_it_learns_rivers_image_segments_far_above_chance():
    stream = datasets.ImageSegments().take(1500)
    accuracy = evaluate.progressive_val_score(stream, LinearProbe(), metrics.Accuracy())
    assert accuracy.get() > 0.75  # seven classes


@pytest.mark.parametrize("solver", SOLVERS)
def test_frames_arrays_and_tensors_are_the_same_mini_batches(solver):
    rows = np.random.default_rng(0).normal(size=(60, 5))
    labels = pd.Series(["up" if row[0] > 0 else "down" for row in rows], index=range(100, 160))
    frame = pd.DataFrame(rows, columns=list("abcde"), index=labels.index)
    probes = [LinearProbe(solver) for _ in range(4)]
    probes[0].learn_many(frame[:40], labels[:40])
    probes[0].learn_many(frame.iloc[40:, ::-1], labels[40:])
    probes[1].learn_many(rows, labels, w=np.ones(60))
    probes[2].learn_many(torch.from_numpy(rows), labels.tolist())
    for (_, row), label in zip(frame.iterrows(), labels, strict=True):
        probes[3].learn_one(row.to_dict(), label)
    expected = probes[1].predict_proba_many(rows)
    for probe in probes:
        np.testing.assert_allclose(probe.predict_proba_many(rows), expected, atol=1e-6)
    found = probes[0].predict_proba_many(frame.assign(unknown=9.0))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.index.equals(frame.index)
    assert list(found.columns) == probes[0].as_probe().classes
    assert found.dtypes.eq(np.float64).all()
    predicted = probes[0].predict_many(frame)
    assert predicted.tolist() == probes[1].predict_many(rows)
    assert predicted.index.equals(frame.index)


def test_before_the_first_label_a_frame_has_no_classes():
    frame = pd.DataFrame({"a": [1.0, 2.0]}, index=[5, 6])
    assert LinearProbe().predict_proba_many(frame).shape == (2, 0)
    assert LinearProbe().predict_many(frame).tolist() == [None, None]


@pytest.mark.parametrize("solver", SOLVERS)
def test_pickle_clone_and_repr(solver):
    probe = LinearProbe(solver, dimensions=3, calibrate=True, learning_rate=0.02, seed=7)
    for row in np.random.default_rng(0).normal(size=(30, 5)):
        probe.learn_one(dict(enumerate(row)), bool(row[0] > 0))
    again = pickle.loads(pickle.dumps(probe))  # noqa: S301  # written a line ago
    for model in (probe, again):
        model.learn_one({0: 1.0, 9: 2.0}, "new")
    assert again.predict_proba_one({0: 1.0, 9: 1.0}) == probe.predict_proba_one({0: 1.0, 9: 1.0})
    fresh = probe.clone()
    assert fresh.predict_one({0: 1.0}) is None
    assert repr(fresh) == repr(probe)
    assert f"solver='{solver}'" in repr(probe).replace('"', "'")


def test_a_class_is_forgotten_and_an_unsure_probe_abstains():
    probe = LinearProbe("slda", min_confidence=0.9)
    for _ in range(5):
        probe.learn_one({"a": 1.0}, "first")
        probe.learn_one({"b": 1.0}, "second")
    assert probe.predict_one({"a": 1.0}) == "first"
    assert probe.predict_one({"a": 0.5, "b": 0.5}) is None
    assert probe.predict_many(pd.DataFrame({"a": [1.0, 0.5], "b": [0.0, 0.5]})).tolist() == ["first", None]
    probe.forget("first")
    assert probe.predict_one({"a": 1.0}) == "second"


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
    probe = LinearProbe()
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
    before = {name: tensor.clone() for name, tensor in probe.state_dict()["tensors"].items()}
    with pytest.raises(errors.RankError, match=r"shape \(4,\): expected \(3,\)"):
        probe.learn_one(np.ones(4), "b")
    with pytest.raises(errors.NonFiniteError):
        probe.learn_one(np.array([1.0, np.nan, 0.0]), "b")
    assert probe.classes == ["a"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in probe.state_dict()["tensors"].items())
    with pytest.raises(errors.ConfigurationError, match="solver='svm'"):
        LinearProbe(solver="svm")
    with pytest.raises(errors.ConfigurationError, match="learning_rate=-1: expected a number above 0"):
        LinearProbe("ridge", learning_rate=-1)  # which it does not use


NAMES = st.one_of(
    st.sampled_from("abc"), st.integers(-2, 2), st.tuples(st.booleans(), st.none()), st.floats(), st.none(), st.binary()
)
VALUES = st.one_of(
    st.floats(-1e6, 1e6),
    st.floats(),
    st.integers(),
    st.booleans(),
    st.fractions(),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.floats(width=16).map(np.float16),
    st.integers(0, 255).map(np.uint8),
    st.floats(-1, 1).map(torch.tensor),
    st.sampled_from([10**400, "1.5", "one", b"2", None, 1j, [1.0], [], np.ones(2), np.ones(1), object(), pd.NA]),
)
LABELS = st.sampled_from(["up", "down", 3, True, None, float("nan"), [1]])
WEIGHTS = st.sampled_from([1.0, 1.0, 1.0, 2, 0.0, -1.0, float("nan"), "heavy", None])


def everything(probe):
    inner = probe.as_probe()
    return inner.columns.copy(), inner.classes.copy(), inner.n_features, inner.steps, state_of(inner)


def state_of(probe):
    return {name: tensor.tolist() for name, tensor in (probe._shared | probe._per_class).items()}


def is_number(value, most=1e38):
    """Whether it is a real number, of a size that float32 holds."""
    number = isinstance(value, numbers.Real | decimal.Decimal | np.number) and not isinstance(value, complex)
    number = number or (isinstance(value, torch.Tensor) and value.ndim == 0)
    return number and abs(value if isinstance(value, int) else float(value)) <= most


@given(
    st.sampled_from(sorted(SOLVERS)),
    st.lists(st.tuples(st.dictionaries(NAMES, VALUES, max_size=4), LABELS, WEIGHTS), max_size=5),
)
@settings(modest, max_examples=100)
def test_any_dict_is_learned_or_refused_before_anything_changes(solver, rows):
    probe = LinearProbe(solver)
    for x, y, w in rows:
        before = everything(probe)
        good = all(map(is_number, x.values())) and all(name == name for name in x)
        good = good and y in ("up", "down", 3, True) and w in (1.0, 2)
        try:
            probe.learn_one(x, y, w)
        except errors.InputError:
            learned = False
            assert str(everything(probe)) == str(before)
        else:
            learned = True
            assert probe.as_probe().steps == before[3] + 1
            assert set(probe.as_probe().columns) == {*before[0], *x}
            assert set(probe.predict_proba_one(x)) == {*before[1], y}
        # What float32 just holds may be learned or not.
        borderline = any(is_number(value, 1e39) and not is_number(value) for value in x.values())
        assert learned == good or borderline


@given(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=3),
    st.lists(VALUES, min_size=6, max_size=6),
    st.lists(LABELS, min_size=1, max_size=3),
    st.one_of(WEIGHTS, st.lists(WEIGHTS, max_size=3)),
)
@settings(modest, max_examples=100)
def test_any_data_frame_is_learned_or_refused_before_anything_changes(names, values, labels, weights):
    probe = LinearProbe("ridge")
    probe.learn_one({"a": 1.0}, "up")
    columns = [pd.Series([values[2 * index], values[2 * index + 1]], dtype=object) for index in range(len(names))]
    frame = pd.concat(columns, axis=1, keys=names)
    before = everything(probe)
    try:
        probe.learn_many(frame, labels, weights)
    except errors.InputError:
        assert str(everything(probe)) == str(before)
    else:
        assert probe.as_probe().steps == 1 + len(labels) == 3
        assert set(probe.as_probe().columns) == {"a", *names}


def test_a_missing_label_of_pandas_is_refused_as_none_is():
    probe = LinearProbe()
    with pytest.raises(errors.LabelError, match="label <NA> is a missing value: expected a class"):
        probe.learn_one({"a": 1.0}, pd.NA)
    with pytest.raises(errors.LabelError):
        probe.learn_many(pd.DataFrame({"a": [1.0, 2.0]}), pd.Series(["u", None], dtype="string"))
    assert probe.as_probe().n_features is None


def test_a_table_of_another_library_is_a_data_frame():
    table = pytest.importorskip("pyarrow").table({"a": [1.0, -1.0], "b": [0.0, 2.0]})
    probe, same = LinearProbe("ridge"), LinearProbe("ridge")
    probe.learn_many(table, ["u", "v"])
    same.learn_many(table.to_pandas(), ["u", "v"])
    assert list(probe.as_probe().columns) == ["a", "b"]
    assert probe.predict_proba_many(table).equals(same.predict_proba_many(table.to_pandas()))
    assert probe.predict_many(table).tolist() == ["u", "v"]
    with pytest.raises(errors.RankError):
        probe.learn_one(table, "u")


def test_names_after_vectors_are_refused():
    probe = LinearProbe()
    probe.learn_one(np.ones(3), "up")
    before = everything(probe)
    for names in ({"a": 1.0}, {}, {"a": 1.0, "b": 2.0, "c": 3.0}):
        with pytest.raises(errors.InputError, match="expected"):
            probe.learn_one(names, "up")
    assert everything(probe) == before


def test_a_probe_wrapped_again_goes_on_where_it_was(tmp_path):
    probe = LinearProbe()
    probe.learn_one(np.ones(3), "a")
    hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=2), probe).save(tmp_path / "run")
    again = LinearProbe.from_probe(hs.Learner.load(tmp_path / "run").probe)
    probe.learn_one(np.zeros(3), "b")
    again.learn_one(np.zeros(3), "b")
    assert again.predict_proba_one(np.ones(3)) == probe.predict_proba_one(np.ones(3))
