"""A network that several threads use, while one of them lets it learn."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from strategies import assert_same_state, state, tiny_net
from waiting import waiting

import hebbstream as hs
from hebbstream.errors import ConfigurationError

THREADS, STEPS = 4, 20


class Slow(hs.EagerEngine):
    """Notes how many threads are in a step."""

    def __init__(self):
        super().__init__()
        self.within, self.most = 0, 0

    def learn(self, layers, frames):
        self.within += 1
        self.most = max(self.most, self.within)
        threading.Event().wait(0.001)  # lets others try
        features = super().learn(layers, frames)
        self.within -= 1
        return features


def in_threads(call):
    threads = [threading.Thread(target=call) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("way", ["learn_one", "learn_stream"])
def test_threads_that_learn_at_the_same_time_learn_all_steps_one_after_another(frames, way):
    found, expected = tiny_net(engine=Slow()), tiny_net()

    def learn():
        if way == "learn_one":
            for _ in range(STEPS):
                found.learn_one(frames[0])
        else:
            list(found.learn_stream([frames[0]] * STEPS))

    in_threads(learn)
    for _ in range(THREADS * STEPS):  # of one frame: their order does not matter
        expected.learn_one(frames[0])
    assert found.engine.most == 1
    assert found.samples_seen == THREADS * STEPS
    assert_same_state(state(found), state(expected))


def test_a_source_that_waits_keeps_nobody_from_his_turn(frames):
    net, asked = tiny_net(), []

    def slow():
        yield frames[0]
        thread = threading.Thread(target=lambda: asked.append(net.learn_one(frames[1])))
        thread.start()
        thread.join(10)
        yield frames[2]

    assert len(list(net.learn_stream(slow()))) == 2
    assert len(asked) == 1


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda net, folder: net.save(folder / "net.safetensors"), id="save"),
        pytest.param(lambda net, folder: hs.Learner(net).save(folder / "run.safetensors"), id="save a learner"),
        pytest.param(lambda net, folder: copy.deepcopy(net), id="copy"),
        pytest.param(lambda net, folder: net.reopen_plasticity(), id="reopen"),
        pytest.param(lambda net, folder: net._learn_from(net._forward_one(np.zeros((8, 8, 3), np.uint8))), id="later"),
    ],
)
def test_what_needs_a_network_of_one_time_waits_for_the_end_of_a_step(call, tmp_path):
    net = tiny_net()
    with waiting(net._turns, lambda: call(net, tmp_path)) as found:
        pass
    assert not isinstance(found[0], Exception)


def test_features_do_not_wait(frames):
    net, found = tiny_net(), []
    with net._turns.lock:
        thread = threading.Thread(target=lambda: found.append(net.transform_one(frames[0])))
        thread.start()
        thread.join(30)
        assert len(found) == 1


@pytest.mark.parametrize(
    ("call", "doing"),
    [
        (lambda net, folder: net.save(folder / "net.safetensors"), "save"),
        (lambda net, folder: copy.deepcopy(net), "copy"),
        (lambda net, folder: net.learn_one(np.zeros((8, 8, 3), np.uint8)), "learn"),
        (lambda net, folder: list(net.learn_stream(np.zeros((2, 8, 8, 3), np.uint8))), "learn"),
    ],
)
def test_while_samples_overlap_a_network_is_of_no_one_time(frames, call, doing, tmp_path):
    net = tiny_net(engine="pipelined")
    learned = net.learn_stream(frames[:3])
    next(learned)
    with pytest.raises(ConfigurationError, match=f"{doing} while samples are under way in a pipeline"):
        call(net, tmp_path)
    assert len(list(learned)) == 2
    assert not list(tmp_path.iterdir())
    call(net, tmp_path)
    assert net.samples_seen >= 3


def unpickled(thing):
    return pickle.loads(pickle.dumps(thing))  # noqa: S301  # our own


@pytest.mark.parametrize("again", [copy.deepcopy, unpickled])
def test_a_copy_that_is_made_in_inference_mode_learns_outside_it(frames, again):
    net = hs.SoftHebbNet.from_preset("motion", width=4)
    net.learn_one(frames[0])
    with torch.inference_mode():
        twin = again(net)
    for frame in frames[1:4]:
        assert torch.equal(twin.learn_one(frame), net.learn_one(frame))
    assert_same_state(state(twin), state(net))


def test_a_copy_of_a_network_and_of_what_names_it_are_one():
    net, named = copy.deepcopy([net := tiny_net(), {"net": net}])
    assert named["net"] is net


def test_a_pipeline_that_waits_for_its_first_frame_keeps_nobody_from_saving(frames, tmp_path):
    net = tiny_net(engine="pipelined")

    def source():
        net.save(tmp_path / "net.safetensors")  # as at SIGUSR1
        yield frames[0]

    assert len(list(net.learn_stream(source()))) == 1
    assert hs.load(tmp_path / "net.safetensors").samples_seen == 0
