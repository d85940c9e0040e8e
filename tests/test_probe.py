"""Every solver against what it promises; river's own contract is in test_river.py."""

import json
import pickle

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.arrays import read_idx
from hebbstream.adapters.river import LinearProbe
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.probe import SOLVERS
from hebbstream.probe.projection import Projection
from hebbstream.probe.temperature import Temperature
from tests.strategies import LAYOUTS, modest

EXACT = ["ridge", "slda"]


def blobs(samples=300, features=12, classes=4, seed=0, spread=1.0):
    """Samples of classes that lie apart, in random order, and features of very different scale and mean."""
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=samples)
    centers = 2.0 * np.random.default_rng(99).normal(size=(classes, features))
    scale = 10.0 ** np.random.default_rng(98).integers(-2, 3, size=features)
    return (centers[y] + spread * rng.normal(size=(samples, features)) + 3.0) * scale, y.tolist()


def learned(solver, X, y, **options):
    probe = SOLVERS[solver](**options)
    for row, label in zip(X, y, strict=True):
        probe.learn_one(row, label)
    return probe


def accuracy(probe, X, y):
    return np.mean([found == label for found, label in zip(probe.predict_many(X), y, strict=True)])


def rows_in_order(probe, classes):
    weight, bias = probe.affine()
    order = [probe.classes.index(label) for label in classes]
    return torch.cat([weight, bias.unsqueeze(1)], dim=1)[order]


def assert_equal_probes(first, second):
    assert type(first) is type(second)
    assert (first.options(), first.classes, first.steps) == (second.options(), second.classes, second.steps)
    assert first.tensors().keys() == second.tensors().keys()
    for name, tensor in first.tensors().items():
        assert torch.equal(tensor, second.tensors()[name]), name


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
    assert getattr(probe, tensor).any()
    torch.testing.assert_close(getattr(heavy, tensor), 3.0 * getattr(probe, tensor), rtol=1e-2, atol=1e-7)


def test_sgd_is_normalised_and_averaged():
    X, y = blobs(60, features=5, classes=3)
    probe, mean, var = hs.SoftmaxProbe(0.7, optimizer="sgd"), np.zeros(5), np.zeros(5)
    weight, average, age, losses = np.zeros((3, 6)), np.zeros((3, 6)), np.zeros((3, 1)), np.zeros(2)
    for index, (row, label) in enumerate(zip(X, y, strict=True)):
        probe.learn_one(row, label)
        known = [*probe.classes]  # in the order of their rows
        share = 1 / (index + 1)
        var = (1 - share) * (var + share * (row - mean) ** 2)
        mean = mean + share * (row - mean)
        z = np.append((row - mean) / np.sqrt(var + 1e-5), 1.0)
        rows = np.array(known)
        p, averaged = (np.exp(w[rows] @ z) / np.exp(w[rows] @ z).sum() for w in (weight, average))
        losses += share * (-np.log([p[rows == label][0], averaged[rows == label][0]]) - losses)
        weight[rows] -= 0.7 * np.outer(p - (rows == label), z) / (z @ z)
        age[rows] += 1
        average[rows] += 9 / (age[rows] + 8) * (weight[rows] - average[rows])
    z = np.hstack([(X - mean) / np.sqrt(var + 1e-5), np.ones((60, 1))])
    found = probe.predict_proba_many(X).numpy()
    expected = np.exp(z @ (weight if losses[0] < losses[1] else average)[probe.classes].T)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_allclose(
        [probe.average, probe.weight], [average[probe.classes], weight[probe.classes]], rtol=1e-9
    )


def runs(length, samples=1200, **options):
    """Blobs whose label changes only every so many samples."""
    X, y = blobs(samples, features=40, spread=6.0, **options)
    order = np.argsort(y, kind="stable")
    rng = np.random.default_rng(1)
    pieces = [order[start : start + length] for start in range(0, samples, length)]
    order = np.concatenate([pieces[index] for index in rng.permutation(len(pieces))])
    return X[order], [y[index] for index in order]


