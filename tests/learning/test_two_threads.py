"""A learner that several threads use."""

import copy
import pickle
import threading
import time

import numpy as np
import pytest
from strategies import tiny_net
from waiting import elsewhere, waiting

import hebbstream as hs
from hebbstream.errors import ConfigurationError, OutputError


def frames(count):
    return [np.full((8, 8, 3), number, np.uint8) for number in range(count)]


def labelled(count):
    return [(frame, "ab"[number % 2]) for number, frame in enumerate(frames(count))]


def test_another_thread_saves_where_the_source_keeps_a_run_waiting(tmp_path):
    path, found = tmp_path / "run.safetensors", []
    learner = hs.Learner(tiny_net())

    def slow():
        for number, frame in enumerate(frames(3)):
            assert elsewhere(lambda: learner.save(path)) is None
            found.append(hs.Learner.load(path).counters.position)
            assert found[-1] == number
            yield frame

    learner.learn(slow(), progress=False)
    assert found == [0, 1, 2]


def test_a_sample_that_comes_while_another_thread_saves_is_learned_afterwards():
    learner, held, came = hs.Learner(tiny_net()), threading.Event(), threading.Event()

    def save():
        with learner._turns.lock:  # as long as it writes
            held.set()
            came.wait()
            time.sleep(0.1)
            positions.append(learner.net.samples_seen)

    def source():
        saving.start()
        held.wait()
        came.set()
        yield frames(1)[0]

    positions, saving = [], threading.Thread(target=save)
    learner.learn(source(), progress=False)
    saving.join()
    assert positions == [0]
    assert learner.counters.position == 1


def test_what_a_silent_source_has_taught_is_saved_while_the_run_waits(tmp_path):
    path, deadline = tmp_path / "run.safetensors", time.monotonic() + 20
    checkpoint = hs.Checkpoint(path, every_seconds=0.01)
    parts = {"probe": hs.SoftmaxProbe(), "replay": hs.Replay()}
    learner = hs.Learner(tiny_net(), **parts, callbacks=[checkpoint], clock=lambda: 0.0)  # with a frame, nothing is due

    def camera():
        yield from labelled(3)
        while not (path.exists() and hs.Learner.load(path).counters.position == 3) and time.monotonic() < deadline:
            time.sleep(0.001)

    learner.learn(camera(), progress=False)
    assert time.monotonic() < deadline
    assert not [thread.name for thread in threading.enumerate() if thread.name == "hebbstream-checkpoint"]


def test_a_disk_that_is_full_while_a_source_is_silent_is_told_and_tried_again(tmp_path, monkeypatch, caplog):
    path, deadline = tmp_path / "run.safetensors", time.monotonic() + 20
    learner, save, tried = hs.Learner(tiny_net(), callbacks=[hs.Checkpoint(path, every_seconds=0.01)]), None, []

    def full(path):
        tried.append(path)
        if len(tried) < 3:
            raise OutputError(f"cannot write {path}: No space left on device")
        save(path)

    def camera():
        yield from frames(1)
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.001)

    save = learner.save
    monkeypatch.setattr(learner, "save", full)
    assert learner.learn(camera(), progress=False).samples == 1
    assert time.monotonic() < deadline
    assert caplog.text.count("learning goes on, the last good checkpoint is kept") == 2


def test_another_thread_cannot_save_between_two_samples(tmp_path):
    found = []
    path = tmp_path / "run.safetensors"
    learner = hs.Learner(tiny_net(), callbacks=[lambda step: found.append(elsewhere(lambda: learner.save(path)))])
    learner.learn(frames(3), progress=False)
    assert all("save while samples are under way" in str(error) for error in found)
    assert len(found) == 3
    assert not path.exists()
    assert elsewhere(lambda: learner.save(path)) is None


@pytest.mark.parametrize("copied", [copy.deepcopy, pickle.dumps])
def test_another_thread_cannot_copy_a_learner_between_two_samples(copied):
    found = []
    learner = hs.Learner(tiny_net(), callbacks=[lambda step: found.append(elsewhere(lambda: copied(learner)))])
    learner.learn(frames(2), progress=False)
    assert ["copy while samples are under way" in str(error) for error in found] == [True, True]


def test_a_copy_of_a_learner_is_of_one_time():
    learner = hs.Learner(tiny_net(), hs.SldaProbe(), replay=hs.Replay(4))

    def slow():
        for number, sample in enumerate(labelled(3)):
            twin = elsewhere(lambda: copy.deepcopy(learner))
            assert twin.net.samples_seen == twin.counters.position == sum(twin.replay.came.values()) == number
            yield sample

    learner.learn(slow(), progress=False)
    with waiting(learner.probe._turns, lambda: copy.deepcopy(learner)) as copied:  # as if it were taught
        pass
    assert copied[0].counters.position == 3


def test_of_two_threads_that_begin_to_learn_at_the_same_time_one_is_refused():
    errors, threads = [], []

    def source():
        if threading.current_thread() is not threads[0]:
            threads[0].join(60)  # however late it begins, it meets a run
        yield from frames(5)

    def learn():
        try:
            learner.learn(source(), progress=False)
        except ConfigurationError as error:
            errors.append(error)

    def clock():
        if not threads:  # asked while a run is made
            threads.append(threading.Thread(target=learn))
            threads[0].start()
            threads[0].join(0.2)
        return 0.0

    learner = hs.Learner(tiny_net(), clock=clock)
    learn()
    assert len(errors) == 1
    assert "learn within a run of this learner" in str(errors[0])
    assert learner.counters.position == 5


@pytest.mark.parametrize("kind", [hs.SoftmaxProbe, hs.SldaProbe])
def test_a_probe_is_fitted_anew_while_another_thread_teaches_a_new_class(kind, monkeypatch):
    learner = hs.Learner(tiny_net(), kind(), replay=hs.Replay(20))
    learner.learn(labelled(20), progress=False)
    transform = learner.net.transform_many

    def meanwhile(x):
        features = transform(x)
        learner.probe.learn_one(features[0], "new")
        return features

    monkeypatch.setattr(learner.net, "transform_many", meanwhile)
    assert set(learner.refit_probe(progress=False).classes) == {"a", "b"}


@pytest.mark.parametrize("times", [{"captured": "10:30"}, {"captured": 1j}, {"t": "0.5"}])
def test_a_time_that_is_no_number_is_refused_before_anything_is_learned(times):
    learner = hs.Learner(tiny_net())
    samples = [hs.Sample(frame) for frame in frames(2)] + [hs.Sample(frames(1)[0], **times)]
    with pytest.raises(hs.HebbstreamError, match="expected a number of seconds, or None"):
        learner.learn(samples, progress=False)
    assert learner.is_whole
    assert learner.net.samples_seen == learner.counters.position == 2


def test_a_checkpoint_of_a_run_under_way_is_not_shared_with_another_learner(tmp_path):
    checkpoint = hs.Checkpoint(tmp_path / "run.safetensors", every_samples=1)
    first, second = (hs.Learner(tiny_net(), callbacks=[checkpoint]) for _ in range(2))

    def source():
        for frame in frames(3):
            with pytest.raises(OutputError, match="another run is writing to it"):
                second.learn(frames(2), progress=False)
            yield frame

    first.learn(source(), progress=False)
    assert hs.Learner.load(checkpoint.path).counters.position == 3
    assert second.counters.position == 0
    second.learn(frames(2), progress=False)  # one after another they may
    assert hs.Learner.load(checkpoint.path).counters.position == 2
