"""How sure a probe is: temperature, calibration, abstention."""

import numpy as np
import pytest
import torch
from probes import blobs, learned

from hebbstream.errors import HebbstreamError
from hebbstream.probe._solvers import SOLVERS, probe_from_state
from hebbstream.probe._temperature import Temperature


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


def test_a_temperature_that_is_fitted_at_once_finds_it_too_and_does_not_sharpen():
    rng, temperature = np.random.default_rng(0), Temperature(torch.device("cpu"))
    logits = torch.from_numpy(rng.normal(size=(4000, 5)))
    rows = torch.multinomial(torch.softmax(logits, 1), 1, generator=torch.Generator().manual_seed(0)).squeeze(1)
    temperature.fit(logits / 0.25, rows)  # four times too sure
    assert float(temperature.inverse) == pytest.approx(0.25, rel=0.1)
    temperature.fit(20 * torch.eye(3).repeat(2, 1), torch.arange(3).repeat(2))  # six that are right prove little
    assert float(torch.softmax(temperature.inverse * torch.tensor([20.0, 0, 0]), 0)[0]) == pytest.approx(
        7 / 8, rel=0.01
    )
    temperature.fit(0.1 * torch.eye(3), torch.arange(3))
    assert float(temperature.inverse) == 1.0


def test_a_temperature_leaves_the_likeliest_class_the_likeliest_in_float32():
    temperature, scores = Temperature(torch.device("cpu")), 20 * torch.eye(3)
    temperature.fit(scores, torch.tensor([1, 2, 0]))  # all wrong
    probabilities = torch.softmax(float(temperature.inverse) * scores, dim=1)
    assert probabilities.argmax(dim=1).tolist() == [0, 1, 2]
    assert float(probabilities.amax()) < 0.35


def test_a_probe_calibrated_on_others_keeps_that():
    X, y = blobs(200, spread=3.0)
    probe = learned("slda", X[:100], y[:100])
    sure = probe.predict_proba_many(X[100:]).amax(dim=1).mean()
    probe.calibrate_on(X[100:], ["unknown", *y[101:]])
    found = probe.predict_proba_many(X[100:])
    assert found.amax(dim=1).mean() < sure
    assert torch.equal(probe_from_state(probe.state_dict()).predict_proba_many(X[100:]), found)


def test_it_is_calibrated_on_labels_in_a_tensor_too():
    X, y = blobs(200, spread=3.0)
    of_list, of_tensor = (learned("slda", X[:100], y[:100]) for _ in range(2))
    of_list.calibrate_on(X[100:], y[100:])
    of_tensor.calibrate_on(X[100:], torch.tensor(y[100:]))
    assert of_tensor._temperature.state.tolist() == of_list._temperature.state.tolist() != [0.0, 1.0]


@pytest.mark.parametrize(
    ("count", "labels", "message"),
    [(0, ["a"], "before the first label"), (20, ["a", "b"], "1 rows, 2 labels")],
)
def test_what_cannot_calibrate_is_refused(count, labels, message):
    X, y = blobs(20, spread=3.0)
    probe = learned("slda", X[:count], y[:count]) if count else SOLVERS["slda"]()
    with pytest.raises(HebbstreamError, match=message):
        probe.calibrate_on(X[:1], labels)
    assert not probe.calibrate


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
