"""Normalised, averaged SGD."""

import copy
import pickle

import numpy as np
import pytest
import torch
from probes import blobs, learned, tensors_of

import hebbstream as hs
from hebbstream.probe._solvers import probe_from_state


@pytest.mark.parametrize("average_over", [3000, 4])
def test_sgd_is_normalised_and_averaged(average_over):
    X, y = blobs(60, features=5, classes=3)
    probe, mean, var = hs.SoftmaxProbe(0.7, average_over=average_over), np.zeros(5), np.zeros(5)
    weight, average, age, losses = np.zeros((3, 6)), np.zeros((3, 6)), np.zeros((3, 1)), np.zeros(2)
    count = np.zeros(3)
    for index, (row, label) in enumerate(zip(X, y, strict=True)):
        probe.learn_one(row, label)
        known = [*probe.classes]  # in the order of their rows
        share = 1 / (index + 1)
        var = (1 - share) * (var + share * (row - mean) ** 2)
        mean = mean + share * (row - mean)
        z = np.append((row - mean) / np.sqrt(var + 1e-5), 1.0)
        rows = np.array(known)
        age[rows] += 1
        count[label] += 1
        prior = count[rows] / count.sum() + 30 / (age[rows, 0] + 30) / len(known)
        odds = [prior * np.exp(w[rows] @ z) for w in (weight, average)]
        p, averaged = (one / one.sum() for one in odds)
        losses += share * (-np.log([p[rows == label][0], averaged[rows == label][0]]) - losses)
        weight[rows] -= 0.7 * np.outer(p - (rows == label), z) / (z @ z)
        average[rows] += np.maximum(9 / (age[rows] + 8), 1 / average_over) * (weight[rows] - average[rows])
    z = np.hstack([(X - mean) / np.sqrt(var + 1e-5), np.ones((60, 1))])
    found, held = probe.predict_proba_many(X).numpy(), tensors_of(probe)
    expected = prior * np.exp(z @ (weight if losses[0] < losses[1] else average)[probe.classes].T)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)
    np.testing.assert_allclose(
        [held["average"], held["weight"]], [average[probe.classes], weight[probe.classes]], rtol=1e-9
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
    held = tensors_of(probe)
    current, average = held["losses"].tolist()
    assert (current < average) == (length > 1)
    z = torch.from_numpy(
        np.hstack([(X - held["mean"].numpy()) / np.sqrt(held["var"].numpy() + 1e-5), np.ones((len(X), 1))])
    )
    shares = held["count"] / held["count"].sum() + 30 / (held["age"][:, 0] + 30) / 4
    expected = z @ held["weight" if length > 1 else "average"].T + shares.log()
    weight, bias = probe.affine()
    found = torch.from_numpy(X) @ weight.T + bias
    torch.testing.assert_close(found.log_softmax(1), expected.log_softmax(1))
    assert not torch.allclose(held["weight"], held["average"])


def noise(samples, share, features=512):
    """Features that say nothing, and labels of which one has this share."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, features)), ["rare" if one > share else "common" for one in rng.random(samples)]


def test_labels_that_features_say_nothing_of_are_named_after_the_commonest():
    X, y = noise(600, 0.95)
    probe, right = hs.SoftmaxProbe(), []
    for row, label in zip(X, y, strict=True):
        right.append(probe.predict_one(row) == label)
        probe.learn_one(row, label)
    assert np.mean(right) > y.count("common") / len(y) - 0.015  # without counting: 0.23 below it


def test_the_first_samples_of_a_new_class_are_not_lost_among_those_that_came_often():
    X, y = blobs(1500, features=40, spread=5.0)
    probe = learned("gradient", *zip(*(pair for pair in zip(X, y, strict=True) if pair[1] != 3), strict=True))
    new = X[np.array(y) == 3]
    for row in new[:10]:
        probe.learn_one(row, 3)
    assert probe.predict_many(new[10:]).count(3) > 0.5 * len(new[10:])  # 0.3 of them if it began with its own share


def test_a_probe_saved_before_shares_were_counted_predicts_as_it_did_and_learns_on():
    X, y = noise(300, 0.8, features=20)
    state = learned("gradient", X, y).state_dict()
    held = dict(state["tensors"])
    del held["count"]
    kind = "weight" if held["losses"][0] < held["losses"][1] else "average"
    z = (X - held["mean"].numpy()) / np.sqrt(held["var"].numpy() + 1e-5)
    scores = torch.from_numpy(np.hstack([z, np.ones((len(z), 1))])) @ held[kind].T
    probe = probe_from_state(state | {"tensors": held})
    torch.testing.assert_close(probe.predict_proba_many(X), scores.softmax(1))
    probe.learn_many(*noise(2000, 0.95, features=20))
    assert probe.predict_many(X).count("common") > 0.9 * len(X)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_steps_on_numpy_arrays_are_those_on_tensors(optimizer, monkeypatch):
    X, y = blobs(200, features=30, classes=4)
    weights = np.linspace(0.5, 2.0, len(y))
    found = []
    for on_host in (True, False):
        monkeypatch.setattr(torch.Tensor, "is_cpu", on_host, raising=False)
        probe = hs.SoftmaxProbe(optimizer=optimizer)
        probe.learn_many(X, y, weights)
        assert probe._descent.on_host == on_host
        found.append((probe, torch.cat([probe._scores(probe._rows(X[[index]], single=False)) for index in range(50)])))
    (host, host_scores), (device, device_scores) = found
    torch.testing.assert_close(tensors_of(host), tensors_of(device))
    torch.testing.assert_close(host_scores, device_scores)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda probe: pickle.loads(pickle.dumps(probe))])  # noqa: S301
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_copy_goes_on_by_itself(optimizer, duplicate):
    X, y = blobs(60, features=5, classes=3)
    half = learned("gradient", X[:30], y[:30], optimizer=optimizer)
    whole, held = learned("gradient", X, y, optimizer=optimizer), copy.deepcopy(tensors_of(half))
    other = duplicate(half)
    other.learn_many(X[30:], y[30:])
    assert other.predict_many(X) == whole.predict_many(X)
    assert all(torch.equal(tensor, tensors_of(whole)[name]) for name, tensor in tensors_of(other).items())
    assert all(torch.equal(tensor, held[name]) for name, tensor in tensors_of(half).items())


def test_the_largest_features_leave_what_adam_learned_finite():
    probe, x = hs.SoftmaxProbe(optimizer="adam"), np.array([3e38, -3e38, 1.0])
    for _ in range(20):
        probe.learn_one(x, "a")
        probe.learn_one(-x, "b")
    assert probe.predict_many([x, -x]) == ["a", "b"]


def test_what_adam_learned_in_float32_goes_on():
    X, y = blobs(60, features=5)
    state = learned("gradient", X, y, optimizer="adam").state_dict()
    probe = probe_from_state(state | {"tensors": {name: tensor.float() for name, tensor in state["tensors"].items()}})
    assert probe.predict_many(X) == probe_from_state(state).predict_many(X)
    probe.learn_one(X[0], y[0])
