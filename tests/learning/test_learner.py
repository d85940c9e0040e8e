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


class Note(hs.Callback):
    """Notes what it hears, and raises where it is told to."""

    every_samples = 2

    def __init__(self, fails=""):
        self.heard, self.fails = [], fails

    def note(self, what, *more):
        self.heard.append((what, *more))
        if what == self.fails:
            raise ZeroDivisionError(what)

    def on_start(self, learner):
        self.note("start", learner.counters.position)

    def on_step(self, learner, step):
        self.note("step", step.index)

    def on_pause(self, learner):
        self.note("pause", learner.counters.position)

    def on_end(self, learner):
        self.note("end", learner.report.samples, learner.report.stopped)


def test_a_callback_hears_of_start_and_end_even_of_an_error():
    def failing():
        yield from frames(3)
        raise ConnectionError("gone")

    note = Note()
    with pytest.raises(ConnectionError):
        hs.learn(tiny_net(), failing(), callbacks=[note], progress=False)
    steps = [("step", 0), ("step", 1), ("pause", 2), ("step", 2)]
    assert note.heard == [("start", 0), *steps, ("end", 3, "ConnectionError: gone")]


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
@pytest.mark.parametrize(("fails", "learned"), [("start", 0), ("step", 1), ("pause", 2), ("end", 5)])
def test_a_callback_that_raises_loses_nothing_learned(tmp_path, fails, learned, engine):
    path, net = tmp_path / "run.safetensors", hs.SoftHebbNet([hs.LayerSpec(channels=4)] * 2, 3, engine=engine)
    note, failing = Note(), Note(fails)
    stream = [(x, "label") for x in frames(5)]
    with pytest.raises(ZeroDivisionError, match=fails):
        hs.learn(net, stream, hs.SoftmaxProbe(), checkpoint=path, callbacks=[note, failing], progress=False)
    assert note.heard[-1][0] == "end"
    if fails == "start":
        assert not path.exists()
        return
    saved = hs.Learner.load(path)
    # Samples under way in a pipeline are learned to their end, by the probe, too.
    assert saved.counters.position == saved.net.samples_seen == saved.probe.steps == net.samples_seen >= learned
    assert torch.equal(saved.net.layers[1].weight, net.layers[1].weight)
    report = saved.learn(stream, resume=True, progress=False) if net.samples_seen < 5 else None
    whole = hs.SoftHebbNet([hs.LayerSpec(channels=4)] * 2, 3)
    hs.learn(whole, stream, progress=False)
    assert report is None or torch.equal(saved.net.layers[1].weight, whole.layers[1].weight)


@pytest.mark.parametrize("callback", [3, None, hs.Callback, "path"])
def test_what_is_no_callback_is_refused(callback):
    with pytest.raises(errors.ConfigurationError, match="expected a Callback"):
        hs.Learner(tiny_net(), callbacks=[callback])


def test_what_a_callback_knows_goes_on_by_its_kind(tmp_path):
    class Count(hs.Callback):
        def __init__(self):
            self.seen = torch.zeros(())

        def on_step(self, learner, step):
            self.seen += 1

        def state_dict(self):
            return {"seen": self.seen, "more": {"name": "count"}}

        def load_state_dict(self, state):
            assert state["more"] == {"name": "count"}
            self.seen = state["seen"]

    path, counts = tmp_path / "run.safetensors", [Count(), Count()]
    counts[1].seen += 10
    hs.learn(tiny_net(), frames(3), checkpoint=path, callbacks=counts, progress=False)
    again = [Count(), Count()]
    hs.Learner.load(path, callbacks=again)
    assert [float(count.seen) for count in again] == [3, 13]
    hs.Learner.load(path).save(path)  # a learner without them keeps what they know
    hs.Learner.load(path, callbacks=again[:1])
    assert float(again[0].seen) == 3
    learner, late = hs.Learner.load(path), Count()
    learner.callbacks = (late,)  # set later: what the file has is not lost
    learner.learn(frames(4), resume=True, progress=False)
    assert float(late.seen) == 4


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


class Raises(hs.Callback):
    """Raises something of its own, from its 4th sample on."""

    every_samples = 4

    def __init__(self, where, error):
        for name in ("on_sample", "on_step", "on_pause", "on_end"):
            if name.endswith(where):
                setattr(self, name, self.fail)
        self.error = error

    def fail(self, learner, *_):
        if learner.counters.position >= 4:
            raise self.error


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("where", ["sample", "step", "pause", "end"])
def test_nor_does_one_that_leaves_the_program(tmp_path, where, error, engine):
    net, probe, note = hs.SoftHebbNet([hs.LayerSpec(channels=4)] * 2, 3, engine=engine), hs.SoftmaxProbe(), Note()
    callbacks, stream = [Raises(where, error), note], [(x, "label") for x in frames(9)]
    with pytest.raises(error):
        hs.learn(net, stream, probe, checkpoint=tmp_path / "run", callbacks=callbacks, progress=False)
    saved = hs.Learner.load(tmp_path / "run")
    assert saved.counters.position == saved.net.samples_seen == saved.probe.steps == net.samples_seen >= 4
    assert note.heard[-1][0] == "end"
    assert len([step for step in note.heard if step[0] == "step"]) >= saved.counters.position - (where == "step") * 4
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".lock")] == []


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_callbacks_see_all_samples_that_are_learned_before_one_is_refused(engine):
    net, note = hs.SoftHebbNet([hs.LayerSpec(channels=4)] * 2, 3, engine=engine), Note()
    with pytest.raises(errors.LabelError):
        hs.learn(net, [*frames(3), (frames(1)[0], [])], callbacks=[note], progress=False)
    assert [index for what, index, *_ in note.heard if what == "step"] == [0, 1, 2]


