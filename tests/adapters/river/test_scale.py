"""Standardised features: what river's models that depend on the scale need, the same for rows and mini-batches."""

import numpy as np
import pandas as pd
import pytest
import torch
from river import datasets, evaluate, linear_model, metrics, naive_bayes

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.adapters.river._scale import RunningScale


def test_they_are_those_of_all_samples_so_far():
    rows = np.random.default_rng(0).normal(size=(50, 6)) * [1, 20, 0.01, 1e6, 1, 0] + [0, 15, 1, -1e6, 3, 4]
    scale = RunningScale()
    for index, row in enumerate(rows):
        found = scale.take_in(torch.from_numpy(row))
        so_far = rows[: index + 1]
        deviation = so_far.std(axis=0)
        deviation[deviation == 0] = 1
        expected = (row - so_far.mean(axis=0)) / deviation
        expected /= max(1.0, np.sqrt(np.mean(expected**2)))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert found[5] == 0


def test_an_unusual_value_stays_bounded():
    scale = RunningScale()
    for _ in range(5000):
        scale.take_in(torch.tensor([7.0]))
    assert scale(torch.tensor([7.0])) == 0
    for value in (7.1, -1e9, 1e30):
        assert abs(float(scale(torch.tensor([value])))) == 1
    wide = RunningScale()
    for row in torch.randn(2000, 100, generator=torch.Generator().manual_seed(0)):
        wide.take_in(row)
    for outlier in (torch.full((100,), 1e6), torch.eye(100)[3] * 1e9):
        assert 9 < float(wide(outlier).norm()) < 10.01


def test_the_mean_follows_features_that_change():
    scale = RunningScale()
    for value in [0.0] * 3000 + [10.0] * 8000:
        scale.take_in(torch.tensor([value]))
    assert abs(float(scale(torch.tensor([10.0])))) < 0.1


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("preset", [None, "mnist"])
def test_rows_and_mini_batches_see_the_same(preset, frozen):
    rng = np.random.default_rng(0)
    if preset is None:
        model, batch = SoftHebbTransformer(neurons=8), pd.DataFrame(rng.normal(size=(110, 3)), columns=list("abc"))
        rows = batch.to_dict("records")
        model.learn_many(batch)
        model.frozen = frozen
    else:
        model = SoftHebbTransformer(preset, width=2, frozen=frozen)
        batch = rows = rng.integers(0, 256, (110, 28, 28), np.uint8)
    for row in rows:
        before = model.transform_one(row)
        model.learn_one(row)
        handed_on = model.transform_one(row)
        if model._scale.count > 101:
            assert handed_on is before
    one = pd.DataFrame([model.transform_one(row) for row in rows])
    many = model.transform_many(batch)
    np.testing.assert_allclose(many, one, atol=2e-5)
    assert list(many.columns) == list(one.columns)
    assert many.to_numpy().std() == pytest.approx(1.0, abs=0.5)


def test_before_anything_is_learned_they_are_the_networks_own():
    net = hs.SoftHebbNet.from_preset("mnist", width=2)
    frame = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    for standardise in (True, False):
        model = SoftHebbTransformer(net=net, standardise=standardise)
        assert torch.equal(model.transform_one(frame).tensor, net.transform_one(frame))
    model = SoftHebbTransformer(net=net)
    model.learn_one(frame)
    assert not model.transform_one(frame).tensor.any()  # nothing has varied yet


@pytest.mark.parametrize(
    ("make", "least"),
    [(naive_bayes.GaussianNB, 0.7), (linear_model.ALMAClassifier, 0.7), (linear_model.PAClassifier, 0.7)],
)
def test_models_that_depend_on_the_scale_learn(make, least):
    model = SoftHebbTransformer(neurons=50) | make()
    assert evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy()).get() > least


def test_a_regression_by_gradient_stays_bounded():
    for neurons in (20, 100):
        model = SoftHebbTransformer(neurons=neurons) | linear_model.LinearRegression()
        assert evaluate.progressive_val_score(datasets.TrumpApproval(), model, metrics.MAE()).get() < 20


def test_a_probe_learns_as_well_from_either():
    found = [
        evaluate.progressive_val_score(
            datasets.Phishing(),
            SoftHebbTransformer(neurons=50, standardise=standardise) | LinearProbe(),
            metrics.Accuracy(),
        ).get()
        for standardise in (True, False)
    ]
    assert found[0] == pytest.approx(found[1], abs=0.02)
