import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

import hebbstream as hs
from hebbstream.learning import Metrics, _turned
from hebbstream.learning._turned import Turned

QUICK = [
    hs.LayerSpec(channels=6, kernel_size=3, learning_rate=0.1, radius=1.5),
    hs.LayerSpec(channels=9, kernel_size=3, learning_rate=0.1, radius=1.5, init="positive"),
]


def network(**options):
    return hs.SoftHebbNet(QUICK, 3, **{"seed": 5} | options)


def by_hand(net, initial):
    pairs = zip(net.layers, initial, strict=True)
    cosines = [F.cosine_similarity(layer.weight_matrix.double(), w.double(), dim=1) for layer, w in pairs]
    return tuple(pytest.approx(float((cosine < 0.9).double().mean())) for cosine in cosines)


def weights(net):
    return [layer.weight_matrix.clone() for layer in net.layers]


@pytest.mark.parametrize("options", [{}, {"mirror": True}, {"seed": 11}])
def test_a_run_reports_what_has_turned(tmp_path, options):
    net, frames = network(**options), torch.rand(60, 3, 16, 16)
    initial, path = weights(net), tmp_path / "metrics.jsonl"
    report = hs.learn(net, frames, callbacks=[Metrics(path)], progress=False)
    assert report.turned == by_hand(net, initial)
    assert max(report.turned) > 0
    assert json.loads(path.read_text().splitlines()[-1])["turned"] == [round(share, 4) for share in report.turned]
    shares = " / ".join(f"{share:.0%}" for share in report.turned)
    assert f"neurons turned {shares}, converged (R1) " in str(report)


def test_a_resumed_run_counts_from_the_same_start(tmp_path):
    frames = torch.rand(60, 3, 16, 16)
    initial, whole = weights(network()), hs.learn(network(), frames, progress=False)
    learner = hs.Learner(network())
    learner.learn(frames, limit=30, progress=False)
    learner.save(tmp_path / "run.safetensors")
    resumed = hs.Learner.load(tmp_path / "run.safetensors")
    assert resumed.learn(frames, resume=True, progress=False).turned == whole.turned
    assert whole.turned == by_hand(resumed.net, initial)


def test_a_network_that_does_not_learn_turns_nothing():
    still = hs.SoftHebbNet([replace(spec, learning_rate=0.0) for spec in QUICK], 3)
    report = hs.learn(still, torch.rand(5, 3, 16, 16), progress=False)
    assert report.turned == (0.0, 0.0)
    assert "no layer learns" in str(report)


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((0.1, 0.0), "turned 0%, converged (R1) 0% (layer 1; the others do not learn)"),
        ((0.0, 0.1), "turned 0%, converged (R1) 0% (layer 2; the others do not learn)"),
        ((0.1, 0.1), "turned 0% / 0%, converged (R1) 0% / 0% (layer 1 to 2)"),
        ((0.1,), "turned 0%, converged (R1) 0% (one layer)"),
    ],
)
def test_only_layers_that_learn_are_shown(rates, says, capsys):
    specs = [replace(spec, learning_rate=rate, radius=25.0) for spec, rate in zip(QUICK, rates, strict=False)]
    report = hs.learn(hs.SoftHebbNet(specs, 3), torch.rand(3, 3, 16, 16))
    assert f"neurons {says}\n" in f"{report}\n"
    assert f"{says.split(', converged')[0]}]" in capsys.readouterr().err


def test_a_length_alone_is_no_turn():
    net = network()
    turned = Turned(net)
    for layer in net.layers:
        layer.weight_matrix.mul_(0.01)
    assert turned.shares() == (0.0, 0.0)
    net.layers[0].weight_matrix.neg_()
    assert turned.shares() == (1.0, 0.0)


def test_of_a_large_layer_some_neurons_stand_for_all(monkeypatch):
    monkeypatch.setattr(_turned, "_MOST_VALUES", 100)  # of 6·27 and 9·54
    net = network()
    turned = Turned(net)
    net.layers[0].weight_matrix[::2].neg_()
    net.layers[1].weight_matrix[5].neg_()
    assert turned.shares() == (1.0, 0.5)
    assert all(len(initial) <= 3 for initial in turned._initial)


def test_the_log_says_of_a_run_without_a_checkpoint_that_it_diverged(caplog):
    wild = hs.LayerSpec(channels=4, plasticity="hebbian", update_scale="none", learning_rate=5.0, rate_power=0)
    hs.learn(hs.SoftHebbNet([wild], 3), torch.rand(40, 3, 8, 8), progress=False)
    (message,) = caplog.messages
    assert message.startswith("layer 1 has diverged: its weight_matrix holds NaN or infinity")
