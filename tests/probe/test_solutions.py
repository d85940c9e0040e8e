"""What the exact solvers promise: the closed form, whatever the order of the samples; and each solver's own weights."""

from itertools import cycle, pairwise

import numpy as np
import pytest
import torch
from probes import EXACT, accuracy, blobs, learned, rows_in_order, tensors_of

import hebbstream as hs
from hebbstream.probe._solvers import SOLVERS, probe_from_state


@pytest.mark.parametrize("solver", SOLVERS)
def test_it_tells_classes_apart(solver):
    probe = learned(solver, *blobs(600))
    assert accuracy(probe, *blobs(300, seed=1)) > 0.95


@pytest.mark.parametrize("solver", EXACT)
@pytest.mark.parametrize("dimensions", [1024, 7])
def test_shuffling_the_stream_changes_no_weight(solver, dimensions):
    X, y = blobs(400, features=20)
    w = np.random.default_rng(5).uniform(0.1, 3.0, size=len(X))
    found = []
    for order in (range(400), np.random.default_rng(3).permutation(400), np.argsort(y)):
        probe = SOLVERS[solver](dimensions=dimensions)
        for i in order:
            probe.predict_one(X[i])
            probe.learn_one(X[i], y[i], w[i])
        found.append(rows_in_order(probe, range(4)))
    for other in found[1:]:
        assert ((other - found[0]).abs() / found[0].abs()).max() < 1e-6


def test_ridge_is_the_closed_form_solution():
    X, y = blobs(50, features=6)
    w = np.random.default_rng(5).uniform(0.1, 3.0, size=50)
    probe = hs.RidgeProbe(l2=0.3)
    probe.learn_many(X, y, w)
    mean = np.average(X, axis=0, weights=w)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=w))
    Z, targets = (X - mean) / scale, np.eye(4)[y]
    share = np.average(targets, axis=0, weights=w)
    W = np.linalg.solve(Z.T @ (w[:, None] * Z) + 0.3 * 6 * np.eye(6), Z.T @ (w[:, None] * (targets - share)))
    outputs = Z @ W + share
    residual = np.average(((targets - outputs) ** 2).mean(axis=1), weights=w)
    order = [probe.classes.index(label) for label in range(4)]
    expected = outputs / (2 * residual)
    weight, bias = probe.affine()
    np.testing.assert_allclose((X @ weight.numpy().T + bias.numpy())[:, order], expected, rtol=1e-8, atol=1e-8)


def test_slda_is_the_discriminant_of_the_pooled_covariance():
    X, y = blobs(250, features=6)
    few = [i for i, label in enumerate(y) if label < 2 or (label == 2 and y[:i].count(2) < 4) or y[:i].count(3) < 1]
    X, y = X[few], [y[i] for i in few]
    probe = learned("slda", X, y, shrinkage=0.05)
    y = np.array(y)
    means = np.stack([X[y == label].mean(axis=0) for label in range(4)])
    within = (X - means[y]).T @ (X - means[y]) / len(y)
    covariance = 0.95 * within + 0.05 * np.diag(X.var(axis=0))
    distances = np.stack(
        [np.einsum("nd,nd->n", X - m, np.linalg.solve(covariance, (X - m).T).T) for m in means], axis=1
    )
    n = np.bincount(y)
    excess = np.trace(np.linalg.solve(covariance, within)) / n
    expected = (excess - distances) / 2
    order = [probe.classes.index(label) for label in range(4)]
    weight, bias = probe.affine()
    found = (X @ weight.numpy().T + bias.numpy())[:, order]
    assert n[2:].tolist() == [4, 1]
    np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], atol=0.1)  # a trace is estimated


@pytest.mark.parametrize("solver", EXACT)
def test_features_far_from_zero_and_features_that_never_vary_do_no_harm(solver):
    X, y = blobs(300)
    plain = learned(solver, X, y)
    shifted = learned(solver, np.c_[X + 1e6, np.full(300, 1234.567)], y)
    found = shifted.predict_proba_many(np.c_[X + 1e6, np.full(300, 1234.567)])
    if solver == "slda":  # the ridge's penalty counts features
        np.testing.assert_allclose(found.numpy(), plain.predict_proba_many(X).numpy(), atol=1e-5)
    assert accuracy(shifted, np.c_[X + 1e6, np.full(300, 1234.567)], y) > 0.95


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_mini_batch_is_its_samples_one_after_another(solver):
    X, y = blobs(60)
    fading = [] if solver == "gradient" else [{"half_life": 30.0}]
    for options in ({}, {"calibrate": True}, *fading):
        one, many = learned(solver, X, y, **options), SOLVERS[solver](**options)
        many.learn_many(X[:25], y[:25])
        many.learn_many(torch.from_numpy(X[25:]), torch.tensor(y[25:]), np.ones(35))
        assert one.classes == many.classes
        assert one.steps == many.steps == 60
        np.testing.assert_allclose(one.predict_proba_many(X), many.predict_proba_many(X), rtol=1e-7, atol=1e-9)
        for row, expected in zip(X[:5], many.predict_proba_many(X), strict=False):
            found = many.predict_proba_one(row)
            assert list(found.values()) == pytest.approx(expected.tolist(), abs=1e-6)
            assert sum(found.values()) == pytest.approx(1.0, abs=1e-12)
        assert expected.dtype == torch.float64
        assert many.predict_many(X) == [many.predict_one(row) for row in X]


