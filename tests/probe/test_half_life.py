"""Ridge and slda that forget by a half-life."""

import numpy as np
import pytest
import torch
from probes import EXACT, accuracy, blobs, learned

from hebbstream.probe._solvers import SOLVERS


def moments(probe):
    """From zero, wherever the probe has its origin."""
    found, origin = probe._moments(), probe._shared["origin"]
    cross = torch.outer(origin, found.total)
    products = found.products + cross + cross.T + found.weight * torch.outer(origin, origin)
    sums = found.sums + found.counts.unsqueeze(1) * origin
    return [products, found.total + found.weight * origin, found.weight, sums, found.counts]


@pytest.mark.parametrize("solver", EXACT)
def test_with_a_half_life_a_sample_counts_half_after_so_many(solver):
    X, y = blobs(60)
    faded, weighted = learned(solver, X, y, half_life=7.0), SOLVERS[solver]()
    for index, (row, label) in enumerate(zip(X, y, strict=True)):
        weighted.learn_one(row, label, 0.5 ** ((59 - index) / 7))
    for found, expected in zip(moments(faded), moments(weighted), strict=True):
        torch.testing.assert_close(found, expected)
    if solver == "ridge":
        torch.testing.assert_close(faded.affine()[0], weighted.affine()[0])
    # A mean of weights wᵢ is as uncertain as one of (Σw)² / Σw² samples.
    w = torch.tensor([0.5 ** ((59 - index) / 7) for index in range(60)], dtype=torch.float64)
    for row, label in enumerate(faded.classes):
        of_class = w[torch.tensor(y) == label]
        assert float(faded._moments().samples[row]) == pytest.approx(
            float(of_class.sum() ** 2 / of_class.square().sum())
        )


@pytest.mark.parametrize("solver", EXACT)
def test_with_a_half_life_it_follows_features_that_change(solver):
    (X, y), (test, truth) = blobs(1200), blobs(300, seed=1)
    X[:600] = X[:600, ::-1]  # what they meant before
    fading, exact = learned(solver, X, y, half_life=100.0), learned(solver, X, y)
    assert accuracy(fading, test, truth) > max(0.95, accuracy(exact, test, truth) + 0.01)


@pytest.mark.parametrize("solver", EXACT)
def test_a_class_long_gone_does_no_harm(solver):
    X, y = blobs(900, classes=3)
    gone, others = np.array(y) == 2, np.array(y) != 2
    probe = learned(solver, X[gone], [2] * int(gone.sum()), half_life=1.0)
    for _ in range(4):  # 2000 half-lives: nothing that float64 could hold
        probe.learn_many(X[others], np.array(y)[others].tolist())
    assert probe.affine()[0].isfinite().all()
    assert probe.predict_proba_many(X).isfinite().all()


@pytest.mark.parametrize("solver", EXACT)
def test_a_batch_of_thousands_of_half_lives_is_learned_like_its_rows_in_turn(solver):
    X, y = blobs(2400, classes=3)
    order = np.argsort(y, kind="stable")  # the first class fades for longer than float64 could hold
    X, y = X[order], np.array(y)[order].tolist()
    whole = SOLVERS[solver](half_life=1.0)
    whole.learn_many(X, y)
    found, expected = whole.predict_proba_many(X), learned(solver, X, y, half_life=1.0).predict_proba_many(X)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"dimensions": 3}, {"solve_every": 7}])
@pytest.mark.parametrize("batch", [1, 50])
@pytest.mark.parametrize("solver", EXACT)
def test_a_first_sample_far_away_is_forgotten(solver, batch, options):
    X, y = blobs(600, classes=2)
    near, far = X.copy(), X.copy()
    far[0] += 1e12
    predictions = []
    for rows in (near, far):
        probe = SOLVERS[solver](half_life=5.0, **options)
        for start in range(0, 600, batch):
            probe.learn_many(rows[start : start + batch], y[start : start + batch])
            probe.predict_one(X[0])  # there is always a solution, of the origin of then
        predictions.append(probe.predict_proba_many(X))
    torch.testing.assert_close(*predictions, atol=1e-6, rtol=1e-6)


def test_a_class_long_gone_and_far_away_does_no_harm():
    X, y = blobs(900, classes=3)
    gone = np.array(y) == 2
    predictions = []
    for away in (0.0, 1e7):
        probe = SOLVERS["slda"](half_life=5.0)
        probe.learn_many(X[gone] + away, [2] * int(gone.sum()))
        probe.learn_many(X[~gone], np.array(y)[~gone].tolist())
        before = probe.predict_proba_many(X[~gone])[:, 1:]
        probe.forget(2)
        predictions += [before / before.sum(dim=1, keepdim=True), probe.predict_proba_many(X[~gone])]
    for found in predictions[1:]:
        torch.testing.assert_close(found, predictions[0], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("solver", EXACT)
def test_the_lightest_samples_are_learned_too(solver):
    X, y = blobs(200, classes=2)
    probe = SOLVERS[solver](half_life=20.0)
    probe.learn_many(X, y, 1e-12)
    assert probe.predict_proba_many(X).isfinite().all()
