"""How long a run took: until all that was asked for is done, also where the host need not wait for it."""

import pytest
import torch

import hebbstream as hs
from hebbstream.learning import _run as run_module


def test_a_run_ends_once_a_card_has_learned_its_samples(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(run_module, "wait_for", lambda devices: now.__setitem__(0, now[0] + sum(1 for _ in devices)))
    learner = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=4), clock=lambda: now[0])
    assert learner.learn(torch.rand(2, 3, 32, 32), progress=False).seconds == 3  # a second for each layer
    with pytest.raises(hs.HebbstreamError):  # of what failed nothing is waited for: it may be the card
        learner.learn(torch.rand(2, 5, 32, 32), progress=False)
    assert now[0] == 3


def test_each_card_is_waited_for_once(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    run_module.wait_for(torch.device(name) for name in ("cuda:1", "cpu", "cuda:0", "cuda:1"))
    assert sorted(map(str, waited)) == ["cuda:0", "cuda:1"]
