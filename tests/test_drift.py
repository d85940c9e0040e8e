import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from river import drift

import hebbstream as hs
from hebbstream.adapters.drift import Drift, DriftMonitor, explained_share
from hebbstream.errors import ConfigurationError

SPEC = hs.LayerSpec(channels=8, kernel_size=3, learning_rate=0.05, radius=3.0, update_scale="running_max")


def pictures(count, seed, *, smooth):
    """Smooth pictures, or white noise of the same mean and contrast."""
    x = np.random.default_rng(seed).normal(size=(count, 16, 16, 3))
    for axis in (1, 2) * 3 if smooth else ():
        x = x + np.roll(x, 1, axis)
    return (0.5 + 0.1 * (x - x.mean()) / x.std()).clip(0, 1).astype(np.float32)


def learn(frames, net=None, **options):
    net = net or hs.SoftHebbNet([SPEC], 3, seed=0)
    monitor = DriftMonitor(net, every=2, **options)
    hs.learn(net, frames, callbacks=[monitor], progress=False)
    return net, monitor


def test_a_change_is_noticed_soon_and_only_once(caplog):
    frames = np.concatenate([pictures(1500, 1, smooth=True), pictures(500, 2, smooth=False)])
    called = []
    with caplog.at_level(logging.WARNING, logger="hebbstream.drift"):
        _, monitor = learn(frames, action=called.append)
    (found,) = monitor.drifts
    assert called == [found]
    assert 1500 <= found.index < 1700
    assert found.layer == 0
    assert 0 < found.after < found.before < 1
    assert [f"sample {found.index}: layer 1 explains" in record.message for record in caplog.records] == [True]


def test_learning_raises_no_alarm_and_neither_does_a_stationary_world(caplog):
    net, monitor = learn(pictures(3000, 3, smooth=True))
    assert monitor.drifts == []
    assert not caplog.records
    assert net.r1_fraction()[0] > 0.5  # the weights moved far meanwhile


@pytest.mark.parametrize("detector", [drift.PageHinkley(threshold=2.0), drift.KSWIN(alpha=1e-5, seed=0)])
def test_any_detector_of_river_will_do(detector):
    frames = np.concatenate([pictures(1500, 1, smooth=True), pictures(500, 2, smooth=False)])
    _, monitor = learn(frames, detector=detector)
    assert any(1500 <= found.index < 1800 for found in monitor.drifts)


def test_the_explained_share_is_the_mean_squared_cosine_weighed_by_energy():
    net = hs.SoftHebbNet([replace(SPEC, kernel_size=1, channels=2)], 3, seed=0)
    net.learn_many(torch.rand(10, 3, 8, 8))
    x, (layer,) = torch.rand(1, 3, 8, 8), net.layers
    patches = layer.norm(x)[0].flatten(1).t()
    cosines = torch.nn.functional.cosine_similarity(patches[:, None], layer.weight_matrix[None], dim=2)
    winner = (patches @ layer.weight_matrix.t()).argmax(dim=1)
    assert (cosines.amax(dim=1) < 0).any()  # a winner that points away explains nothing
    energy = patches.square().sum(dim=1)
    expected = (cosines[range(64), winner].clamp(min=0).square() * energy).sum() / energy.sum()
    torch.testing.assert_close(explained_share(layer, layer.peek(x)), expected)


def test_watching_changes_nothing():
    frames = pictures(40, 4, smooth=True)
    watched, _ = learn(frames, hs.SoftHebbNet([SPEC, SPEC], 3, seed=0), layers=(0, 1))
    alone = hs.SoftHebbNet([SPEC, SPEC], 3, seed=0)
    hs.learn(alone, frames, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(watched.buffers(), alone.buffers(), strict=True))


@pytest.mark.parametrize("layers", [(0,), (1,), (1, 0)])
def test_each_layer_is_watched_by_a_detector_of_its_own(layers):
    seen = []

    class Always(drift.NoDrift):
        def update(self, x):
            seen.append(self)

        @property
        def drift_detected(self):
            return True

    net = hs.SoftHebbNet([SPEC, SPEC], 3, seed=0)
    learn(pictures(20, 5, smooth=True), net, detector=Always(), layers=layers)
    assert len(seen) == 10 * len(layers)
    assert len({id(detector) for detector in seen}) == len(layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector": "ADWIN"}, "detector='ADWIN'"),
        ({"detector": drift.binary.DDM()}, "expected a river drift detector of a number"),
        ({"every": 0}, "every=0"),
        ({"layers": ()}, "at least one"),
        ({"layers": (1,)}, "layer=1"),
    ],
)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        DriftMonitor(hs.SoftHebbNet([SPEC], 3), **options)


def test_a_drift_reads_well():
    assert repr(Drift(7, 0, 0.5, 0.25)) == "Drift(index=7, layer=0, before=0.5, after=0.25)"
