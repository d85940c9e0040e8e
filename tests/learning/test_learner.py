import copy
import os
import signal
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from strategies import tiny_net

import hebbstream as hs
from hebbstream import errors
from hebbstream.streams import augment, windows


class Recorder:
    """A probe that notes the order of calls."""

    def __init__(self):
        self.calls = []

    def predict_one(self, x):
        self.calls.append("predict")
        return "cat"

    def learn_one(self, x, y):
        self.calls.append(y)


def frames(count):
    return [np.full((8, 8, 3), i % 256, dtype=np.uint8) for i in range(count)]


def test_the_probe_predicts_before_it_learns_and_is_scored():
    probe, steps = Recorder(), []
    stream = list(zip(frames(4), ["cat", "dog", None, "cat"], strict=True))
    report = hs.learn(tiny_net(), stream, probe, callbacks=[steps.append], progress=False)
    assert probe.calls == ["predict", "cat", "predict", "dog", "predict", "cat"]
    assert [step.prediction for step in steps] == ["cat", "cat", None, "cat"]
    assert [step.right for step in steps] == [True, False, None, True]
    assert report.accuracy == report.recent_accuracy == pytest.approx(2 / 3)
    assert report.samples == 4
    assert report.stopped == "end of stream"


def test_frames_pairs_and_samples_are_the_same_stream():
    def weights(stream):
        net = tiny_net()
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
    report = hs.learn(tiny_net(), endless(), limit=7, progress=False)
    assert (report.samples, report.stopped, len(taken)) == (7, "limit", 7)


def test_an_empty_stream_is_an_error():
    net = tiny_net()
    with pytest.raises(errors.EmptyStreamError, match="before its first sample"):
        hs.learn(net, [], progress=False)
    assert net.samples_seen == 0


def test_an_empty_stream_says_what_was_left_out():
    with pytest.raises(errors.EmptyStreamError, match=r"before its first sample \(2 left out\): expected"):
        hs.learn(tiny_net(), windows([float("nan")] * 4, 2), progress=False)


def test_a_label_that_cannot_be_a_class_is_refused_before_anything_changes():
    net = tiny_net()
    before = net.layers[0].weight.clone()
    with pytest.raises(errors.LabelError, match="label of type list"):
        hs.learn(net, [(frames(1)[0], ["a", "list"])], hs.SoftmaxProbe(), progress=False)
    assert torch.equal(net.layers[0].weight, before)


def test_checkpoints_are_written_on_the_way_and_at_the_end(tmp_path):
    path, positions = tmp_path / "run.safetensors", []

    def look(step):
        if path.exists():
            positions.append(hs.Learner.load(path).counters.position)

    hs.learn(tiny_net(), frames(10), checkpoint=hs.Checkpoint(path, every_samples=4), callbacks=[look], progress=False)
    assert positions == [4, 4, 4, 4, 8, 8]
    assert hs.Learner.load(path).counters.position == 10


@pytest.mark.parametrize("failure", ["stream", "frame", "function"])
def test_nothing_learned_is_lost_when_the_stream_fails(tmp_path, failure):
    def failing():
        yield from frames(3)
        if failure == "stream":
            raise ConnectionError("gone")
        yield np.full((8, 8, 3), np.nan, dtype=np.float32)

    path, net = tmp_path / "run.safetensors", tiny_net()
    refused = errors.NonFiniteError, "^sample 3, the first being 0: frame with NaN"
    error, match = (ConnectionError, "gone") if failure == "stream" else refused
    stream = augment(failing()) if failure == "function" else failing()
    with pytest.raises(error, match=match):
        hs.learn(net, stream, checkpoint=path, progress=False)
    saved = hs.Learner.load(path)
    assert saved.counters.position == saved.net.samples_seen == 3
    assert torch.equal(saved.net.layers[0].weight, net.layers[0].weight)


