"""Room for classes doubles; nothing else depends on how much there is, nor on the order of features."""

import pickle

import numpy as np
import pytest
import torch
from probes import assert_equal_probes, blobs, learned

from hebbstream.probe._solvers import SOLVERS, probe_from_state


@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("gradient", {}),
        ("gradient", {"optimizer": "adam"}),
        ("ridge", {"half_life": 30.0}),
        ("slda", {"half_life": 30.0}),
    ],
)
def test_memory_is_found_anew_a_few_times_only(solver, options):
    probe, places = SOLVERS[solver](**options), set()
    for label, row in enumerate(np.random.default_rng(0).normal(size=(200, 3))):
        probe.learn_one(row, label)
        places |= {(name, len(rows.untyped_storage())) for name, rows in probe._per_class.items()}
    assert len(places) <= 8 * len(probe._per_class)


@pytest.mark.parametrize("solver", SOLVERS)
def test_classes_come_go_and_are_saved_with_room_to_spare(solver):
    X, y = blobs(120, classes=11)
    probe = learned(solver, X[:60], y[:60])
    others = [pickle.loads(pickle.dumps(probe)), probe_from_state(probe.state_dict())]  # noqa: S301  # our own
    for one in (probe, *others):
        one.forget(y[0])
        one.forget(y[1])
        for label, row in enumerate(X[60:80]):
            one.learn_one(row, f"new {label}")
        one.grow(3)
        one.learn_one(np.ones(15), y[0])
    for other in others:
        assert_equal_probes(other, probe)
    fresh = learned(solver, X[:1], ["only"])
    fresh.forget("only")
    fresh.learn_one(X[1], "again")
    assert fresh.predict_one(X[1]) == "again"


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_new_class_begins_with_nothing_even_where_one_was_forgotten(solver):
    X, y = blobs(60, classes=5)
    probe = learned(solver, X, y)
    probe.forget(4)
    before = {name: len(rows) for name, rows in probe._per_class.items()}
    probe._add_row()
    for name, rows in probe._per_class.items():
        assert len(rows) == before[name] + 1
        assert not rows[-1].any()


@pytest.mark.parametrize(
    ("solver", "options"),
    [*((solver, {}) for solver in SOLVERS), ("slda", {"half_life": 40.0}), ("slda", {"shrinkage": 0.5})],
)
@pytest.mark.parametrize("features", [3, 12, 40])
def test_predictions_do_not_depend_on_the_order_of_features(solver, options, features):
    X, y = blobs(100, features=features)
    order = np.random.default_rng(1).permutation(features)
    one, other = learned(solver, X, y, **options), learned(solver, X[:, order], y, **options)
    torch.testing.assert_close(other.predict_proba_many(X[:, order]), one.predict_proba_many(X), rtol=1e-6, atol=1e-9)
