"""Data and small helpers for the tests of probes."""

import numpy as np
import torch

from hebbstream.probe._solvers import SOLVERS

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


def tensors_of(probe):
    return probe.state_dict()["tensors"]


def assert_equal_probes(first, second):
    assert type(first) is type(second)
    assert_equal_states(first.state_dict(), second.state_dict())


def assert_equal_states(first, second):
    first, second = dict(first), dict(second)
    tensors, others = first.pop("tensors"), second.pop("tensors")
    assert first == second
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == others[name].dtype, name
        assert torch.equal(tensor, others[name]), name
