import os
import signal
import threading
import time

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors


class Recorder:
    """A probe that notes the order of calls."""

    def __init__(self):
        self.calls = []

    def predict_one(self, x):
        self.calls.append("predict")
        return "cat"

    def learn_one(self, x, y):
        self.calls.append(y)


def tiny():
    return hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)


def frames(count):
    return [np.full((8, 8, 3), i % 256, dtype=np.uint8) for i in range(count)]


def test_the_probe_predicts_before_it_learns_and_is_scored():
    probe = Recorder()
    stream = list(zip(frames(4), ["cat", "dog", None, "cat"], strict=True))
    report = hs.learn(tiny(), stream, probe, progress=False)
    assert probe.calls == ["predict", "cat", "predict", "dog", "predict", "cat"]
    assert report.accuracy == report.recent_accuracy == pytest.approx(2 / 3)
    assert report.samples == 4
    assert report.stopped == "end of stream"


def test_frames_pairs_and_samples_are_the_same_stream():
    def weights(stream):
        net = tiny()
        hs.learn(net, stream, progress=False)
        return net.layers[0].weight

    bare = frames(5)
    expected = weights(bare)
    assert torch.equal(weights([(x, "label") for x in bare]), expected)
    assert torch.equal(weights(hs.Sample(x, t=0.0) for x in bare), expected)


def test_a_limit_stops_an_endless_stream_without_taking_one_more():
    def endless():
        while True:
            taken.append(1)
            yield np.zeros((8, 8, 3), np.uint8)

    taken = []
    report = hs.learn(tiny(), endless(), limit=7, progress=False)
    assert (report.samples, report.stopped, len(taken)) == (7, "limit", 7)


def test_an_empty_stream_is_an_error():
    net = tiny()
    with pytest.raises(errors.EmptyStreamError, match="before its first sample"):
        hs.learn(net, [], progress=False)
    assert net.samples_seen == 0


def test_a_label_that_cannot_be_a_class_is_refused_before_anything_changes():
    net = tiny()
    before = net.layers[0].weight.clone()
    with pytest.raises(errors.LabelError, match="label of type list"):
        hs.learn(net, [(frames(1)[0], ["a", "list"])], hs.SoftmaxProbe(), progress=False)
    assert torch.equal(net.layers[0].weight, before)


def test_checkpoints_are_written_on_the_way_and_at_the_end(tmp_path):
    path, positions = tmp_path / "run.safetensors", []

    def look(step):
        if path.exists():
            positions.append(hs.load_checkpoint(path).counters.position)

    hs.learn(tiny(), frames(10), checkpoint=path, checkpoint_every=4, callbacks=[look], progress=False)
    assert positions == [4, 4, 4, 4, 8, 8]
    assert hs.load_checkpoint(path).counters.position == 10


@pytest.mark.parametrize("failure", ["stream", "frame"])
def test_nothing_learned_is_lost_when_the_stream_fails(tmp_path, failure):
    def failing():
        yield from frames(3)
        if failure == "stream":
            raise ConnectionError("gone")
        yield np.full((8, 8, 3), np.nan, dtype=np.float32)

    path, net = tmp_path / "run.safetensors", tiny()
    with pytest.raises(ConnectionError if failure == "stream" else errors.NonFiniteError):
        hs.learn(net, failing(), checkpoint=path, progress=False)
    saved = hs.load_checkpoint(path)
    assert saved.counters.position == saved.net.samples_seen == 3
    assert torch.equal(saved.net.layers[0].weight, net.layers[0].weight)


def test_a_run_that_learned_nothing_leaves_an_earlier_checkpoint_alone(tmp_path):
    path = tmp_path / "run.safetensors"
    hs.learn(tiny(), frames(3), checkpoint=path, progress=False)
    before = path.read_bytes()
    for stream, error in (([], errors.EmptyStreamError), ([np.zeros(3)], errors.RankError)):
        with pytest.raises(error):
            hs.learn(tiny(), stream, checkpoint=path, progress=False)
    assert path.read_bytes() == before


def test_numpy_labels_are_scored_and_saved(tmp_path):
    path = tmp_path / "run.safetensors"
    stream = zip(frames(6), np.array([0, 1, 1, 1, 1, 1]), strict=True)
    report = hs.learn(tiny(), stream, hs.SoftmaxProbe(), checkpoint=path, progress=False)
    saved = hs.load_checkpoint(path)
    assert saved.counters == report.counters
    assert saved.counters.scored == 6
    assert saved.probe.classes == [0, 1]


