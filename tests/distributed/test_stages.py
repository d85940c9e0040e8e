"""Layers spread over ranks learn bit for bit what one process learns."""

import numpy as np
import pytest
import torch
from ranks import together

import hebbstream as hs
from hebbstream.distributed import learn_in_stages


def network(mirror=False):
    return hs.SoftHebbNet.from_preset("cifar10", width=4, seed=5, mirror=mirror)


def learn(peers, frames, mirror):
    net, features = network(mirror), []
    learned = learn_in_stages(net, frames, peers, take=features.append)
    state = {name: value.numpy() for name, value in net.state_dict().items()}
    return learned, [one.numpy() for one in features], state


@pytest.mark.parametrize(("world", "mirror"), [(2, False), (3, True)])
def test_stages_learn_what_one_process_learns(world, mirror, frames):
    frames, reference = frames[:40], network(mirror)
    expected = [reference.learn_one(frame).numpy() for frame in frames]
    found = together(world, learn, frames, mirror)
    np.testing.assert_array_equal(found[-1][1], expected)
    for learned, _, state in found:
        assert learned == len(frames)
        for name, value in reference.state_dict().items():
            np.testing.assert_array_equal(state[name], value, err_msg=name)


def learn_badly(peers):
    net = network()
    frames = torch.rand(4, 3, 32, 32)
    frames[2, 0, 0, 0] = torch.nan
    try:
        return learn_in_stages(net, frames, peers)
    except hs.HebbstreamError as error:
        return type(error).__name__, net.samples_seen


def test_a_bad_frame_ends_the_stream_for_all():
    assert together(2, learn_badly) == [("NonFiniteError", 2), 2]


def learn_nothing(peers):
    return learn_in_stages(network(), [], peers, limit=2**70)


def test_an_empty_stream():
    assert together(2, learn_nothing) == [0, 0]


class Four:
    rank, world = 0, 4


def test_more_ranks_than_layers():
    with pytest.raises(hs.errors.ConfigurationError, match="3 layers on 4 ranks: expected at least one layer for each"):
        learn_in_stages(network(), [], Four())


@pytest.mark.parametrize("limit", [-1, 1.5])
def test_a_limit_that_cannot_work(limit):
    with pytest.raises(hs.errors.ConfigurationError, match=f"limit={limit}: expected a positive integer, or None"):
        learn_in_stages(network(), [], Four(), limit=limit)