@pytest.mark.parametrize("solver", EXACT)
def test_a_weight_of_two_is_the_sample_twice(solver):
    X, y = blobs(40)
    weighted, repeated = SOLVERS[solver](), SOLVERS[solver]()
    for index, (row, label) in enumerate(zip(X, y, strict=True)):
        weighted.learn_one(row, label, 2.0 if index % 3 else 1.0)
        for _ in range(2 if index % 3 else 1):
            repeated.learn_one(row, label)
    np.testing.assert_allclose(rows_in_order(weighted, range(4)), rows_in_order(repeated, range(4)), rtol=1e-8)


@pytest.mark.parametrize(("optimizer", "tensor"), [("sgd", "weight"), ("adam", "first_moment")])
def test_a_weight_scales_the_gradient(optimizer, tensor):
    X, _ = blobs(2)
    probe, heavy = (hs.SoftmaxProbe(optimizer=optimizer) for _ in range(2))
    for row, label in zip(X, ("a", "b"), strict=True):
        probe.learn_one(row, label)
        heavy.learn_one(row, label, 3.0)
    light, weighted = tensors_of(probe)[tensor], tensors_of(heavy)[tensor]
    assert light.any()
    torch.testing.assert_close(weighted, 3.0 * light, rtol=1e-2, atol=1e-7)


@pytest.mark.parametrize("solver", EXACT)
def test_between_two_solutions_it_predicts_by_the_last(solver):
    X, y = blobs(40)
    probe, exact = SOLVERS[solver](solve_every=5), SOLVERS[solver]()
    probe.learn_many(X[:20], y[:20])
    exact.learn_many(X[:20], y[:20])
    for index in range(20, 40):
        if index % 5 == 0:
            last = exact.predict_proba_one(X[0])
        assert probe.predict_proba_one(X[0]) == pytest.approx(last, abs=1e-12)
        probe.learn_one(X[index], y[index])
        exact.learn_one(X[index], y[index])
    torch.testing.assert_close(probe.affine()[0], exact.affine()[0])
    probe.predict_one(X[0])
    probe.learn_one(X[0], "new")
    assert "new" in probe.predict_proba_one(X[0])


@pytest.mark.parametrize("solver", EXACT)
def test_of_many_features_it_solves_anew_as_labels_grow_and_soon_where_a_class_is_new(solver, monkeypatch):
    rng, solved = np.random.default_rng(0), []
    probe, few = SOLVERS[solver](), SOLVERS[solver]()
    monkeypatch.setattr(probe, "_solve", lambda: solved.append(probe.steps) or type(probe)._solve(probe))

    def learn(samples, *labels):
        for row, label in zip(rng.normal(size=(samples, 257)), cycle(labels), strict=False):
            probe.learn_one(row, label)
            few.learn_one(row[:256], label)
            probe.predict_one(row)
        return [after - before for before, after in pairwise(solved)]

    probe.learn_many(rng.normal(size=(990, 257)), ["a", "b"] * 495)
    assert learn(60, "a", "b")[-2:] == [10, 10]
    resumed = probe_from_state(probe.state_dict())
    x = rng.normal(size=257)
    assert resumed.predict_proba_one(x) == probe.predict_proba_one(x)
    assert learn(60, "new", "a")[-59:] == [1] * 59
    probe.learn_many(rng.normal(size=(4000, 257)), ["a", "b"] * 2000)
    assert learn(100, "a", "b")[-2:] == [32, 32]
    assert few.predict_proba_one(x[:256]) == probe_from_state(few.state_dict()).predict_proba_one(x[:256])


@pytest.mark.parametrize("dimensions", [1, 1024])
@pytest.mark.parametrize("solver", EXACT)
def test_what_varies_by_rounding_alone_is_constant(solver, dimensions):
    X, y = blobs(200, classes=2)
    probe = SOLVERS[solver](dimensions=dimensions)
    constant = np.where(np.arange(200) % 3, 20.1, np.nextafter(20.1, 0.0))
    rows = np.column_stack([constant, 1e9 * constant] + ([X] if dimensions > 1 else []))
    probe.learn_many(rows, y)
    warmer = rows * ([1.01, 1.01] + [1.0] * (rows.shape[1] - 2))
    torch.testing.assert_close(probe.predict_proba_many(warmer), probe.predict_proba_many(rows))


@pytest.mark.parametrize("l2", [1e-300, 1e308, 10**40, float("inf")])
def test_any_penalty_gives_probabilities(l2):
    X, y = blobs(200, classes=2)
    probe = learned("ridge", np.column_stack([X, X]), y, l2=l2)
    torch.testing.assert_close(probe.predict_proba_many(np.column_stack([X, X])).sum(dim=1), torch.ones(200).double())