def test_a_run_that_learned_nothing_leaves_an_earlier_checkpoint_alone(tmp_path):
    path = tmp_path / "run.safetensors"
    hs.learn(tiny_net(), frames(3), checkpoint=path, progress=False)
    before = path.read_bytes()
    for stream, error in (([], errors.EmptyStreamError), ([np.zeros(3)], errors.RankError)):
        with pytest.raises(error):
            hs.learn(tiny_net(), stream, checkpoint=path, progress=False)
    assert path.read_bytes() == before


def test_numpy_labels_are_scored_and_saved(tmp_path):
    path = tmp_path / "run.safetensors"
    stream = zip(frames(6), np.array([0, 1, 1, 1, 1, 1]), strict=True)
    report = hs.learn(tiny_net(), stream, hs.SoftmaxProbe(), checkpoint=path, progress=False)
    saved = hs.Learner.load(path)
    assert saved.counters == report.counters
    assert saved.counters.scored == 5  # there is no prediction before the first label
    assert saved.probe.classes == [0, 1]


def test_a_probe_that_no_checkpoint_can_hold_is_refused_first(tmp_path):
    net = tiny_net()
    with pytest.raises(errors.ConfigurationError, match="checkpoint with a Recorder"):
        hs.learn(net, frames(3), Recorder(), checkpoint=tmp_path / "run", progress=False)
    assert net.samples_seen == 0


def test_a_signal_breaks_off_a_wait_for_a_stream_that_is_silent(tmp_path):
    def silent():
        yield from frames(3)
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        threading.Event().wait(60)
        yield from frames(3)

    path, began = tmp_path / "run.safetensors", time.monotonic()
    report = hs.learn(tiny_net(), silent(), checkpoint=path, progress=False)
    assert time.monotonic() - began < 10
    assert (report.stopped, report.samples) == ("interrupted", 3)
    assert hs.Learner.load(path).counters.position == 3


def test_a_signal_while_the_learned_part_is_passed_over_changes_nothing(tmp_path):
    def slow():
        os.kill(os.getpid(), signal.SIGTERM)
        yield from frames(5)

    learner = hs.Learner(tiny_net(), callbacks=[hs.Checkpoint(tmp_path / "run")])
    learner.counters.position = 3
    report = learner.learn(slow(), resume=True, progress=False)
    assert (report.stopped, report.samples, learner.net.samples_seen) == ("interrupted", 0, 0)
    assert not list(tmp_path.iterdir())


def test_a_second_ctrl_c_stops_at_once():
    def twice(step):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    with pytest.raises(KeyboardInterrupt):
        hs.learn(tiny_net(), frames(100), callbacks=[twice], progress=False)


def test_the_progress_bar_shows_speed_accuracy_and_what_has_turned(labelled, capsys, monkeypatch):
    monkeypatch.setattr("hebbstream.learning._progress._STATUS_SECONDS", 0.0)
    report = hs.learn(hs.SoftHebbNet.from_preset("cifar10", width=4), labelled[:50], hs.SoftmaxProbe())
    shown = capsys.readouterr().err
    assert "50/50" in shown
    assert "samples/s" in shown
    assert "accuracy" in shown
    assert "turned 0% / 0% / 0%" in shown
    assert "of the last 1,000" in str(report)
    assert "20 samples in 60.0 s (0.33 a second)" in str(replace(report, samples=20, seconds=60.0))


