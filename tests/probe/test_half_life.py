"""Ridge and slda that forget by a half-life."""

import numpy as np
import pytest
import torch
from probes import EXACT, accuracy, blobs, learned

from hebbstream.probe._solvers import SOLVERS


def moments(probe):
    found = probe._moments()
    return [found.products, found.total, found.weight, found.sums, found.counts]


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
