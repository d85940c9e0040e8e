import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from river import drift

import hebbstream as hs
from hebbstream.adapters.river._drift import Drift, DriftMonitor
from hebbstream.adapters.river._watch import Watch
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._explained import explained_share

SPEC = hs.LayerSpec(channels=8, kernel_size=3, learning_rate=0.05, radius=3.0, update_scale="running_max")


def pictures(count, seed, *, smooth):
    """Smooth pictures, or white noise of the same mean and contrast."""
    x = np.random.default_rng(seed).normal(size=(count, 16, 16, 3))
    for axis in (1, 2) * 3 if smooth else ():
        x = x + np.roll(x, 1, axis)
    return (0.5 + 0.1 * (x - x.mean()) / x.std()).clip(0, 1).astype(np.float32)


def learn(frames, net=None, **options):
    net = net or hs.SoftHebbNet([SPEC], 3, seed=0)
    monitor = DriftMonitor(**{"every_samples": 1} | options)
    hs.learn(net, frames, callbacks=[monitor], progress=False)
    return net, monitor


def test_a_change_is_noticed_soon_and_only_once(caplog):
    frames = np.concatenate([pictures(800, 1, smooth=True), pictures(200, 2, smooth=False)])
    called = []
    with caplog.at_level(logging.WARNING, logger="hebbstream.drift"):
        _, monitor = learn(frames, action=called.append)
    (found,) = monitor.drifts
    assert called == [found]
    assert 800 <= found.index < 900
    assert found.layer == 0
    assert 0 < found.after < found.before < 1
    assert [f"sample {found.index}: layer 1 explains" in record.message for record in caplog.records] == [True]


@pytest.mark.parametrize("memory", [8192, 380])
@pytest.mark.parametrize(
    "detector",
    [None, drift.PageHinkley(threshold=2.0), drift.KSWIN(alpha=1e-5, seed=0)],
    ids=["adwin", "page", "kswin"],
)
def test_a_resumed_run_notices_what_one_never_stopped_does(tmp_path, monkeypatch, detector, memory):
    monkeypatch.setattr("hebbstream.adapters.river._watch._MEMORY", memory)
    frames = np.concatenate([pictures(400, 1, smooth=True), pictures(150, 2, smooth=False)])

    def begin(net):
        return DriftMonitor(detector, every_samples=1, action=lambda found: net.reopen_plasticity())

    whole = hs.SoftHebbNet([SPEC], 3, seed=0)
    expected = begin(whole)
    hs.learn(whole, frames, callbacks=[expected], progress=False)
    found = [one.index for one in expected.drifts if one.index >= 400]
    assert found
    path = tmp_path / "run.safetensors"
    for stop in (199, 405, found[0] + 1) if memory < len(frames) else (405,):
        net = hs.SoftHebbNet([SPEC], 3, seed=0)
        hs.learn(net, frames, limit=stop, checkpoint=path, callbacks=[begin(net)], progress=False)
        monitor = begin(None)
        saved = hs.Learner.load(path, callbacks=[monitor])
        monitor.action = lambda found, net=saved.net: net.reopen_plasticity()
        saved.learn(frames, resume=True, progress=False)
        assert monitor.drifts == expected.drifts
        assert torch.equal(saved.net.layers[0].weight, whole.layers[0].weight)
        assert monitor.state_dict() == expected.state_dict()


def test_readings_kept_are_bounded(monkeypatch):
    monkeypatch.setattr("hebbstream.adapters.river._watch._MEMORY", 100)
    lengths = []
    net = hs.SoftHebbNet([SPEC], 3, seed=0)
    monitor = DriftMonitor(every_samples=1)

    def look(step):
        lengths.append(len(monitor.state_dict()["watches"]["0"]["readings"]))

    hs.learn(net, pictures(300, 1, smooth=True), callbacks=[monitor, look], progress=False)
    assert lengths[:100] == list(range(1, 101))
    assert min(lengths[100:]) == 51
    assert max(lengths) == 100


class AtItsFiftieth(drift.NoDrift):
    """Notices something at the 50th of the readings that it is shown."""

    seen = 0

    def update(self, x):
        self.seen += 1

    @property
    def drift_detected(self):
        return self.seen == 50


class AtTheNinetieth(AtItsFiftieth):
    """Notices the 90th reading of all."""

    def update(self, x):
        self.seen = 50 if x == -89.0 else 0


@pytest.mark.parametrize(("detector", "expected"), [(AtItsFiftieth(), [50, 101, 151, 201]), (AtTheNinetieth(), [90])])
def test_what_is_noticed_where_a_new_detector_takes_over_is_reported_and_once(monkeypatch, detector, expected):
    monkeypatch.setattr("hebbstream.adapters.river._watch._MEMORY", 100)
    watch = Watch(detector)
    reported = [watch.update(-float(index)) for index in range(220)]
    assert [index + 1 for index, found in enumerate(reported) if found] == expected


