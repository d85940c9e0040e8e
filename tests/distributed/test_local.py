"""Ranks that learn alone and average are the same code as replicas in one process."""

import numpy as np
import pytest
import torch
from ranks import together

import hebbstream as hs
from hebbstream.distributed import LocalEngine, learn_together
from hebbstream.errors import ConfigurationError

EVERY, ROUNDS, WORLD = 4, 5, 2


def network(wire="float32", kind="events"):
    options = {
        "events": {},
        "whitening, mirrored": {"normalization": "whiten", "mirror": True},
        "whitened patches": {"normalization": "whiten_patches", "width_factor": 1},
        "averages": {"name": "video"},
    }
    return hs.SoftHebbNet.from_preset(
        **{"name": "cifar10", "width": 4, "seed": 2, "engine": LocalEngine(wire)} | options[kind]
    )


def pictures():
    rough = torch.rand(WORLD, EVERY * ROUNDS, 3, 4, 4, generator=torch.Generator().manual_seed(4))
    return rough.repeat_interleave(4, 3).repeat_interleave(4, 4)


def simulated(wire, kind):
    """One network that is each replica in turn."""
    net = network(wire, kind)
    layers, views = net.layers, 2 if net.mirror else 1
    for start in range(0, EVERY * ROUNDS, EVERY):
        told = []
        begun = {name: value.clone() for name, value in net.state_dict().items()}
        for replica in pictures()[:, start : start + EVERY]:
            net.load_state_dict(begun)
            net.engine.begin(layers)
            for frame in replica:
                net.learn_one(frame)
            told.append(net.engine.told(layers, WORLD * EVERY * views))
        summed = [sum(parts[1:], parts[0]) for parts in zip(*told, strict=True)]
        net.load_state_dict(begun)
        net.engine.begin(layers)
        net.engine.take_over(layers, summed, WORLD * EVERY * views)
    return net


def learn(peers, wire, kind):
    one = hs.Learner(network(wire, kind))
    sources = {str(rank): lambda rank=rank: pictures()[rank] for rank in range(WORLD)}
    learn_together(one, sources, peers, every=EVERY, wire=wire, progress=False)
    return {name: value.numpy() for name, value in one.net.state_dict().items()}, peers.bytes_sent


@pytest.mark.parametrize("kind", ["events", "whitening, mirrored", "whitened patches", "averages"])
def test_ranks_and_replicas_in_one_process_learn_the_same(kind):
    found = together(WORLD, learn, "float32", kind)
    expected = simulated("float32", kind)
    for name, value in expected.state_dict().items():
        np.testing.assert_array_equal(found[0][0][name], found[1][0][name], err_msg=name)
        if "extra" not in name:
            np.testing.assert_allclose(found[0][0][name], value, rtol=1e-4, atol=1e-5, err_msg=name)
    samples = WORLD * EVERY * ROUNDS
    assert int(expected.layers[0].samples_learned) == samples * (2 if expected.mirror else 1)


@pytest.mark.parametrize("kind", ["events", "averages"])
def test_a_rank_alone_learns_as_without_rounds(kind):
    alone, plain = network(kind=kind), network(kind=kind)
    plain.engine = hs.EagerEngine()
    for start in range(0, EVERY * ROUNDS, EVERY):
        alone.engine.begin(alone.layers)
        for frame in pictures()[0, start : start + EVERY]:
            alone.learn_one(frame)
            plain.learn_one(frame)
        alone.engine.take_over(alone.layers, alone.engine.told(alone.layers, EVERY), EVERY)
    for ours, expected in zip(alone.layers, plain.layers, strict=True):
        torch.testing.assert_close(ours.plastic_weights, expected.plastic_weights, rtol=1e-3, atol=1e-4)
    drawn = network(kind=kind).layers[0].weight_matrix
    assert (plain.layers[0].plastic_weights - drawn).abs().max() > 100 * 1e-4


def test_half_precision_halves_what_is_sent():
    whole, half = (together(WORLD, learn, wire, "events")[0] for wire in ("float32", "float16"))
    assert half[1] < 0.7 * whole[1]
    weights = [state["_layers.2.weight_matrix"] for state, _ in (whole, half)]
    np.testing.assert_allclose(*weights, atol=2e-2)
    assert (weights[0] != weights[1]).any()


def test_one_replica_alone_changes_nothing_but_rounding():
    alone, reference = network(), hs.SoftHebbNet.from_preset("cifar10", width=4, seed=2)
    for number, frame in enumerate(pictures()[0], start=1):
        alone.learn_one(frame)
        reference.learn_one(frame)
        if number % EVERY == 0:
            alone.engine.take_over(alone.layers, alone.engine.told(alone.layers, EVERY), EVERY)
    torch.testing.assert_close(alone.layers[0].weight_matrix, reference.layers[0].weight_matrix, rtol=1e-4, atol=1e-5)


def test_an_unknown_wire():
    with pytest.raises(ConfigurationError, match="wire='int8': expected one of 'float32', 'float16'"):
        LocalEngine("int8")
