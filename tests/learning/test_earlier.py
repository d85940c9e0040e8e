"""Programs written for the names of before go on working, and are told what to write."""

import pytest
import torch

import hebbstream as hs
from hebbstream.streams import novel


@pytest.fixture
def saved(tmp_path):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=2, seed=0), hs.RidgeProbe(), replay=hs.Replay(10))
    learner.learn([(frame, n % 2) for n, frame in enumerate(torch.rand(8, 3, 32, 32))], progress=False)
    path = tmp_path / "run.safetensors"
    learner.save(path)
    return path


def test_a_checkpoint_goes_round_by_the_names_of_before(saved, tmp_path):
    with pytest.warns(DeprecationWarning, match=r"use Learner\.load\(path\)"):
        before = hs.load_checkpoint(saved)
    copy = tmp_path / "copy.safetensors"
    with pytest.warns(DeprecationWarning, match=r"use Learner\(net, …\)\.save\(path\)"):
        hs.save_checkpoint(copy, before.net, before.probe, before.counters, before.callbacks, before.replay)
    after = hs.Learner.load(copy)
    assert after.counters == before.counters
    for part in ("probe", "replay"):
        old, new = getattr(before, part).tensors(), getattr(after, part).tensors()
        assert old
        assert old.keys() == new.keys()
        assert all(torch.equal(old[name], new[name]) for name in old)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(before.net.layers, after.net.layers, strict=True))


def test_what_callbacks_are_to_keep_is_kept_by_the_name_of_before(tmp_path):
    class Keeps(hs.Callback):
        kept = 0

        def state_dict(self):
            return {"kept": self.kept}

        def load_state_dict(self, state):
            self.kept = state["kept"]

    before, after = Keeps(), Keeps()
    before.kept = 3
    net, path = hs.SoftHebbNet.from_preset("cifar10", width=2), tmp_path / "run.safetensors"
    with pytest.warns(DeprecationWarning, match="save_checkpoint"):
        hs.save_checkpoint(path, net, callbacks=[before])
    hs.Learner.load(path, callbacks=[after])
    assert after.kept == 3


def test_a_stream_says_how_many_it_left_out():
    frames = [torch.zeros(3, 8, 8)] * 5
    gate = novel(frames)
    kept = len(list(gate))
    assert gate.skipped == gate.stats.skipped == 5 - kept > 0