class Clock:
    """Seconds that pass as the test says."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_checkpoints_by_seconds_and_their_generations(tmp_path):
    path, clock, written = tmp_path / "run.safetensors", Clock(), []

    def slow():
        for frame in frames(6):
            clock.now += 3.0
            yield frame
            if path.exists():
                written.append(hs.Learner.load(path).counters.position)

    checkpoint = hs.Checkpoint(path, every_samples=None, every_seconds=5.0, kept=3)
    hs.Learner(tiny_net(), callbacks=[checkpoint], clock=clock).learn(slow(), progress=False)
    assert written == [2, 2, 4, 4, 6]
    kept = [path, *(path.with_name(f"run.safetensors.{number}") for number in (1, 2))]
    assert [hs.Learner.load(generation).counters.position for generation in kept] == [6, 4, 2]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_second_run_on_a_checkpoint_is_refused(tmp_path):
    path, second = tmp_path / "run.safetensors", tiny_net()

    def other(step):
        with pytest.raises(errors.OutputError, match="another run is writing to it") as caught:
            hs.learn(second, frames(1), checkpoint=path, progress=False)
        assert "\n" not in str(caught.value)

    hs.learn(tiny_net(), frames(2), checkpoint=path, callbacks=[other], progress=False)
    assert second.samples_seen == 0
    hs.learn(second, frames(1), checkpoint=path, progress=False)
    assert [found.name for found in sorted(tmp_path.iterdir())] == ["run.safetensors", "run.safetensors.1"]


def test_the_report_shows_how_a_run_stands():
    learner, seen = hs.Learner(tiny_net(), hs.SoftmaxProbe()), []
    assert learner.report is None
    learner.callbacks = (
        hs.Learner(tiny_net(), callbacks=[lambda _: seen.append(learner.report.samples)]).callbacks[0],
    )
    learner.learn(frames(3), progress=False)
    assert seen == [1, 2, 3]
    assert learner.report.stopped == "end of stream"
    assert "SoftHebbNet: 3 channels, 3 samples seen" in repr(learner)


def test_a_learner_goes_on_with_the_same_stream_or_reads_one_again():
    learner, stream = hs.Learner(tiny_net()), iter(frames(6))
    assert [learner.learn(stream, limit=2, progress=False).samples for _ in range(2)] == [2, 2]
    assert learner.learn(frames(6), resume=True, progress=False).samples == 2
    assert learner.counters.position == 6


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ((frames(1)[0], []), "sample 2, the first being 0: label of type list"),
        (hs.Sample(frames(1)[0], float("nan"), 7.5, "cam"), "sample 2 of cam at 7.500 s, the first being 0: label nan"),
        (hs.Sample(frames(1)[0], t="now"), "sample 2, the first being 0: sample with t='now'"),
    ],
)
def test_an_error_says_of_which_sample_a_label_or_a_time_is(item, message):
    with pytest.raises(errors.InputError, match=f"^{message}"):
        hs.learn(tiny_net(), [*frames(2), item], hs.SoftmaxProbe(), progress=False)


def test_a_report_stays_what_it_was():
    learner = hs.Learner(tiny_net())
    reports = [learner.learn(frames(3), progress=False) for _ in range(2)]
    assert [report.counters.position for report in reports] == [3, 6]


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
@pytest.mark.parametrize(
    ("item", "error"),
    [
        ((frames(1)[0], float("nan")), errors.LabelError),
        ((frames(1)[0], torch.ones(2)), errors.LabelError),
        ((frames(1)[0][:4], "a"), errors.ImageSizeError),
    ],
)
def test_a_sample_that_the_probe_refuses_is_not_learned_by_the_network(item, error, engine):
    net, probe = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3, engine=engine), hs.SoftmaxProbe()
    learner = hs.Learner(net, probe)
    with pytest.raises(error):
        learner.learn([(frames(1)[0], "a"), item], progress=False)
    assert net.samples_seen == probe.steps == learner.counters.position == 1


def test_frames_of_any_size_are_learned_where_no_label_asks_for_one():
    stream = [(frames(1)[0], "a"), frames(1)[0][:4], (frames(1)[0], "b")]
    assert hs.learn(tiny_net(), stream, hs.SoftmaxProbe(), progress=False).samples == 3


def test_a_copy_of_a_learner_goes_on_by_itself(tmp_path):
    learner = hs.Learner(tiny_net(), callbacks=[hs.Checkpoint(tmp_path / "run")])
    learner.learn(iter(frames(3)), progress=False)
    other = copy.deepcopy(learner)
    other.learn(frames(2), progress=False)
    assert (learner.counters.position, other.counters.position) == (3, 5)
