"""A linear regression in river's interface: exact, in any order, of features by name."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from river import checks, datasets, evaluate, linear_model, metrics, preprocessing

from hebbstream import errors
from hebbstream.adapters.river import LinearRegressorProbe, SoftHebbTransformer

CHECKS = list(checks.yield_checks(LinearRegressorProbe()))
OTHER = [np.datetime64(1, "ns"), np.timedelta64(1, "ns"), np.complex128(1), bytearray(b"3")]
VAST = pytest.param(10**5000, id="vast")  # Python refuses to write it
RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 6)) * [1, 10, 0.1, 1e4, 1, 0] + [0, 5, 1, -2e4, 3, 7]
Y = X @ [1.0, 0.2, -30.0, 1e-3, 0.0, 0.0] + 100 + 0.1 * RNG.normal(size=80)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_rivers_own_checks(check):
    check(LinearRegressorProbe())


@pytest.mark.parametrize("options", [{"half_life": 50.0}, {"dimensions": 3}, {"l2": 0.01, "solve_every": 5}])
@pytest.mark.parametrize("name", ["check_learn_many_matches_learn_one", "check_emerging_features", "check_learn_one"])
def test_so_they_pass_with_other_options(name, options):
    if (name, *options) == ("check_learn_many_matches_learn_one", "l2", "solve_every"):
        options = {"l2": 0.01}  # solutions fall on other samples
    for check in (check for check in CHECKS if check.__name__ == name):
        check(LinearRegressorProbe(**options))


@pytest.mark.parametrize("l2", [1.0, 1e-3])
@pytest.mark.parametrize("half_life", [None, 20.0])
def test_it_is_the_ridge_solution(l2, half_life):
    model = LinearRegressorProbe(l2=l2, half_life=half_life)
    weights = RNG.uniform(0.5, 2.0, size=80)
    for row, y, w in zip(X[:50], Y[:50], weights[:50], strict=True):
        model.learn_one(row, y, w)
    model.learn_many(X[50:], Y[50:], weights[50:])
    faded = weights * (1 if half_life is None else 0.5 ** (np.arange(79, -1, -1) / half_life))
    mean, middle = np.average(X, axis=0, weights=faded), np.average(Y, weights=faded)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=faded))
    scale[scale < 1e-9] = 1
    Z = (X - mean) / scale
    solved = np.linalg.solve((Z.T * faded) @ Z + l2 * 6 * np.eye(6), (Z.T * faded) @ (Y - middle))
    np.testing.assert_allclose(model.predict_many(X), Z @ solved + middle, rtol=1e-8)


def test_neither_the_order_of_samples_nor_that_of_features_matters():
    frame, order = pd.DataFrame(X, columns=list("abcdef")), RNG.permutation(80)
    models = [LinearRegressorProbe() for _ in range(4)]
    models[0].learn_many(frame, pd.Series(Y))
    models[1].learn_many(frame.iloc[order, ::-1], Y[order])
    models[2].learn_many(torch.from_numpy(X), Y)
    for row, y in zip(frame.to_dict("records"), Y, strict=True):
        models[3].learn_one(row, y)
    for model in models:
        np.testing.assert_allclose(model.predict_many(frame), models[0].predict_many(frame), rtol=1e-7)
    assert models[1].predict_many(frame).index.equals(frame.index)
    again = pickle.loads(pickle.dumps(models[3]))  # noqa: S301  # our own
    again.learn_one({"new": 2.0, "a": 1.0}, 5.0)
    models[3].learn_one({"new": 2.0, "a": 1.0}, 5.0)
    assert again.predict_one({"new": 1.0}) == models[3].predict_one({"new": 1.0})


def test_it_is_better_than_a_gradient_and_stands_behind_the_network():
    def error(model):
        return evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE()).get()

    assert error(LinearRegressorProbe()) < error(preprocessing.StandardScaler() | linear_model.LinearRegression())
    scaled = preprocessing.StandardScaler() | SoftHebbTransformer(neurons=20) | LinearRegressorProbe()
    assert error(scaled) < 1.5


@pytest.mark.parametrize(
    "y", [None, "3", float("nan"), float("inf"), 10**400, [1.0, 2.0], 1j, torch.ones(2), VAST, *OTHER]
)
def test_what_is_no_number_is_refused_before_anything_changes(y):
    model = LinearRegressorProbe()
    model.learn_one({"a": 1.0}, 2)
    before = pickle.dumps(model)
    for learn in (
        lambda: model.learn_one({"a": 1.0, "b": 2.0}, y),
        lambda: model.learn_many(pd.DataFrame({"b": [1.0, 2.0]}), [1.0, y]),
    ):
        with pytest.raises(errors.ValueRangeError, match=r"target .*: expected a finite number"):
            learn()
    with pytest.raises(errors.ValueRangeError, match="sample weight"):
        model.learn_one({"a": 1.0, "b": 2.0}, 1.0, 0)
    with pytest.raises(errors.NonFiniteError):
        model.learn_one({"a": 1.0, "b": float("nan")}, 1.0)
    with pytest.raises(errors.InputError, match="2 rows, 1 numbers, 1 weights"):
        model.learn_many(pd.DataFrame({"a": [1.0, 2.0]}), [1.0])
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("options", [{"l2": 0}, {"dimensions": 0}, {"solve_every": 0}, {"half_life": 0}])
def test_options_that_cannot_work_are_refused(options):
    with pytest.raises(errors.ConfigurationError, match="{}={!r}".format(*next(iter(options.items())))):
        LinearRegressorProbe(**options)


@pytest.mark.parametrize("batch", [1, 40])
@pytest.mark.parametrize("dimensions", [3, 1024])
def test_with_a_half_life_a_first_sample_far_away_is_forgotten(dimensions, batch):
    near, far = (LinearRegressorProbe(half_life=1.0, dimensions=dimensions, solve_every=9) for _ in range(2))
    for model, away in ((near, 0.0), (far, 1e8)):
        first, y = X.copy(), Y.copy()
        first[0] += away
        y[0] += away
        for start in range(0, 80, batch):
            model.learn_many(first[start : start + batch], y[start : start + batch])
            model.predict_one(X[0])
    np.testing.assert_allclose(far.predict_many(X), near.predict_many(X), rtol=1e-3)


def test_the_largest_targets_leave_it_finite_and_larger_ones_are_refused():
    model = LinearRegressorProbe(half_life=1.0)
    for y in (1e100, -1e100, 1e100):
        model.learn_one([3e38, 1.0], y, 1e12)
    with pytest.raises(errors.ValueRangeError, match=r"^target 1e\+308: expected a finite number of at most 1e\+100$"):
        model.learn_one([1.0, 1.0], 1e308)
    for value in range(2000):
        model.learn_one([float(value % 3), 1.0], 5.0)
    assert model.predict_one([1.0, 1.0]) == pytest.approx(5.0)


@pytest.mark.parametrize("half_life", [None, 30.0])
def test_what_varies_by_rounding_alone_is_constant(half_life):
    model = LinearRegressorProbe(half_life=half_life)
    rng = np.random.default_rng(0)
    for _ in range(200):
        readings = int(rng.integers(1, 10))
        row = {"load": rng.normal(), "degrees": sum([20.1] * readings) / readings}  # 20.1, or a digit less at the end
        model.learn_one(row, 3.0 * row["load"])
    usual, warmer = ({"load": 1.0, "degrees": degrees} for degrees in (20.1, 20.2))
    assert model.predict_one(warmer) == model.predict_one(usual) == pytest.approx(3.0, abs=0.3)


@pytest.mark.parametrize("l2", [1e-12, 1e-15, 1e-300])
@pytest.mark.parametrize("features", [3, 12, 60])
def test_columns_that_say_the_same_have_a_solution_with_hardly_a_penalty(l2, features):
    rng = np.random.default_rng(features)
    rows = rng.normal(size=(4000, features))
    rows[:, 1], rows[:, 2] = rows[:, 0], 3 * rows[:, 0] + 1
    if features > 3:
        rows[:, 3], rows[:, 4] = rows[:, 4:].sum(axis=1), rows[:, 5] - rows[:, 6]
    model = LinearRegressorProbe(l2=l2)
    model.learn_many(rows, rows[:, 0])
    np.testing.assert_allclose(model.predict_many(rows), rows[:, 0], atol=1e-5)
