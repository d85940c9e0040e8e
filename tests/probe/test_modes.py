"""Probes and `Replay` where torch is told to make other tensors than usual."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from probes import assert_equal_probes, assert_equal_states, blobs
from strategies import default_dtype

import hebbstream as hs
from hebbstream.probe._solvers import SOLVERS, probe_from_state

OPTIONS = [
    ("gradient", {"calibrate": True}),
    ("gradient", {"optimizer": "adam"}),
    ("ridge", {"dimensions": 9, "solve_every": 5}),
    ("slda", {"calibrate": True}),
    ("slda", {"half_life": 20.0, "dimensions": 9}),
]
X, Y = blobs(80, features=12)


@contextmanager
def device(name):
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


MODES = [
    pytest.param(lambda: default_dtype(torch.float64), id="default dtype float64"),
    pytest.param(lambda: default_dtype(torch.float16), id="default dtype float16"),
    pytest.param(lambda: device("meta"), id="default device meta"),
    pytest.param(torch.inference_mode, id="inference mode"),
    pytest.param(torch.no_grad, id="without gradients"),
    pytest.param(lambda: torch.autocast("cpu", dtype=torch.bfloat16), id="autocast"),
]


def begin(probe, found):
    for row, label in zip(X[:20], Y, strict=False):
        found.append(probe.predict_proba_one(row))
        probe.learn_one(row, label)
    probe.learn_many(X[20:40], Y[20:40], np.linspace(0.5, 2.0, 20))
    found.append(probe.predict_many(X))
    probe.forget(Y[0])


def go_on(probe, found):
    for row, label in zip(X[40:60], Y[40:60], strict=True):
        found.append((probe.predict_one(row), probe.predict_proba_one(row)))
        probe.learn_one(row, label)
    found.extend(tensor.tolist() for tensor in probe.affine())
    probe.grow(2)


def end(probe, found):
    wider = np.pad(X, ((0, 0), (0, 2)))
    probe.learn_many(wider[60:], Y[60:])
    found.append(probe.predict_proba_many(wider).tolist())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("solver", "options"), OPTIONS)
def test_a_probe_learns_the_same_in_every_mode_and_after_it(solver, options, mode):
    expected, plain = [], SOLVERS[solver](**options)
    for part in (begin, go_on, end):
        part(plain, expected)
    for modes in ((mode, torch.enable_grad), (torch.enable_grad, mode), (mode, mode)):
        for from_state in (False, True):
            probe, found = SOLVERS[solver](**options), []
            for part, entered in ((begin, modes[0]), (go_on, modes[1]), (end, modes[0])):
                with entered():
                    part(probe, found)
                    probe = probe_from_state(probe.state_dict()) if from_state else probe
            assert found == expected
            assert_equal_probes(probe, plain)


@pytest.mark.parametrize(("solver", "options"), OPTIONS)
def test_features_made_in_inference_mode_are_learned_outside_it(solver, options):
    found, expected = SOLVERS[solver](**options), SOLVERS[solver](**options)
    with torch.inference_mode():
        rows = torch.from_numpy(X).float() * 1.0
    assert rows.is_inference()
    for row, label in zip(rows[:20], Y, strict=False):
        found.learn_one(row, label)
        expected.learn_one(row.clone().numpy(), label)
    found.learn_many(rows, Y)
    expected.learn_many(rows.numpy(), Y)
    assert_equal_probes(found, expected)
    assert found.predict_many(rows) == expected.predict_many(rows.numpy())


def replayed(memory, start, stop):
    found = []
    for number in range(start, stop):
        memory.add(torch.full((1, 2, 2), number, dtype=torch.uint8, device="cpu"), "abc"[number % 7 % 3])
        if number % 5 == 0:
            frames, labels = memory.draw(4)
            found.append((frames.tolist(), labels))
    return found


@pytest.mark.parametrize("mode", MODES)
def test_a_replay_keeps_the_same_in_every_mode_and_after_it(mode):
    plain = hs.Replay(20, seed=3)
    expected = replayed(plain, 0, 130)
    plain.forget("b")
    expected += replayed(plain, 130, 200)
    for mode_of_first, mode_of_second in ((mode, torch.enable_grad), (torch.enable_grad, mode), (mode, mode)):
        with mode_of_first():
            memory = hs.Replay(20, seed=3)
            found = replayed(memory, 0, 50)
        with mode_of_second():
            found += replayed(memory, 50, 90)
        with mode_of_first():
            memory = hs.Replay.from_state(memory.state_dict())
        with mode_of_second():
            found += replayed(memory, 90, 130)
            memory.forget("b")
        found += replayed(memory, 130, 200)
        assert found == expected
        assert_equal_states(memory.state_dict(), plain.state_dict())


def test_a_replay_that_forgets_in_inference_mode_goes_on_outside_it():
    memory = hs.Replay(1)
    for label in "ab":
        memory.add(torch.zeros(2), label)
    with torch.inference_mode():
        memory.forget("a")  # of which no frame is left
    for _ in range(20):
        memory.add(torch.ones(2), "b")
    assert memory.draw(1)[0].tolist() == [[1.0, 1.0]]