def test_an_unwritable_checkpoint_is_found_out_before_the_first_sample(tmp_path):
    net = tiny()
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path, tmp_path / "file" / "run.safetensors"):
        with pytest.raises(errors.OutputError, match="cannot write"):
            hs.learn(net, frames(3), checkpoint=path, progress=False)
    assert net.samples_seen == 0
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_probe_that_no_checkpoint_can_hold_is_refused_first(tmp_path):
    net = tiny()
    with pytest.raises(errors.ConfigurationError, match="checkpoint with a Recorder"):
        hs.learn(net, frames(3), Recorder(), checkpoint=tmp_path / "run", progress=False)
    assert net.samples_seen == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_sample_saves_and_returns(tmp_path, number):
    def interrupt(step):
        if step.index == 4:
            os.kill(os.getpid(), number)

    path = tmp_path / "run.safetensors"
    before = signal.getsignal(number)
    report = hs.learn(tiny(), frames(100), checkpoint=path, callbacks=[interrupt], progress=False)
    assert (report.stopped, report.samples) == ("interrupted", 5)
    assert hs.load_checkpoint(path).counters.position == 5
    assert signal.getsignal(number) is before


def test_a_signal_breaks_off_a_wait_for_a_stream_that_is_silent(tmp_path):
    def silent():
        yield from frames(3)
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        threading.Event().wait(60)
        yield from frames(3)

    path, began = tmp_path / "run.safetensors", time.monotonic()
    report = hs.learn(tiny(), silent(), checkpoint=path, progress=False)
    assert time.monotonic() - began < 10
    assert (report.stopped, report.samples) == ("interrupted", 3)
    assert hs.load_checkpoint(path).counters.position == 3


def test_a_signal_while_the_learned_part_is_passed_over_changes_nothing(tmp_path):
    def slow():
        os.kill(os.getpid(), signal.SIGTERM)
        yield from frames(5)

    path, net = tmp_path / "run.safetensors", tiny()
    report = hs.learn(net, slow(), checkpoint=path, counters=hs.Counters(position=3), progress=False)
    assert (report.stopped, report.samples, net.samples_seen) == ("interrupted", 0, 0)
    assert not path.exists()


def test_a_second_ctrl_c_stops_at_once():
    def twice(step):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        hs.learn(tiny(), frames(100), callbacks=[twice], progress=False)


def test_learning_works_outside_the_main_thread():
    reports = []
    thread = threading.Thread(target=lambda: reports.append(hs.learn(tiny(), frames(5), progress=False)))
    thread.start()
    thread.join()
    assert reports[0].samples == 5


def test_the_progress_bar_shows_speed_accuracy_and_r1(labelled, capsys, monkeypatch):
    monkeypatch.setattr("hebbstream.learning._learner._STATUS_SECONDS", 0.0)
    report = hs.learn(hs.SoftHebbNet.from_preset("cifar10", width=4), labelled[:50], hs.SoftmaxProbe())
    shown = capsys.readouterr().err
    assert "50/50" in shown
    assert "samples/s" in shown
    assert "accuracy" in shown
    assert "R1 0% / 0% / 0%" in shown
    assert "prequential accuracy" in str(report)


def test_checkpoints_by_seconds_and_their_generations(tmp_path):
    path, written = tmp_path / "run.safetensors", []

    class Note(hs.Callback):
        def on_checkpoint(self, saved):
            written.append((saved, hs.load_checkpoint(saved).counters.position))

    def slow():
        for frame in frames(6):
            time.sleep(0.03)
            yield frame

    hs.learn(
        tiny(),
        slow(),
        checkpoint=path,
        checkpoint_seconds=0.02,
        checkpoints_kept=3,
        callbacks=[Note()],
        progress=False,
    )
    assert written == [(path, position) for position in range(1, 7)]
    kept = [path, *(path.with_name(f"run.safetensors.{number}") for number in (1, 2))]
    assert [hs.load_checkpoint(generation).counters.position for generation in kept] == [6, 5, 4]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_callback_hears_of_start_and_end_even_of_an_error():
    heard = []

    class Note(hs.Callback):
        def on_start(self, learner):
            heard.append(("start", learner.net.samples_seen, learner.counters.position))

        def __call__(self, step):
            heard.append(step.index)

        def on_end(self, report):
            heard.append(("end", report.samples, report.stopped))

    def failing():
        yield from frames(2)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError):
        hs.learn(tiny(), failing(), callbacks=[Note()], progress=False)
    assert heard == [("start", 0, 0), 0, 1, ("end", 2, "ConnectionError: gone")]


def test_a_stream_may_pass_over_what_was_learned_in_its_own_way():
    class Camera:
        def __init__(self):
            self.passed = []

        def __iter__(self):
            return iter(frames(2))

        def fast_forward(self, count):
            self.passed.append(count)
            return count

    net, camera, counters = tiny(), Camera(), hs.Counters(position=1000)
    hs.learn(net, camera, counters=counters, progress=False)
    assert camera.passed == [1000]
    assert net.samples_seen == 2
    assert counters.position == 1002


@pytest.mark.parametrize(
    "option", [{"limit": 0}, {"checkpoint_every": 0}, {"checkpoint_seconds": 0}, {"checkpoints_kept": 0}]
)
def test_options_are_checked(option):
    with pytest.raises(errors.ConfigurationError, match="=0: expected"):
        hs.learn(tiny(), frames(1), progress=False, **option)