@pytest.mark.parametrize("length", [1, 40])
def test_sgd_predicts_with_the_weights_that_did_better_of_late(length):
    X, y = runs(length)
    probe = learned("gradient", X, y)
    current, average = probe.losses.tolist()
    assert (current < average) == (length > 1)
    z = probe._standardised(torch.from_numpy(X))
    expected = z @ (probe.weight if length > 1 else probe.average).T
    weight, bias = probe.affine()
    torch.testing.assert_close(torch.from_numpy(X) @ weight.T + bias, expected)
    assert not torch.allclose(probe.weight, probe.average)


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
    for weight in (0.0, -1.0, float("nan"), float("inf"), "heavy"):
        with pytest.raises(errors.ValueRangeError, match="sample weight"):
            probe.learn_one(X[0], "new", weight)
    with pytest.raises(errors.InputError, match="6 rows, 1 labels, 1 weights"):
        probe.learn_many(X, ["new"])
    assert pickle.dumps(probe) == before


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
def test_below_the_confidence_asked_for_it_abstains(solver):
    X, y = blobs(200, spread=3.0)
    options = {"learning_rate": 0.1} if solver == "gradient" else {}
    bold, shy = learned(solver, X, y, **options), learned(solver, X, y, min_confidence=0.7, **options)
    confidence = bold.predict_proba_many(X).amax(dim=1).tolist()
    expected = [label if p >= 0.7 else None for label, p in zip(bold.predict_many(X), confidence, strict=True)]
    assert shy.predict_many(X) == expected == [shy.predict_one(row) for row in X]
    assert None in expected
    assert len(set(expected)) > 1


def test_a_temperature_finds_the_scale_of_the_scores():
    rng, temperature = np.random.default_rng(0), Temperature(torch.device("cpu"))
    for _ in range(4000):
        logits = torch.from_numpy(rng.normal(size=5))
        row = int(
            torch.multinomial(
                torch.softmax(logits, 0), 1, generator=torch.Generator().manual_seed(int(rng.integers(2**31)))
            )
        )
        temperature.update(logits / 0.25, row)  # four times too sure
    assert float(temperature.inverse) == pytest.approx(0.25, rel=0.1)


def calibration_error(probabilities, rows, bins=15):
    confidence, best = probabilities.max(dim=1)
    right, bin_of = (best == torch.tensor(rows)).double(), (confidence * bins).long().clamp(max=bins - 1)
    gaps = [(right - confidence)[bin_of == index].sum().abs() for index in range(bins)]
    return float(sum(gaps)) / len(rows)


@pytest.mark.parametrize("solver", SOLVERS)
def test_calibration_brings_confidence_near_accuracy(solver):
    X, y = blobs(1000, features=60, spread=8.0)
    test, truth = blobs(1500, features=60, seed=1, spread=8.0)
    options = {"learning_rate": 0.03} if solver == "gradient" else {}
    plain, calibrated = (learned(solver, X, y, calibrate=calibrate, **options) for calibrate in (False, True))
    rows = [plain.classes.index(label) for label in truth]
    before, after = (calibration_error(probe.predict_proba_many(test), rows) for probe in (plain, calibrated))
    assert plain.predict_many(test) == calibrated.predict_many(test)
    assert after < 0.03 < before
    assert after < 0.75 * before


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


OPTIONS = [
    ("gradient", {"learning_rate": 0.02, "optimizer": "adam", "calibrate": True}),
    ("gradient", {"calibrate": True}),
    ("ridge", {"l2": 0.5, "dimensions": 9, "seed": 3}),
    ("ridge", {"solve_every": 7, "calibrate": True}),
    ("slda", {"shrinkage": 0.2, "min_confidence": 0.4}),
    ("slda", {"solve_every": 7, "dimensions": 9, "calibrate": True}),
    ("slda", {"half_life": 20.0}),
    ("ridge", {"half_life": 20.0, "solve_every": 7}),
]


