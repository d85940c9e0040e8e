"""Callbacks: what they hear, what of theirs is saved, and that none loses what was learned."""

import numpy as np
import pytest
import torch
from strategies import tiny_net

import hebbstream as hs
from hebbstream import errors


def frames(count):
    return [np.full((8, 8, 3), i % 256, dtype=np.uint8) for i in range(count)]


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
def test_one_that_leaves_the_program_loses_nothing_either(tmp_path, where, error, engine):
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