def test_a_state_of_other_layers_is_refused_and_two_monitors_have_one_each(tmp_path):
    net = hs.SoftHebbNet([SPEC, SPEC], 3, seed=0)
    with pytest.raises(ConfigurationError, match=r"state of layers \[0\]: expected \[1\]"):
        DriftMonitor(layers=(1,)).load_state_dict(DriftMonitor().state_dict())
    two = [DriftMonitor(), DriftMonitor(layers=(1,))]
    hs.learn(net, pictures(20, 1, smooth=True), callbacks=two, checkpoint=tmp_path / "run", progress=False)
    again = [DriftMonitor(), DriftMonitor(layers=(1,))]
    hs.Learner.load(tmp_path / "run", callbacks=again)
    assert [monitor.state_dict() for monitor in again] == [monitor.state_dict() for monitor in two]


def test_learning_raises_no_alarm_and_neither_does_a_stationary_world(caplog):
    net, monitor = learn(pictures(1500, 3, smooth=True))
    assert monitor.drifts == []
    assert not caplog.records
    assert net.r1_fraction()[0] > 0.5  # the weights moved far meanwhile


@pytest.mark.parametrize("detector", [drift.PageHinkley(threshold=2.0), drift.KSWIN(alpha=1e-5, seed=0)])
def test_any_detector_of_river_will_do(detector):
    frames = np.concatenate([pictures(800, 1, smooth=True), pictures(200, 2, smooth=False)])
    _, monitor = learn(frames, detector=detector)
    assert any(800 <= found.index < 950 for found in monitor.drifts)


def test_the_explained_share_is_of_the_weights_that_gave_the_features():
    spec = hs.LayerSpec(channels=6, learning_rate=0.3, radius=5, update_scale="running_max", averaging_samples=100)
    net = hs.SoftHebbNet([spec], 3)
    frames = torch.rand(20, 3, 12, 12)
    for frame in frames:
        net.learn_one(frame)
    (layer,) = net.layers
    assert not torch.equal(layer.plastic_weights, layer.weight_matrix)
    share = explained_share(layer, layer.forward(frames[:1]))
    layer.plastic_weights.fill_(7.0)
    assert explained_share(layer, layer.forward(frames[:1])) == share


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
    torch.testing.assert_close(explained_share(layer, layer.forward(x)), expected)


def test_watching_changes_nothing():
    frames = pictures(40, 4, smooth=True)
    watched, _ = learn(frames, hs.SoftHebbNet([SPEC, SPEC], 3, seed=0), layers=(0, 1))
    alone = hs.SoftHebbNet([SPEC, SPEC], 3, seed=0)
    hs.learn(alone, frames, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(watched.buffers(), alone.buffers(), strict=True))


@pytest.mark.parametrize("layers", [(0,), (1,), (1, 0), np.array([0, 1])])
def test_each_layer_is_watched_by_a_detector_of_its_own(layers):
    seen = []

    class Always(drift.NoDrift):
        def update(self, x):
            seen.append(self)

        @property
        def drift_detected(self):
            return True

    net = hs.SoftHebbNet([SPEC, SPEC], 3, seed=0)
    learn(pictures(20, 5, smooth=True), net, detector=Always(), layers=layers, every_samples=2)
    assert len(seen) == 10 * len(layers)
    assert len({id(detector) for detector in seen}) == len(layers)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector": "ADWIN"}, "detector='ADWIN'"),
        ({"detector": drift.binary.DDM()}, "expected a river drift detector of a number"),
        ({"every_samples": 0}, "every_samples=0"),
        ({"every_samples": float("nan")}, "every_samples=nan: expected a positive integer"),
        ({"layers": ()}, "at least one"),
        ({"layers": (True,)}, r"layers=\(True,\): expected indices"),
        ({"layers": 0}, "layers=0: expected indices"),
    ],
)
def test_what_cannot_work_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        DriftMonitor(**options)


def test_a_layer_that_the_network_lacks_is_refused_before_the_first_sample():
    net = hs.SoftHebbNet([SPEC], 3)
    with pytest.raises(ConfigurationError, match="layer=1: expected an index from 0 to 0"):
        learn(pictures(1, 1, smooth=True), net, layers=(0, 1))
    assert net.samples_seen == 0


def test_readings_do_not_pause_the_stream():
    assert DriftMonitor(every_samples=3).every_samples is None


def test_a_drift_reads_well():
    assert repr(Drift(7, 0, 0.5, 0.25)) == "Drift(index=7, layer=0, before=0.5, after=0.25)"
