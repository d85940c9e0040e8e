"""The probe to take away: what it learns anew of a replay, which solver it has, how sure it is."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.learning._refit import _Known, refit_probe

AS_IT_IS = SimpleNamespace(transform_many=lambda frames: frames.flatten(1).float())


def shades(count, *, runs=1, noise=0.1, seed=0):
    """Frames of two classes, light and dark, in runs of frames that are alike; their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(2, size=-(-count // runs)), runs)[:count]
    scenes = np.repeat(rng.normal(0, noise, (-(-count // runs), 1, 4, 4)), runs, axis=0)[:count]
    return torch.from_numpy(0.2 * (labels[:, None, None, None] - 0.5) + scenes).float(), labels.tolist()


def taught(frames, labels, probe=None, **options):
    probe, replay = probe or hs.SoftmaxProbe(), hs.Replay(**options)
    for frame, label in zip(frames, labels, strict=True):
        probe.learn_one(frame.flatten(), label)
        replay.add(frame, label)
    return probe, replay


def right(probe, frames, labels):
    return np.mean(np.array(probe.predict_many(frames.flatten(1))) == labels)


def test_it_knows_what_the_network_makes_of_the_frames_by_now(tmp_path):
    frames = [np.full((8, 8, 3), 12 * index, np.uint8) for index in range(20)]
    learner = hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=8)], 3), hs.SoftmaxProbe(), replay=hs.Replay())
    learner.learn([(x, "dark" if index < 10 else "light") for index, x in enumerate(frames)], progress=False)
    with torch.no_grad():
        learner.net.layers[0].weight_matrix.copy_(learner.net.layers[0].weight_matrix.flip(0).neg())
    expected = ["dark"] * 10 + ["light"] * 10
    features = learner.net.transform_many(np.stack(frames))
    assert np.mean(np.array(learner.probe.predict_many(features)) == expected) <= 0.5
    learner.save(tmp_path / "before")
    assert np.mean(np.array(learner.refit_probe(progress=False).predict_many(features)) == expected) >= 0.9
    learner.save(tmp_path / "after")
    assert (tmp_path / "before").read_bytes() == (tmp_path / "after").read_bytes()


@pytest.mark.parametrize("mode", [torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)])
def test_it_is_the_same_in_any_mode_and_learns_on_outside(mode):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("mnist", width=4), hs.SoftmaxProbe(), replay=hs.Replay())
    frames = np.random.default_rng(0).random((40, 28, 28), np.float32)
    learner.learn([(frame, number % 3) for number, frame in enumerate(frames)], progress=False)
    with mode():
        found = learner.refit_probe(progress=False)
    for own, other in zip(found.affine(), learner.refit_probe(progress=False).affine(), strict=True):
        assert torch.equal(own, other)
    found.learn_one(learner.net.transform_one(frames[0]), "new")
    assert found.predict_one(learner.net.transform_one(frames[0])) == "new"


def test_its_choice_is_the_same_whatever_torchs_default_device_is(monkeypatch):
    """As a program on a card sets it."""
    probe, replay = taught(*shades(200, noise=0.3))
    found = []
    likelihood = _Known.likelihood
    monkeypatch.setattr(_Known, "likelihood", lambda *x: found.append(likelihood(*x)) or found[-1])
    refit_probe(AS_IT_IS, probe, replay, progress=False)
    expected = found.copy()
    found.clear()
    with torch.device("meta"):
        refit_probe(AS_IT_IS, probe, replay, progress=False)
    assert found == expected


def test_without_a_replay_it_is_the_probe_itself_and_without_labels_none():
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    assert hs.Learner(net).refit_probe() is hs.Learner(net, hs.SoftmaxProbe(), replay=hs.Replay()).refit_probe() is None
    learner = hs.Learner(net, hs.SoftmaxProbe())
    learner.learn([(np.zeros((8, 8, 3), np.uint8), "a")], progress=False)
    assert learner.refit_probe() is learner.probe


def test_classes_that_the_replay_has_never_seen_are_not_lost():
    frames, labels = shades(60)
    probe, replay = taught(frames, labels)
    probe.learn_one(frames[0].flatten(), "of an earlier run")
    assert refit_probe(AS_IT_IS, probe, replay, progress=False) is probe


@pytest.mark.parametrize("solver", [hs.RidgeProbe, hs.SldaProbe])
def test_a_solver_that_was_asked_for_stays(solver):
    probe, replay = taught(*shades(60), solver(dimensions=8, min_confidence=0.6))
    found = refit_probe(AS_IT_IS, probe, replay, progress=False)
    assert (type(found), found.steps) == (solver, 60)
    assert found.options() == probe.options() | {"calibrate": True}


