"""Probes and a `Replay` that several threads use: what reads them waits for what changes them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from probes import blobs
from waiting import waiting

import hebbstream as hs
from hebbstream.probe._regression import RidgeRegression

X, Y = blobs(40, features=6)
ROW, FRAME = X[0], torch.zeros(3, 4, 4, dtype=torch.uint8)


def probe(kind=hs.SldaProbe, **options):
    found = kind(**options)
    found.learn_many(X, Y)
    return found


def regression():
    found = RidgeRegression()
    found.learn_one(ROW, 1.0)
    return found


def replay():
    found = hs.Replay(4)
    for label in "abc":
        found.add(FRAME, label)
    return found


CALLS = [
    (probe, lambda held: held.learn_one(ROW, Y[0])),
    (probe, lambda held: held.learn_many(X, Y)),
    (probe, lambda held: held.predict_one(ROW)),
    (probe, lambda held: held.predict_many(X)),
    (probe, lambda held: held.predict_proba_one(ROW)),
    (probe, lambda held: held.predict_proba_many(X)),
    (probe, lambda held: held.affine()),
    (probe, lambda held: held.grow(1)),
    (probe, lambda held: held.calibrate_on(X, Y)),
    (probe, lambda held: held.forget(Y[0])),
    (probe, lambda held: held.rename(Y[0], "new")),
    (probe, lambda held: held.state_dict()),
    (probe, copy.deepcopy),
    (lambda: probe(hs.SoftmaxProbe), lambda held: held.state_dict()),
    (regression, lambda held: held.learn_one(ROW, 2.0)),
    (regression, lambda held: held.predict_one(ROW)),
    (regression, lambda held: held.grow(1)),
    (replay, lambda held: held.add(FRAME, "a")),
    (replay, lambda held: held.draw(2)),
    (replay, lambda held: held.kept()),
    (replay, lambda held: held.came),
    (replay, lambda held: held.forget("a")),
    (replay, lambda held: held.rename("a", "b")),
    (replay, lambda held: held.state_dict()),
    (replay, copy.deepcopy),
]


@pytest.mark.parametrize(("make", "call"), CALLS)
def test_a_call_waits_for_another_threads_to_end(make, call):
    held = make()
    with waiting(held._turns, lambda: call(held)) as found:
        pass
    assert not isinstance(found[0], Exception)


def test_a_learner_is_saved_as_its_parts_are_at_one_time(tmp_path):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=4), probe(), replay=replay())
    for part in (learner.probe, learner.replay):
        with waiting(part._turns, lambda: learner.save(tmp_path / "run.safetensors")) as found:
            assert not list(tmp_path.iterdir())
        assert found == [None]
        (tmp_path / "run.safetensors").unlink()


def unpickled(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  # our own


@pytest.mark.parametrize("again", [copy.deepcopy, unpickled])
@pytest.mark.parametrize("kind", [hs.SoftmaxProbe, hs.RidgeProbe, hs.SldaProbe])
def test_a_copy_that_is_made_in_inference_mode_learns_outside_it(kind, again):
    original = probe(kind, calibrate=True)
    with torch.inference_mode():
        twin = again(original)
    for held in (twin, original):
        held.learn_many(X + 1, Y)
    assert np.array_equal(twin.predict_proba_many(X), original.predict_proba_many(X))


@pytest.mark.parametrize("again", [copy.deepcopy, unpickled])
def test_a_replay_that_is_copied_in_inference_mode_takes_in_frames_outside_it(again):
    with torch.inference_mode():
        twin = again(replay())
    twin.add(FRAME + 1, "a")
    assert len(twin) == 4
