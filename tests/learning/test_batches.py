"""Several samples make one step where `batch_size` says so."""

import numpy as np
import pytest
import torch
from strategies import assert_same_nets

import hebbstream as hs
from hebbstream.errors import ConfigurationError, NonFiniteError
from hebbstream.streams import Stream


def network(engine="eager"):
    return hs.SoftHebbNet.from_preset("cifar10", width=8, engine=engine)


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_a_batch_is_one_step_of_many(frames, engine):
    net, expected = network(engine), network()
    found = list(net.learn_stream(frames[:10], batch_size=4))
    wanted = torch.cat([expected.learn_many(frames[at : min(at + 4, 10)]) for at in (0, 4, 8)])
    assert torch.equal(torch.stack(found), wanted)
    assert_same_nets(net, expected)
    assert net.samples_seen == 10


def test_probe_and_callbacks_see_single_samples(labelled):
    net, expected, probe, seen = network(), network(), hs.SoftmaxProbe(), []
    report = hs.learn(
        net, labelled, probe, limit=30, batch_size=8, progress=False,
        callbacks=[lambda step: seen.append((step.index, step.sample.t, step.features.shape))],
    )  # fmt: skip
    for at in range(0, 30, 8):
        expected.learn_many(np.stack([sample.x for sample in labelled[at : min(at + 8, 30)]]))
    assert report.samples == 30
    assert [index for index, *_ in seen] == list(range(30))
    assert [t for _, t, _ in seen] == [sample.t for sample in labelled[:30]]
    assert_same_nets(net, expected)


def test_a_resumed_run_in_batches_gives_the_same_bits(labelled, tmp_path):
    whole, path = hs.Learner(network(), hs.SoftmaxProbe()), tmp_path / "run.safetensors"
    whole.learn(labelled[:24], batch_size=8, progress=False)
    first = hs.Learner(network(), hs.SoftmaxProbe())
    first.learn(labelled[:24], batch_size=8, limit=16, progress=False)
    first.save(path)
    second = hs.Learner.load(path)
    second.learn(labelled[:24], batch_size=8, resume=True, progress=False)
    assert second.counters == whole.counters
    assert_same_nets(second.net, whole.net)


def test_frames_before_a_refused_one_are_learned(frames):
    net, expected = network(), network()
    stream = net.learn_stream([*frames[:3], np.full((32, 32, 3), np.nan, np.float32), frames[4]], batch_size=8)
    assert [next(stream).ndim for _ in range(3)] == [1, 1, 1]
    with pytest.raises(NonFiniteError):
        next(stream)
    expected.learn_many(frames[:3])
    assert_same_nets(net, expected)


class Paced(Stream):
    """Tells a step of at most 3 that nothing more has come after some of its frames."""

    batch = 3

    @property
    def ready(self):
        return self.taken not in (1, 6)


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_a_step_takes_what_has_come_up_to_the_stream_s_own_number(frames, engine):
    net, expected = network(engine), network()
    report = hs.learn(net, Paced(list(frames[:10])), progress=False)
    for first, last in ((0, 1), (1, 4), (4, 6), (6, 9), (9, 10)):
        expected.learn_many(frames[first:last])
    assert report.samples == 10
    assert_same_nets(net, expected)


def test_features_come_before_the_next_frame_is_asked_for(frames):
    asked = []
    net = network()
    learned = net.learn_stream((asked.append(1) or frame for frame in frames[:6]), batch_size=3)
    assert [(next(learned).ndim, len(asked)) for _ in range(6)] == [(1, 3)] * 3 + [(1, 6)] * 3


def test_a_batch_needs_a_sample(frames):
    with pytest.raises(ConfigurationError, match="batch_size=0: expected a positive integer, or None"):
        hs.learn(network(), frames, batch_size=0, progress=False)
    with pytest.raises(ConfigurationError, match="batch_size=-1"):
        next(network().learn_stream(frames, batch_size=-1))