def test_what_a_callback_fails_to_do_at_the_end_is_told_beside_the_error_that_ended_the_run(tmp_path, caplog):
    """Else nobody would know that what was learned is not saved."""

    def fail(step):
        (tmp_path / "disk").rename(tmp_path / "gone")
        (tmp_path / "disk").touch()  # no folder any more
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hs.learn(tiny_net(), frames(3), callbacks=[fail], checkpoint=tmp_path / "disk" / "run", progress=False)
    (record,) = (record for record in caplog.records if record.name == "hebbstream.learning")
    assert "Checkpoint('" in record.message
    assert "failed at the end of the run: OutputError: cannot write " in record.message


@pytest.mark.parametrize("left", [0, -3])
def test_a_callback_that_is_due_too_often_does_not_stop_the_stream(left):
    class Hasty(hs.Callback):
        pauses = 0

        def samples_left(self, position):
            return left

        def is_due(self, position):
            return True

        def on_pause(self, learner):
            self.pauses += 1
            assert self.pauses < 9

    hasty = Hasty()
    assert hs.learn(tiny_net(), frames(3), callbacks=[hasty], progress=False).samples == hasty.pauses == 3


def test_what_a_callback_would_save_and_never_read_is_refused_first():
    class Forgets(hs.Callback):
        def state_dict(self):
            return {"seen": 1}

    with pytest.raises(errors.ConfigurationError, match=r"Forgets\(\) with state_dict alone: expected load_state_dict"):
        hs.Learner(tiny_net(), callbacks=[Forgets()])


@pytest.mark.parametrize("where", ["callback", "stream"])
def test_an_error_of_a_class_of_ones_own_comes_as_it_was_raised(where):
    class TooDark(errors.InputError):
        def __init__(self, least, found):
            super().__init__(f"{found}: expected {least}")

    class Refuses(hs.Callback):
        def on_sample(self, learner, sample):
            raise TooDark(1, 0)

    def failing():
        yield frames(1)[0]
        raise TooDark(1, 0)

    stream, callbacks = (frames(1), [Refuses()]) if where == "callback" else (failing(), [])
    with pytest.raises(TooDark, match=r"^0: expected 1$"):
        hs.learn(tiny_net(), stream, callbacks=callbacks, progress=False)


class Keeps(hs.Callback):
    """Has something to save, and reads something else."""

    def __init__(self, state):
        self.state = state

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state["more"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (torch.ones(2), "state of Keeps: Tensor; expected a dict, empty for nothing"),
        ([1], "state of Keeps: list; expected a dict"),
        ({"a": torch.eye(2).to_sparse()}, r"state callbacks/Keeps/a: sparse tensor; expected a dense one"),
    ],
)
def test_what_no_checkpoint_can_keep_of_a_callback_is_refused_after_one_sample(tmp_path, state, message):
    net = tiny_net()
    with pytest.raises(errors.ConfigurationError, match=message):
        hs.learn(net, frames(3), callbacks=[Keeps(state)], checkpoint=tmp_path / "run", progress=False)
    assert net.samples_seen == 1


def test_an_error_of_a_callback_that_reads_its_state_says_of_which_and_keeps_it(tmp_path):
    hs.learn(tiny_net(), frames(1), callbacks=[Keeps({"seen": 1})], checkpoint=tmp_path / "run", progress=False)
    with pytest.raises(KeyError, match="more") as caught:
        hs.Learner.load(tmp_path / "run", callbacks=[Keeps({})])
    assert caught.value.__notes__ == ["as Keeps() read what the checkpoint keeps of a Keeps"]


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


def test_learning_within_a_run_of_the_same_learner_is_refused():
    learner = hs.Learner(tiny_net(), callbacks=[lambda step: learner.learn(frames(1), progress=False)])
    with pytest.raises(errors.ConfigurationError, match="learn within a run"):
        learner.learn(frames(3), progress=False)
    assert learner.counters.position == 1
    learner.callbacks = ()
    assert learner.learn(frames(3), progress=False).samples == 3


@pytest.mark.parametrize(("engine", "batch_size"), [("pipelined", 1), ("eager", 4)])
def test_what_is_of_no_one_time_is_not_saved(tmp_path, engine, batch_size):
    def save(step):
        if not learner.is_whole:
            learner.save(tmp_path / "run")

    learner = hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)] * 2, 3, engine=engine), callbacks=[save])
    with pytest.raises(errors.ConfigurationError, match="samples are under way: expected it in on_pause"):
        learner.learn(frames(8), batch_size=batch_size, progress=False)
    assert not list(tmp_path.iterdir())
    assert learner.is_whole
    learner.save(tmp_path / "run")


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
