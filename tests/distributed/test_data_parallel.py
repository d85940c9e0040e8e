"""Ranks that take each step together learn what one process learns from a mini-batch of theirs."""

import numpy as np
import pytest
import torch
from ranks import together

import hebbstream as hs
from hebbstream.distributed import DataParallelEngine
from hebbstream.distributed._sums import as_sums, from_sums
from hebbstream.rule._normalize import Moments, StreamNorm
from hebbstream.rule._whiten import StreamWhitening

STEPS = 30


def pictures(world, steps=STEPS):
    generator = torch.Generator().manual_seed(0)
    rough = torch.rand(steps, world, 3, 4, 4, generator=generator)
    return rough.repeat_interleave(4, 3).repeat_interleave(4, 4).mul(0.8).add(0.1)


def network(kind, engine="eager"):
    options = {"width": 4, "engine": engine, "seed": 3}
    if kind == "batch statistics":
        options |= {"normalization": "batch"}
    elif kind == "whitening, mirrored":
        options |= {"normalization": "whiten", "mirror": True}
    elif kind in ("rare events", "dense updates"):
        options |= {"width": 16, "event_threshold": 0.9 if kind == "rare events" else 0.0}
    return hs.SoftHebbNet.from_preset("video" if kind == "averages" else "cifar10", **options)


def state_of(net):
    return {name: value.double().numpy() for name, value in net.state_dict().items()}


def learn(peers, kind):
    net = network(kind, DataParallelEngine(peers))
    for step in pictures(peers.world):
        features = net.learn_one(step[peers.rank])
    return state_of(net), features.numpy(), peers.bytes_sent


@pytest.mark.parametrize(
    ("kind", "world"),
    [
        ("events", 2),
        ("events", 4),
        ("batch statistics", 2),
        ("whitening, mirrored", 2),
        ("dense updates", 2),
        ("averages", 2),
    ],
)
def test_ranks_learn_as_one_process_from_a_mini_batch(kind, world):
    found = together(world, learn, kind)
    reference = network(kind)
    for step in pictures(world):
        features = reference.learn_many(step)
    for rank, (state, own, _) in enumerate(found):
        np.testing.assert_allclose(own, features[rank], rtol=1e-3, atol=1e-3)
        for name, value in state_of(reference).items():
            np.testing.assert_array_equal(state[name], found[0][0][name], err_msg=f"rank {rank}: {name}")
            rounding = max(1e-4, 1e-6 * abs(value).max())  # of sums as large as the largest
            np.testing.assert_allclose(state[name], value, rtol=1e-4, atol=rounding, err_msg=name)
    moved = reference.layers[0].weight_matrix - network(kind).layers[0].weight_matrix
    assert moved.abs().max() > 100 * 1e-4  # what is compared has been learned


def test_only_rows_that_a_rank_has_touched_travel():
    sent = {kind: together(2, learn, kind)[0][2] for kind in ("rare events", "dense updates")}
    assert sent["rare events"] < 0.5 * sent["dense updates"]


def imprint(peers):
    net = hs.SoftHebbNet.from_preset("motion", width=4, seed=3, engine=DataParallelEngine(peers))
    for step in pictures(peers.world):
        net.learn_one(step[peers.rank])
    return state_of(net)


def test_neurons_that_imprint_take_over_what_the_first_rank_sees():
    first, second = together(2, imprint)
    weights, drawn = first["_layers.1.weight_matrix"], hs.SoftHebbNet.from_preset("motion", width=4, seed=3)
    np.testing.assert_array_equal(weights, second["_layers.1.weight_matrix"])
    assert (weights != drawn.layers[1].weight_matrix.numpy()).any(axis=1).all()
    assert (first["_layers.1.imprinting.steps"], second["_layers.1.imprinting.steps"]) == (STEPS, 0)


def learn_unevenly(peers):
    net = network("events", DataParallelEngine(peers))
    frames = pictures(3, 10)
    for number, step in enumerate(frames):
        mine = step[:2] if peers.rank == 0 else step[2:]
        if number % 2 and peers.rank == 1:
            net.engine.attend(net.layers, 2)
            net.samples_seen += 2
        else:
            net.learn_many(mine) if not number % 2 else learn_announced(net, mine)
    return state_of(net)


def learn_announced(net, frames):
    net.engine.announce(len(frames))
    net.learn_many(frames)


def test_ranks_with_different_numbers_of_samples_and_with_none():
    found = together(2, learn_unevenly)
    reference = network("events")
    for number, step in enumerate(pictures(3, 10)):
        reference.learn_many(step[:2] if number % 2 else step)
    for name, value in state_of(reference).items():
        if "extra" not in name:  # holds the size of the latest frame, which a rank without one has not seen
            np.testing.assert_array_equal(found[0][name], found[1][name], err_msg=name)
        np.testing.assert_allclose(found[0][name], value, rtol=1e-4, atol=1e-4, err_msg=name)


def test_moments_of_parts_are_those_of_the_whole():
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)) + 1000.0

    def moments(rows):
        mean = rows.double().mean(dim=0)
        centred = rows.double() - mean
        return Moments(mean.float(), (centred.T @ centred / len(rows)).float(), len(rows))

    merged = from_sums(as_sums(moments(x[:2]), 2) + as_sums(moments(x[2:]), 4), moments(x), 6)
    torch.testing.assert_close(merged.mean, moments(x).mean)
    torch.testing.assert_close(merged.spread, moments(x).spread, rtol=1e-3, atol=1e-3)
    assert merged.samples == 6


@pytest.mark.parametrize("make", [StreamNorm, StreamWhitening])
def test_the_sum_over_parts_leaves_a_constant_channel_without_variance(make):
    random = torch.Generator().manual_seed(0)
    for value in torch.rand(40, generator=random) * 1e6 + 1e6:
        x = torch.randn(3, 3, 1, 77, generator=random)
        x[:, :2] = value  # twice: what rounding leaves would be correlated
        norm = make(3)
        own = norm.moments(x)
        merged = from_sums(sum(as_sums(norm.moments(part[None]), 77) for part in x), own, 3)
        torch.testing.assert_close(merged.mean, own.mean)
        torch.testing.assert_close(merged.spread, own.spread)
        norm.follow(merged)
        assert norm(x).isfinite().all()
