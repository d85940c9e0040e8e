"""Every estimator in pipelines with river's models: rows and mini-batches, saved and read in between, predict the same."""

import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from river import compose, linear_model, naive_bayes, neighbors, preprocessing, stats, tree

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe, LinearRegressorProbe, SoftHebbAnomaly, SoftHebbTransformer

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(40, 5)) * [1, 10, 0.1, 1, 3] + [0, 5, 1, -2, 0], columns=list("abcde"))
LABELS = pd.Series(np.where(X.a + X.c > 1, "p", "n"))
NUMBERS = 2 * X.a - X.d
ROWS = X.to_dict("records")

HEADS = {
    "softhebb": lambda: SoftHebbTransformer(neurons=6),
    "scaled": lambda: preprocessing.StandardScaler() | SoftHebbTransformer(neurons=6, prefix="s"),
    "raw": lambda: SoftHebbTransformer(neurons=6, standardise=False),
    "two": lambda: SoftHebbTransformer(neurons=6) + SoftHebbTransformer(neurons=4),
    "beside": lambda: SoftHebbTransformer(neurons=6) + preprocessing.StandardScaler(),
    "parts": lambda: (
        (compose.Select("a", "b") | SoftHebbTransformer(neurons=4, prefix="left"))
        + (compose.Select("c", "d") | SoftHebbTransformer(neurons=4, prefix="right"))
    ),
    "deep": lambda: SoftHebbTransformer(neurons=6) | SoftHebbTransformer(neurons=4),
    "scaler": preprocessing.StandardScaler,
}
CLASSIFIERS = {
    **{solver: lambda solver=solver: LinearProbe(solver) for solver in ("gradient", "ridge", "slda")},
    "adam": lambda: LinearProbe(optimizer="adam"),
    "half-life": lambda: LinearProbe("slda", half_life=30.0, calibrate=True),
}
REGRESSORS = {"exact": LinearRegressorProbe, "fading": lambda: LinearRegressorProbe(half_life=30.0)}
RIVERS = {
    "logistic": lambda: preprocessing.StandardScaler() | linear_model.LogisticRegression(),
    "softmax": linear_model.SoftmaxRegression,
    "bayes": naive_bayes.GaussianNB,
    "tree": lambda: tree.HoeffdingTreeClassifier(grace_period=10),
    "neighbours": lambda: neighbors.KNNClassifier(n_neighbors=3),
    "alma": linear_model.ALMAClassifier,
    "pa": linear_model.PAClassifier,
    "regression": linear_model.LinearRegression,
    "tree regression": lambda: tree.HoeffdingTreeRegressor(grace_period=10),
}
OURS = [*itertools.product(HEADS, [*CLASSIFIERS, *REGRESSORS])]
THEIRS = [*itertools.product(["softhebb", "two"], RIVERS)]


def targets(final):
    if final in ("logistic", "alma", "pa"):
        return LABELS == "p"
    return NUMBERS if final in REGRESSORS or "regression" in final else LABELS


def test_there_are_forty_of_them():
    assert len(OURS) + len(THEIRS) >= 40


@pytest.mark.parametrize(("head", "final"), OURS)
def test_rows_and_mini_batches_predict_the_same(head, final):
    y = targets(final)
    model = HEADS[head]() | (CLASSIFIERS | REGRESSORS)[final]()
    for start in range(0, 40, 10):
        for row, target in zip(ROWS[start : start + 6], y[start : start + 6], strict=True):
            model.predict_one(row)
            model.learn_one(row, target)
        compare(model, start + 6)
        model = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
        model.learn_many(X[start + 6 : start + 10], y[start + 6 : start + 10])
        compare(model, start + 10)
        copy = model.clone(include_attributes=True)
        np.testing.assert_array_equal(copy.predict_many(X), model.predict_many(X))


def compare(model, learned):
    """Rows and mini-batches, in any order of the columns, the one learned last as well."""
    shown = [*range(0, 40, 3), learned - 1]
    many = model.predict_many(X.iloc[shown])
    one = [model.predict_one(ROWS[index]) for index in shown]
    again = model.predict_one(ROWS[learned - 1])
    shuffled = model.predict_many(X.iloc[shown][list("edcba")])
    if isinstance(again, float):
        np.testing.assert_allclose(many, one, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(shuffled, one, rtol=1e-4, atol=1e-4)
    else:
        assert list(many) == list(shuffled) == one
    assert again == one[-1]


@pytest.mark.parametrize(("head", "final"), THEIRS)
def test_rivers_models_see_the_same_features_however_they_are_asked(head, final):
    model = HEADS[head]() | RIVERS[final]()
    for index, (row, target) in enumerate(zip(ROWS, targets(final), strict=True)):
        model.predict_one(row)
        model.learn_one(row, target)
        if index == 20:
            model = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    found = [model.predict_one(row) for row in ROWS]
    first, *rest = model.steps.values()
    of_rows = compose.Pipeline(*rest)
    asked = [[of_rows.predict_one(row) for row in first.transform_many(X).to_dict("records")]]
    if hasattr(rest[-1], "predict_many"):
        asked.append(list(model.predict_many(X)))
    for predictions in asked:
        if isinstance(found[0], float):
            np.testing.assert_allclose(predictions, found, rtol=1e-3, atol=1e-3)
        else:
            assert predictions == found


@pytest.mark.parametrize("solver", ["gradient", "ridge", "slda"])
@pytest.mark.parametrize("head", ["scaler", "softhebb"])
def test_a_checkpoint_of_the_probe_goes_on_in_the_pipeline(tmp_path, head, solver):
    whole = HEADS[head]() | LinearProbe(solver)
    for row, label in zip(ROWS[:20], LABELS[:20], strict=True):
        whole.learn_one(row, label)
    first, probe = whole.steps.values()
    hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=2), probe).save(tmp_path / "run")
    again = first.clone(include_attributes=True) | LinearProbe.from_probe(hs.Learner.load(tmp_path / "run").probe)
    for model in (whole, again):
        model.learn_many(X[20:30], LABELS[20:30])
        for row, label in zip(ROWS[30:], LABELS[30:], strict=True):
            model.learn_one(row, label)
    assert [again.predict_proba_one(row) for row in ROWS] == [whole.predict_proba_one(row) for row in ROWS]
    assert list(again.predict_many(X)) == list(whole.predict_many(X))


def test_an_anomaly_score_behind_and_before_others():
    model = preprocessing.StandardScaler() | SoftHebbAnomaly(SoftHebbTransformer(neurons=6))
    peak = stats.Max()
    for row in ROWS:
        peak.update(model.score_one(row))
        model.learn_one(row)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301  # our own
    assert 0 < peak.get() <= 1
    assert [again.score_one(row) for row in ROWS] == [model.score_one(row) for row in ROWS]