@pytest.mark.parametrize(("solver", "options"), OPTIONS)
def test_a_checkpoint_resumes_every_solver_bit_for_bit(tmp_path, solver, options):
    X, y = blobs(60)
    net, whole, path = hs.SoftHebbNet.from_preset("cifar10", width=2), SOLVERS[solver](**options), tmp_path / "run"

    def go(probe, part):
        return [(probe.predict_proba_one(X[i]), probe.learn_one(X[i], y[i]))[0] for i in part]

    go(whole, range(33))
    hs.save_checkpoint(path, net, whole if solver == "gradient" else LinearProbe.from_probe(whole))
    resumed = hs.load_checkpoint(path).probe
    assert_equal_probes(whole, resumed)
    assert go(resumed, range(33, 60)) == go(whole, range(33, 60))
    assert_equal_probes(whole, resumed)
    assert (whole.affine()[0] == resumed.affine()[0]).all()


def test_a_checkpoint_from_before_there_were_other_solvers_still_loads(tmp_path):
    net, probe, path = (
        hs.SoftHebbNet.from_preset("cifar10", width=2),
        hs.SoftmaxProbe(0.02, optimizer="adam"),
        tmp_path / "run",
    )
    for row, label in zip(np.eye(3), "abc", strict=True):
        probe.learn_one(row, label)
    hs.save_checkpoint(path, net, probe)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["hebbstream"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    header["probe"] = {name: header["probe"][name] for name in ("learning_rate", "steps", "classes")}
    save_file(tensors, path, metadata={"hebbstream": json.dumps(header)})
    assert_equal_probes(hs.load_checkpoint(path).probe, probe)


@pytest.mark.parametrize(
    "change",
    [
        lambda h, t: h.update(solver="svm"),
        lambda h, t: h.update(l2=-1),
        lambda h, t: h.update(unknown=1),
        lambda h, t: h["classes"].append(["str", "more"]),
        lambda h, t: h.update(dimensions=2),
        lambda h, t: h.update(calibrate=False),
        lambda h, t: t.update({"probe.temperature": torch.zeros(3)}),
        lambda h, t: [t.pop(name) for name in list(t) if name.startswith("probe.")],
    ],
)
def test_a_checkpoint_with_another_probe_than_it_says_is_refused(tmp_path, change):
    from hebbstream.checkpoint import _checksum

    path = tmp_path / "run"
    probe = learned("ridge", *blobs(20), calibrate=True)
    hs.save_checkpoint(path, hs.SoftHebbNet.from_preset("cifar10", width=2), probe)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["hebbstream"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header["probe"], tensors)
    header["crc32"] = _checksum(tensors)
    save_file(tensors, path, metadata={"hebbstream": json.dumps(header)})
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        hs.load_checkpoint(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("solver", "options"), [*OPTIONS, ("ridge", {"dimensions": 50})])
def test_every_solver_leaves_as_onnx(tmp_path, labelled, solver, options):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=4), LinearProbe(solver, **options)
    hs.learn(net, labelled[:120], probe, checkpoint=tmp_path / "run", progress=False)
    extractor = OnnxExtractor(to_onnx(net, tmp_path / "net.onnx", probe), providers=["CPUExecutionProvider"])
    frames = [sample.x for sample in labelled[120:130]]
    plain = LinearProbe.from_probe(
        SOLVERS[solver](**{**options, "solve_every": 1} if solver != "gradient" else options)
    )
    plain.as_probe().load(probe.as_probe().tensors(), probe.as_probe().classes, 120)
    plain.as_probe()._pending = 1  # the model is of all that was learned, not of the last solution in use
    for frame in frames:
        found = extractor.predict_proba_one(frame)
        for label, probability in plain.predict_proba_one(net.transform_one(frame)).items():
            assert found[str(label)] == pytest.approx(probability, abs=2e-3)
    assert [node.op_type for node in onnx.load(tmp_path / "net.onnx").graph.node][-2:] == ["Gemm", "Softmax"]


@pytest.mark.parametrize("solver", SOLVERS)
def test_before_the_first_label_there_is_nothing_to_predict(solver):
    probe = SOLVERS[solver]()
    assert probe.predict_one(np.ones(3)) is None
    assert probe.predict_many(np.ones((2, 3))) == [None, None]
    assert probe.predict_proba_one(np.ones(3)) == {}
    assert probe.predict_proba_many(np.ones((2, 3))).shape == (2, 0)
    assert probe.tensors() == {}
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
