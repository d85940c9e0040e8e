"""How sure a probe is: temperature, calibration, abstention."""

import numpy as np
import pytest
import torch
from probes import blobs, learned

from hebbstream.probe._solvers import SOLVERS
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