@pytest.mark.parametrize("solver", [hs.RidgeProbe, hs.SldaProbe])
def test_a_half_life_lets_no_kept_frame_fade_whatever_its_class(solver):
    frames, labels = shades(300)
    found = refit_probe(AS_IT_IS, *taught(frames, labels, solver(half_life=5)), progress=False)
    exact = refit_probe(AS_IT_IS, *taught(frames, labels, solver()), progress=False)
    assert torch.allclose(found.predict_proba_many(frames.flatten(1)), exact.predict_proba_many(frames.flatten(1)))
    assert found.half_life == 5
    found.learn_many(frames.flatten(1), labels)
    assert float(found._moments().weight) < 10  # from here on, samples fade


@pytest.mark.parametrize(("capacity", "min_confidence"), [(60, 0.0), (60, 0.999), (10, 0.0)])
def test_independent_frames_beyond_those_kept_are_worth_more_than_features_of_now(capacity, min_confidence):
    probe, replay = taught(*shades(2000, noise=0.3), hs.SoftmaxProbe(min_confidence=min_confidence), capacity=capacity)
    assert refit_probe(AS_IT_IS, probe, replay, progress=False) is probe


def test_a_probe_of_features_that_are_no_more_is_not_kept_for_having_seen_more():
    frames, labels = shades(600, noise=0.3)
    _, replay = taught(frames, labels, capacity=100)
    probe, _ = taught(-frames, labels)
    assert (
        right(refit_probe(AS_IT_IS, probe, replay, progress=False), frames, labels) > 0.7 > right(probe, frames, labels)
    )


def test_a_short_run_with_a_replay_of_its_own_does_not_replace_what_was_learned_before():
    probe, _ = taught(*shades(1000, runs=20, noise=0.3))
    probe, replay = taught(*shades(60, runs=20, noise=0.3, seed=1), probe)
    assert refit_probe(AS_IT_IS, probe, replay, progress=False) is probe


def test_more_frames_of_the_same_scenes_are_not():
    frames, labels = shades(2000, runs=100, noise=0.5)
    probe, replay = taught(frames, labels, capacity=200)
    found = refit_probe(AS_IT_IS, probe, replay, progress=False)
    assert found is not probe
    assert found.steps == 200
    later = shades(4000, noise=0.5, seed=1)
    assert right(found, *later) > right(probe, *later) + 0.01


def test_it_is_as_sure_as_it_is_right_on_other_scenes():
    frames, labels = shades(400, runs=10, noise=0.3)
    found = refit_probe(AS_IT_IS, *taught(frames, labels), progress=False)
    later, of_later = shades(2000, noise=0.3, seed=1)
    accuracy = right(found, later, of_later)
    never = hs.SldaProbe(0.5)
    never.learn_many(frames.flatten(1), labels)
    calibrated, sure = (p.predict_proba_many(later.flatten(1)).amax(dim=1).mean() - accuracy for p in (found, never))
    assert abs(calibrated) < 0.1
    assert sure > calibrated + 0.03


@pytest.mark.parametrize(("classes", "most"), [(2, 0.8), (30, 0.5)])
def test_it_is_not_sure_of_classes_that_it_saw_once(classes, most):
    frames = torch.from_numpy(np.random.default_rng(0).normal(size=(classes + 200, 1, 4, 4))).float()
    found = refit_probe(AS_IT_IS, *taught(frames[:classes], range(classes)), progress=False)
    assert found.predict_proba_many(frames[classes:].flatten(1)).amax(dim=1).mean() < most


@pytest.mark.parametrize("count", [1, 2, 9, 17])
def test_a_few_frames_will_do(count):
    frames, labels = shades(count, noise=0.01)
    found = refit_probe(AS_IT_IS, *taught(frames, labels), progress=False)
    assert right(found, frames, labels) == 1.0


@pytest.mark.parametrize(("count", "capacity"), [(3000, 200), (800, 2000)])
def test_where_frames_tell_nothing_a_class_is_named_as_often_as_it_came_whatever_is_kept(count, capacity):
    labels = ["rare" if number % 20 == 0 else "common" for number in range(count)]
    frames = torch.from_numpy(np.random.default_rng(0).normal(size=(count, 1, 4, 4))).float()
    probe, replay = taught(frames, labels, capacity=capacity)
    found = refit_probe(AS_IT_IS, probe, replay, progress=False)
    assert found is not probe
    assert np.mean(np.array(found.predict_many(frames.flatten(1))) == "common") > 0.85


@pytest.mark.parametrize("noise", [0.01, 3.0])
def test_classes_stay_in_the_order_in_which_they_were_taught(noise):
    labels = ["zebra"] * 5 + ["ant", "bee"] * 300
    frames = torch.from_numpy(np.random.default_rng(0).normal(0, noise, (len(labels), 1, 4, 4))).float()
    probe, replay = taught(frames, labels, capacity=30)
    assert refit_probe(AS_IT_IS, probe, replay, progress=False).classes == probe.classes == ["zebra", "ant", "bee"]
