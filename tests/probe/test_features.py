"""The features that a probe takes: any dtype and memory, more of them later, few dimensions of many; and what it refuses."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from probes import assert_equal_probes, blobs, learned
from strategies import LAYOUTS, modest

import hebbstream as hs
from hebbstream import errors
from hebbstream.probe._moments import _add_rows
from hebbstream.probe._projection import Projection
from hebbstream.probe._solvers import SOLVERS


@modest
@given(
    dtype=st.sampled_from(["f4", "f8", "f2", ">f4", "i1", "i8", "u1", "u2", "?", "g"]),
    layout=LAYOUTS,
    solver=st.sampled_from(list(SOLVERS)),
    seed=st.integers(0, 99),
)
def test_features_are_the_same_in_any_dtype_and_memory(dtype, layout, solver, seed):
    rows = np.random.default_rng(seed).integers(0, 2, size=(6, 5)).astype(dtype)
    expected, found, many = SOLVERS[solver](), SOLVERS[solver](), SOLVERS[solver]()
    for index, row in enumerate(rows):
        expected.learn_one(row.astype(np.float64), index % 2)
        found.learn_one(layout(row), index % 2)
    many.learn_many(layout(rows), [0, 1] * 3)
    probabilities = expected.predict_proba_many(rows.astype(np.float64))
    assert torch.equal(found.predict_proba_many(layout(rows)), probabilities)
    np.testing.assert_allclose(many.predict_proba_many(rows), probabilities, atol=1e-7)
    assert_equal_probes(found, expected)


class OnACard(torch.Tensor):
    """A tensor that says it is on a card, and is not."""

    is_cpu = False


def test_sums_of_a_card_are_those_of_the_host():
    """It makes them otherwise: what the host does would there add up in another order each time."""
    rows, places = torch.randn(6, 50, dtype=torch.float64), torch.tensor([2, 0, 2, 3, 0, 2])
    on_card = Projection(7, seed=3)(rows.as_subclass(OnACard))
    torch.testing.assert_close(on_card.as_subclass(torch.Tensor), Projection(7, seed=3)(rows))
    for values in (rows, rows[:, 0]):
        total, expected = (torch.ones(4, *values.shape[1:], dtype=torch.float64) for _ in range(2))
        _add_rows(total.as_subclass(OnACard), places, values)
        torch.testing.assert_close(total, expected.index_add_(0, places, values))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "x",
    [
        torch.tensor([0.5, 2.0, 1.0], requires_grad=True),
        torch.complex(torch.zeros(3), -torch.tensor([0.5, 2.0, 1.0])).conj().imag,  # to be negated when it is read
        torch.tensor([0.5, 2.0, 1.0]).repeat_interleave(2)[::2],
        torch.tensor([0.5, 2.0, 1.0], dtype=torch.bfloat16),
    ],
    ids=["that requires a gradient", "negated", "strided", "bfloat16"],
)
def test_a_tensor_of_any_kind_is_the_numbers_it_holds(solver, x):
    found, expected = learned(solver, np.eye(3), "abc"), learned(solver, np.eye(3), "abc")
    found.learn_one(x, "a")
    expected.learn_one([0.5, 2.0, 1.0], "a")
    assert found.predict_proba_one(x) == expected.predict_proba_one([0.5, 2.0, 1.0])
    assert_equal_probes(found, expected)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.ones(4), errors.RankError, r"shape \(4,\): expected \(3,\)"),
        (np.ones((1, 3)), errors.RankError, r"shape \(1, 3\): expected \(3,\)"),
        (1.0, errors.RankError, r"shape \(\): expected \(3,\)"),
        ([[1.0], [1.0, 2.0]], errors.RankError, "no array"),
        (np.array([1.0, np.nan, 0.0]), errors.NonFiniteError, "1 values"),
        (np.array([1.0, 1e300, 0.0]), errors.NonFiniteError, "1 values"),
        (torch.tensor([float("inf"), float("-inf"), 0.0]), errors.NonFiniteError, "2 values"),
        (np.ma.array(np.ones(3), mask=[0, 1, 0]), errors.NonFiniteError, "masked values: expected all of them"),
        (np.ones(3, dtype=complex), errors.DtypeError, "complex128"),
        (torch.ones(3, dtype=torch.complex64), errors.DtypeError, "complex64"),
        (torch.ones(3, device="meta"), errors.DtypeError, "dense"),
        (["a", "b", "c"], errors.DtypeError, "expected numbers"),
        (None, errors.DtypeError, "expected numbers"),
    ],
)
def test_bad_features_are_refused_before_anything_changes(solver, x, kind, message):
    probe = learned(solver, np.eye(3), "abc")
    before = pickle.dumps(probe)
    for method in (lambda: probe.learn_one(x, "new"), lambda: probe.predict_one(x), lambda: probe.predict_proba_one(x)):
        with pytest.raises(kind, match=message) as caught:
            method()
        assert "\n" not in str(caught.value)
    assert pickle.dumps(probe) == before


@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("gradient", {"learning_rate": 0.0}),
        ("gradient", {"optimizer": "lbfgs"}),
        ("gradient", {"average_over": 0}),
        ("gradient", {"average_over": float("nan")}),
        ("ridge", {"l2": 0.0}),
        ("ridge", {"dimensions": 0}),
        ("ridge", {"solve_every": 0}),
        ("ridge", {"half_life": 0.0}),
        ("slda", {"half_life": float("nan")}),
        ("slda", {"shrinkage": 0.0}),
        ("slda", {"shrinkage": 1.0}),
        ("slda", {"min_confidence": 1.5}),
    ],
)
def test_options_that_cannot_work_are_refused(solver, options):
    with pytest.raises(errors.ConfigurationError, match="{}={!r}".format(*next(iter(options.items())))):
        SOLVERS[solver](**options)


def test_a_projection_keeps_inner_products_and_does_not_change_as_features_are_added():
    X = np.random.default_rng(0).normal(size=(20, 3000)) + 1.0
    X[10:] += X[:10]
    projection = Projection(1024, seed=1)
    found = projection(torch.from_numpy(X))
    exact = torch.from_numpy(X @ X.T)
    assert ((found @ found.T - exact).abs() / exact.diagonal().sqrt().outer(exact.diagonal().sqrt())).max() < 0.15
    longer = torch.nn.functional.pad(torch.from_numpy(X), (0, 500))
    assert torch.equal(projection(longer), found)
    weight = torch.randn(2, 1024, dtype=torch.float64)
    torch.testing.assert_close(torch.from_numpy(X) @ projection.transposed(weight, 3000).T, found @ weight.T)
    assert not torch.equal(Projection(1024, seed=2)(longer), found)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dimensions", [1024, 8, 5])
def test_features_may_be_appended_before_and_beyond_the_bound(solver, dimensions):
    X, y = blobs(80, features=12)
    X[:40, 6:] = 0.0
    options = {} if solver == "gradient" else {"dimensions": dimensions}
    whole, grown = learned(solver, X, y, **options), learned(solver, X[:40, :6], y[:40], **options)
    grown.grow(6)
    for row, label in zip(X[40:], y[40:], strict=True):
        grown.learn_one(row, label)
    assert grown.n_features == 12
    np.testing.assert_allclose(grown.predict_proba_many(X), whole.predict_proba_many(X), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("labels", ["ab", 3, None])
def test_labels_of_a_batch_are_several(labels):
    probe = hs.RidgeProbe()
    probe.learn_many(np.eye(2), ["a", "b"])
    for learn in (probe.learn_many, probe.calibrate_on):
        with pytest.raises(
            errors.LabelError, match=f"labels of type {type(labels).__name__}: expected one for each row"
        ):
            learn(np.eye(2), labels)
    assert probe.steps == 2


def test_a_weight_is_no_text():
    for learn, x, y in (
        (hs.RidgeProbe().learn_one, np.ones(2), "a"),
        (hs.RidgeProbe().learn_many, np.eye(2), ["a", "b"]),
    ):
        with pytest.raises(errors.ValueRangeError, match=r"sample weight '.': expected a number"):
            learn(x, y, "12"[: np.ndim(x)])
