"""Signals that end a run, and one that does not."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import hebbstream as hs
from hebbstream.learning._interruption import Interruption, StopWaiting


@pytest.fixture(params=["eager", "pipelined"])
def net(request):
    engine = {"eager": hs.EagerEngine, "pipelined": hs.PipelinedEngine}[request.param]()
    return hs.SoftHebbNet([hs.LayerSpec(channels=4), hs.LayerSpec(channels=8)], 3, engine=engine)


@pytest.fixture(autouse=True)
def _hangs_up():
    """Let the tests run under nohup, too."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, previous)


def frames(count):
    return [np.full((8, 8, 3), i % 256, dtype=np.uint8) for i in range(count)]


def send(number):
    os.kill(os.getpid(), number)


def at(index, *numbers):
    return lambda step: step.index == index and [send(number) for number in numbers]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_ends_a_run_saves_first(tmp_path, net, number):
    before, path = signal.getsignal(number), tmp_path / "run"
    report = hs.learn(net, frames(100), checkpoint=path, callbacks=[at(4, number)], progress=False)
    assert report.stopped == "interrupted"
    assert report.samples in ([5] if isinstance(net.engine, hs.EagerEngine) else range(5, 10))
    assert report.samples == net.samples_seen == hs.Learner.load(path).counters.position
    assert signal.getsignal(number) is before


def test_hanging_up_twice_is_hanging_up(tmp_path, net):
    at_once = at(4, signal.SIGHUP, signal.SIGHUP)
    assert hs.learn(net, frames(100), checkpoint=tmp_path / "run", callbacks=[at_once], progress=False).samples < 10
    with pytest.raises(KeyboardInterrupt):
        hs.learn(net, frames(100), callbacks=[at(4, signal.SIGHUP, signal.SIGINT)], progress=False)


@pytest.mark.parametrize("own", ["ignored", "handled"])
def test_nohup_and_a_handler_of_the_user_are_respected(net, own):
    got = []
    handlers = {"ignored": signal.SIG_IGN, "handled": lambda number, frame: got.append(number)}
    previous = signal.signal(signal.SIGHUP, handlers[own])
    asked = signal.signal(signal.SIGUSR1, lambda number, frame: got.append(number))
    try:
        numbers = signal.SIGHUP, signal.SIGUSR1
        report = hs.learn(net, frames(20), callbacks=[at(4, *numbers)], progress=False)
    finally:
        signal.signal(signal.SIGHUP, previous)
        signal.signal(signal.SIGUSR1, asked)
    assert (report.stopped, report.samples) == ("end of stream", 20)
    assert got == [number for number in numbers if own == "handled" or number == signal.SIGUSR1]


class Watched(hs.Checkpoint):
    """Notes where it saves."""

    def __init__(self, path):
        super().__init__(path, every_samples=15)
        self.saved = []

    def on_signal(self, learner):
        super().on_signal(learner)
        self.saved.append((learner.counters.position, hs.Learner.load(self.path).counters.position))


def test_sigusr1_saves_and_the_run_goes_on_as_if_nothing_had_been(tmp_path, net):
    checkpoint, before = Watched(tmp_path / "run"), signal.getsignal(signal.SIGUSR1)
    asked = [at(index, signal.SIGUSR1) for index in (3, 7, 14, 19)]
    report = hs.learn(net, frames(20), checkpoint=checkpoint, callbacks=asked, progress=False)
    assert (report.stopped, report.samples) == ("end of stream", 20)
    assert len(checkpoint.saved) == 4
    assert all(asked <= now == saved for asked, (now, saved) in zip((4, 8, 15, 20), checkpoint.saved, strict=True))
    quiet = hs.SoftHebbNet([layer.spec for layer in net.layers], 3, engine=net.engine)
    hs.learn(quiet, frames(20), progress=False)
    assert all((one.weight == other.weight).all() for one, other in zip(net.layers, quiet.layers, strict=True))
    assert signal.getsignal(signal.SIGUSR1) is before


def test_sigusr1_saves_while_the_stream_is_silent(tmp_path):
    net, go_on, found = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), threading.Event(), []
    checkpoint = Watched(tmp_path / "run")

    def ask():
        time.sleep(0.2)
        send(signal.SIGUSR1)
        deadline = time.monotonic() + 20
        while not checkpoint.saved and time.monotonic() < deadline:
            time.sleep(0.01)
        found.extend(checkpoint.saved)
        go_on.set()

    def silent():
        yield from frames(3)
        threading.Thread(target=ask).start()
        go_on.wait(60)
        yield from frames(2)

    report = hs.learn(net, silent(), checkpoint=checkpoint, progress=False)
    assert found == [(3, 3)]
    assert (report.stopped, report.samples) == ("end of stream", 5)


def test_a_save_that_signals_come_upon_is_finished():
    begun, finished = [], []

    def save():
        handler.to_save = False
        begun.append(0)
        handler.on_signal(signal.SIGUSR1, None)
        handler.on_signal(signal.SIGTERM, None)
        finished.append(0)

    handler = Interruption(save)
    with handler.waiting(), pytest.raises(StopWaiting):
        handler.on_signal(signal.SIGUSR1, None)
    assert len(begun) == len(finished) == 1
    assert handler.requested
    assert handler.to_save  # once more


def test_sigusr1_with_nothing_to_save_is_no_error(net):
    assert hs.learn(net, frames(9), callbacks=[at(4, signal.SIGUSR1)], progress=False).samples == 9


@pytest.mark.parametrize("where", ["step", "probe", "replay"])
def test_what_a_second_signal_leaves_half_learned_is_not_saved(tmp_path, monkeypatch, where):
    net, probe = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3), hs.SoftmaxProbe()
    place = {"step": (net.engine, "learn"), "probe": (probe, "learn_one"), "replay": (probe, "learn_many")}[where]
    learn = getattr(*place)

    def broken_off(*arguments):
        found = learn(*arguments)
        if net.samples_seen == 8:
            send(signal.SIGTERM)
            send(signal.SIGINT)
            time.sleep(1)
        return found

    monkeypatch.setattr(*place, broken_off)
    stream, checkpoint = [(x, "a") for x in frames(9)], hs.Checkpoint(tmp_path / "run", every_samples=5)
    replay = hs.Replay(9, every_samples=4)
    with pytest.raises(KeyboardInterrupt):
        hs.learn(net, stream, probe, replay=replay, checkpoint=checkpoint, progress=False)
    assert hs.Learner.load(tmp_path / "run").counters.position == 5


def test_nor_is_what_an_error_of_the_network_leaves_so(tmp_path, monkeypatch):
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    monkeypatch.setattr(net.engine, "learn", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        hs.learn(net, frames(3), checkpoint=tmp_path / "run", progress=False)
    assert not list(tmp_path.iterdir())


def test_a_second_signal_that_somebody_catches_ends_the_run_in_good_order(tmp_path):
    def swallow(step):
        if step.index == 5:
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    report = hs.learn(
        net, np.zeros((20, 8, 8, 3), np.uint8), callbacks=[swallow], checkpoint=tmp_path / "run", progress=False
    )
    assert (report.stopped, report.samples) == ("interrupted", 6)
    assert hs.Learner.load(tmp_path / "run").counters.position == 6
