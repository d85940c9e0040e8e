"""Frames of the past that a run learns again from: which are kept, and what is saved of them."""

import os
import signal

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors

FRAMES = [np.full((8, 8, 3), index, np.uint8) for index in range(20)]


class Refuses(hs.Callback):
    def on_sample(self, learner, sample):
        if learner.counters.position == 4:
            raise ZeroDivisionError


def fail(step):
    if step.index == 3:
        raise ZeroDivisionError


def replayed(path, *, callbacks=(), limit=None):
    learner = hs.Learner(
        hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3),
        hs.SoftmaxProbe(),
        replay=hs.Replay(32, every_samples=4),
        callbacks=[*callbacks, hs.Checkpoint(path)],
    )
    learner.learn([(x, index % 2) for index, x in enumerate(FRAMES)], limit=limit, progress=False)
    return learner


def test_a_frame_that_a_callback_refuses_is_not_replayed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        replayed(tmp_path / "run", callbacks=[Refuses()])
    assert len(hs.Learner.load(tmp_path / "run").replay) == 4


def test_what_is_saved_at_an_error_has_the_replay_that_was_due(tmp_path):
    replayed(tmp_path / "whole", limit=4)
    with pytest.raises(ZeroDivisionError):
        replayed(tmp_path / "failed", callbacks=[fail])
    assert (tmp_path / "failed").read_bytes() == (tmp_path / "whole").read_bytes()


def test_what_is_saved_at_a_signal_has_the_replay_that_was_due(tmp_path):
    def ask(step):
        if step.index == 3:
            os.kill(os.getpid(), signal.SIGUSR1)

    class Copy(hs.Callback):
        def on_sample(self, learner, sample):
            if learner.counters.position == 4:
                (tmp_path / "copy").write_bytes((tmp_path / "asked").read_bytes())

    replayed(tmp_path / "whole", limit=4)
    replayed(tmp_path / "asked", callbacks=[ask, Copy()], limit=5)
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "whole").read_bytes()


def test_a_run_that_learns_nothing_replays_nothing():
    replay, probe = hs.Replay(8, every_samples=1), hs.SoftmaxProbe()
    replay.add(torch.zeros(3, 8, 8, dtype=torch.uint8), "a")
    with pytest.raises(errors.EmptyStreamError):
        hs.learn(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), [], probe, replay=replay, progress=False)
    assert probe.steps == 0


def test_all_that_is_kept_may_be_forgotten_while_it_is_in_use():
    replay, probe = hs.Replay(8, every_samples=2), hs.SoftmaxProbe()

    def forget(step):
        if step.index == 3:
            for part in (replay, probe):
                part.forget("a")

    net, labelled = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), [(x, "a") for x in FRAMES[:4]]
    report = hs.learn(net, [*labelled, *FRAMES[4:6]], probe, replay=replay, callbacks=[forget], progress=False)
    assert (report.samples, probe.classes) == (6, [])
