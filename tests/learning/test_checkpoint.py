import copy
import errno
import fcntl
import json
import os
import signal
import threading
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from forge import contents, rewrite
from forked import processes
from safetensors.torch import save_file
from strategies import tiny_net

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.river import DriftMonitor
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label


def learn_clip(learner, limit, *, resume=False):
    with open_video(CLIP, size=32, label=clip_label()) as frames:
        learner.learn(frames, resume=resume, limit=limit, progress=False)


def go_on(path, position):
    learner = hs.Learner.load(path, callbacks=[hs.Checkpoint(path)])
    assert learner.counters.position == position
    learn_clip(learner, 60 - position, resume=True)


@pytest.fixture
def learned(labelled):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=8, seed=5), hs.SoftmaxProbe())
    learner.learn(labelled[:20], progress=False)
    return learner


@pytest.mark.parametrize("position", [1, 23])
@pytest.mark.parametrize("normalization", ["stream", "batch"])
def test_a_run_resumed_in_a_new_process_is_bit_identical(tmp_path, position, normalization):
    def start(path):
        net = hs.SoftHebbNet.from_preset("cifar10", width=8, normalization=normalization)
        return hs.Learner(net, hs.SoftmaxProbe(), callbacks=[hs.Checkpoint(path)])

    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    learn_clip(start(whole), 60)
    learn_clip(start(parts), position)
    process = processes.Process(target=go_on, args=(parts, position))
    process.start()
    process.join()
    assert process.exitcode == 0

    expected_header, expected = contents(whole)
    header, tensors = contents(parts)
    assert header == expected_header
    assert header["counters"]["position"] == header["counters"]["scored"] + 1 == 60  # none before the first label
    assert tensors["network/tensors/_extra_state"].tolist() == [60, 32, 32]
    assert tensors.keys() == expected.keys()
    assert {"probe/tensors/weight", "probe/tensors/losses", "network/tensors/_layers.2.norm.var"} <= tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name


def test_a_checkpoint_keeps_labels_of_every_kind_it_can_and_refuses_others(tmp_path):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=2), hs.SoftmaxProbe()
    features = torch.ones(3)
    for label in ("a", 3, 2.5, True):
        probe.learn_one(features, label)
    hs.Learner(net, probe).save(tmp_path / "x")
    assert [(type(c), c) for c in hs.Learner.load(tmp_path / "x").probe.classes] == [
        (str, "a"),
        (int, 3),
        (float, 2.5),
        (bool, True),
    ]
    probe.learn_one(features, ("a", "tuple"))
    before = (tmp_path / "x").read_bytes()
    with pytest.raises(errors.LabelError, match="tuple"):
        hs.Learner(net, probe).save(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == before


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1000] ^= 4
    path.write_bytes(content)


def tamper(path):
    """Change a number of the header without the checksum."""
    header, tensors = contents(path)
    header["counters"]["position"] += 1
    save_file(tensors, path, metadata={"hebbstream": json.dumps(header)})


def nest(path, depth):
    save_file({}, path, metadata={"hebbstream": '{"format": 2, "crc32": 0, "x": ' + "[" * depth + "]" * depth + "}"})


LAYER = "network/tensors/_layers.1"


def layers(header):
    return header["network"]["config"]["layers"]


DAMAGE = {
    "truncated": truncate,
    "bit flip": flip_a_bit,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint " * 100),
    "other safetensors": lambda path: save_file({"a": torch.ones(2)}, path),
    "missing tensor": lambda path: rewrite(path, lambda h, t: t.pop(f"{LAYER}.weight_matrix")),
    "wrong shape": lambda path: rewrite(path, lambda h, t: t.update({f"{LAYER}.weight_matrix": torch.ones(2)})),
    "wrong dtype": lambda path: rewrite(path, lambda h, t: t.update({f"{LAYER}.opening": torch.ones(2).double()})),
    "one tensor more": lambda path: rewrite(path, lambda h, t: t.update({f"{LAYER}.more": torch.ones(2)})),
    "tensor in the way": lambda path: rewrite(path, lambda h, t: t.update({"network": torch.ones(2)})),
    "more layers than tensors": lambda path: rewrite(path, lambda h, t: layers(h).append(layers(h)[-1])),
    "huge layer": lambda path: rewrite(path, lambda h, t: layers(h)[0].update(channels=10**9)),
    "unknown field": lambda path: rewrite(path, lambda h, t: layers(h)[0].update(kernel=3)),
    "probe without weights": lambda path: rewrite(path, lambda h, t: t.pop("probe/tensors/weight")),
    "probe of other classes": lambda path: rewrite(path, lambda h, t: h["probe"]["classes"].append(["str", "x"])),
    "probe of another kind": lambda path: rewrite(path, lambda h, t: h["probe"].update(solver="svm")),
    "no layers": lambda path: rewrite(path, lambda h, t: h["network"]["config"].pop("layers")),
    "no network": lambda path: rewrite(path, lambda h, t: h.pop("network")),
    "counters of another kind": lambda path: rewrite(path, lambda h, t: h.update(counters=[1])),
    "counters that are no numbers": lambda path: rewrite(path, lambda h, t: h["counters"].update(position="x")),
    "a recording of fewer samples than none": lambda path: rewrite(path, lambda h, t: h.update(recordings={"a": -5})),
    "a recording of more than 64 bits": lambda path: rewrite(path, lambda h, t: h.update(recordings={"a": 10**30})),
    "more counted than 64 bits": lambda path: rewrite(path, lambda h, t: h["counters"].update(correct=10**40)),
    "a seed that is none": lambda path: rewrite(path, lambda h, t: h["network"]["config"].update(seed="x")),
    "fewer samples than none": lambda path: rewrite(
        path, lambda h, t: t.update({"network/tensors/_extra_state": torch.tensor([-40, 28, 28])})
    ),
    "no header": lambda path: rewrite(path, lambda h, t: h.clear()),
    "tampered header": tamper,
    "deeply nested header": lambda path: nest(path, 100_000),
    "header nested as deep as can be read": lambda path: nest(path, 900),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_checkpoint_is_refused_in_one_line(tmp_path, learned, damage):
    path = tmp_path / "run.safetensors"
    learned.save(path)
    DAMAGE[damage](path)
    with pytest.raises((errors.CorruptCheckpointError, errors.CheckpointVersionError)) as caught:
        hs.Learner.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_checkpoint_of_another_version_is_refused(tmp_path, learned):
    path = tmp_path / "run.safetensors"
    learned.save(path)
    rewrite(path, lambda h, t: h.update(format=99, version="9.9"))
    with pytest.raises(errors.CheckpointVersionError, match=r"format 99 \(hebbstream 9.9\).*reads formats 1 to 2"):
        hs.load(path)


def test_an_unwritable_output_is_reported_and_leaves_nothing_behind(tmp_path, learned):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path, tmp_path / "file" / "run.safetensors"):
        with pytest.raises(errors.OutputError, match="cannot write"):
            learned.save(path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file"]


def test_a_reader_never_sees_half_of_a_checkpoint(tmp_path, learned):
    path = tmp_path / "run.safetensors"
    learned.save(path)
    whole = path.read_bytes()
    with path.open("rb") as reader:  # opened before the next write, read after it
        learned.net.learn_one(torch.rand(3, 32, 32))
        learned.save(path)
        assert reader.read() == whole
    assert path.read_bytes() != whole


def test_a_failed_write_keeps_the_last_checkpoint(tmp_path, learned, monkeypatch):
    path = tmp_path / "run.safetensors"
    learned.save(path)
    before = path.read_bytes()
    learned.net.learn_one(torch.rand(3, 32, 32))

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(errors.OutputError, match="No space left"):
        learned.save(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_checkpoint_of_the_first_format_has_its_replay_and_what_callbacks_know():
    """Written by the version before format 2; what it gives is for `test_formats`."""
    monitor = DriftMonitor()
    path = Path(__file__).parents[1] / "data" / "format-1.safetensors"
    learner = hs.Learner.load(path, callbacks=[monitor])
    assert len(learner.replay) == 8
    assert len(monitor.state_dict()["watches"]["0"]["readings"]) == 8
    assert (learner.net.seed, learner.net.preset, learner.net.frame_size) == (3, "cifar10", (16, 16))


def test_the_umask_says_who_may_read_and_a_link_stays_a_link(tmp_path, learned):
    before = os.umask(0o027)
    try:
        learned.save(tmp_path / "real.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "real.safetensors").stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to("real.safetensors")
    learned.net.learn_one(torch.rand(3, 32, 32))
    hs.learn(learned.net, torch.rand(2, 3, 32, 32), checkpoint=tmp_path / "link", progress=False)
    assert (tmp_path / "link").is_symlink()
    assert hs.load(tmp_path / "real.safetensors").samples_seen == learned.net.samples_seen
    assert hs.load(tmp_path / "link.1").samples_seen == 20


def test_a_tilde_is_the_home_folder(tmp_path, learned, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    learned.save("~/run.safetensors")
    assert (tmp_path / "run.safetensors").is_file()
    assert hs.load("~/run.safetensors").samples_seen == hs.Learner.load("~/run.safetensors").net.samples_seen == 20
    hs.learn(learned.net, torch.rand(2, 3, 32, 32), checkpoint="~/run.safetensors", progress=False)
    assert hs.load(tmp_path / "run.safetensors").samples_seen == 22


def test_what_was_loaded_is_not_a_view_of_the_file(tmp_path, labelled):
    path, replay = tmp_path / "run.safetensors", hs.Replay(8, every_samples=4)
    hs.learn(
        hs.SoftHebbNet.from_preset("cifar10", width=4),
        labelled[:20],
        hs.SoftmaxProbe(),
        replay=replay,
        checkpoint=path,
        progress=False,
    )
    loaded = hs.Learner.load(path)
    kept = loaded.replay.state_dict()["tensors"]["frames"].clone()
    with path.open("r+b") as file:
        file.truncate(10)
    assert torch.equal(loaded.replay.state_dict()["tensors"]["frames"], kept)
    loaded.learn(labelled[20:30], progress=False)


def test_state_dicts_of_torch_go_on_exactly_too(tmp_path, labelled):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    hs.learn(net, labelled[:20], progress=False)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    again = hs.SoftHebbNet.from_preset("cifar10", width=4, seed=9)
    again.load_state_dict(torch.load(tmp_path / "net.pt", weights_only=True))
    for sample in labelled[20:25]:
        assert torch.equal(net.learn_one(sample.x), again.learn_one(sample.x))
    assert (again.samples_seen, again.frame_size) == (25, (32, 32))


class Pupil(hs.Callback):
    """Knows more at the end of a run, and reads what no file of it has."""

    ended = False

    def on_end(self, learner):
        self.ended = True

    def state_dict(self):
        return {"ended": self.ended}

    def load_state_dict(self, state):
        self.ended = state["begun"]


@pytest.mark.parametrize("limit", [10, 11])
def test_the_last_checkpoint_has_what_callbacks_did_at_the_end(tmp_path, limit):
    checkpoint = hs.Checkpoint(tmp_path / "run", every_samples=5, kept=3)
    hs.learn(tiny_net(), torch.rand(20, 3, 8, 8), limit=limit, callbacks=[Pupil(), checkpoint], progress=False)
    assert contents(tmp_path / "run")[0]["callbacks"]["Pupil"] == {"ended": True}
    kept = [hs.Learner.load(path).counters.position for path in sorted(tmp_path.iterdir())]
    assert kept == [10, 5] if limit == 10 else [11, 10, 5]


@pytest.mark.parametrize(
    ("callbacks", "error"),
    [
        ([Pupil()], KeyError),
        ([5], errors.ConfigurationError),
        (hs.Checkpoint("run"), errors.ConfigurationError),
    ],
)
def test_what_is_wrong_with_callbacks_is_no_damage_of_the_file(tmp_path, callbacks, error):
    hs.learn(tiny_net(), torch.rand(3, 3, 8, 8), checkpoint=tmp_path / "run", callbacks=[Pupil()], progress=False)
    with pytest.raises(error) as caught:
        hs.Learner.load(tmp_path / "run", callbacks=callbacks)
    assert not isinstance(caught.value, errors.CheckpointError)


def test_callbacks_may_be_made_as_they_are_asked_for(tmp_path):
    hs.learn(
        tiny_net(), torch.rand(3, 3, 8, 8), checkpoint=hs.Checkpoint(tmp_path / "run", every_samples=2), progress=False
    )
    truncate(tmp_path / "run")
    assert len(hs.Learner.load(tmp_path / "run", callbacks=(print for _ in range(2))).callbacks) == 2


@pytest.mark.parametrize("label", [("a", 1), signal.SIGINT, date(2020, 1, 1), b"a", np.datetime64("2020-01-01")])
def test_a_label_that_no_checkpoint_can_hold_is_refused_before_anything_changes(tmp_path, label):
    net, replay = tiny_net(), hs.Replay(4)
    stream = [(frame, label) for frame in torch.rand(3, 3, 8, 8)]
    with pytest.raises(errors.LabelError, match="a checkpoint holds"):
        hs.learn(net, stream, hs.SoftmaxProbe(), replay=replay, checkpoint=tmp_path / "run", progress=False)
    assert net.samples_seen == len(replay) == 0
    assert hs.learn(net, stream, checkpoint=tmp_path / "run", progress=False).samples == 3  # nobody learns it


def test_whoever_claims_a_checkpoint_may_let_another_thread_learn(tmp_path):
    checkpoint, reports = hs.Checkpoint(tmp_path / "run"), []
    checkpoint.claim()
    learn = partial(hs.learn, tiny_net(), torch.rand(3, 3, 8, 8), checkpoint=checkpoint, progress=False)
    thread = threading.Thread(target=lambda: reports.append(learn()))
    thread.start()
    thread.join()
    assert reports[0].samples == 3
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_link_and_its_file_are_one_checkpoint(tmp_path, learned):
    learned.save(tmp_path / "run")
    (tmp_path / "link").symlink_to("run")
    one, other = hs.Checkpoint(tmp_path / "run"), hs.Checkpoint(tmp_path / "link")
    for first, second in ((one, other), (other, one)):
        first.claim()
        with pytest.raises(errors.OutputError, match="another run is writing to it"):
            second.claim()
        first.release()


@pytest.mark.skipif(os.name != "posix", reason="links need a permission elsewhere")
def test_a_link_in_the_place_of_the_lock_leads_to_no_file_that_is_emptied(tmp_path):
    (tmp_path / "letter").write_text("precious")
    (tmp_path / ".run.safetensors.lock").symlink_to("letter")
    with pytest.raises(errors.OutputError, match="cannot lock"):
        hs.Checkpoint(tmp_path / "run.safetensors").claim()
    assert (tmp_path / "letter").read_text() == "precious"


@pytest.mark.parametrize("refusal", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError("no flock")])
def test_where_files_cannot_be_locked_is_said_and_leaves_nothing_behind(tmp_path, monkeypatch, refusal):
    def refuse(*arguments):
        raise refusal

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(errors.OutputError, match=r"cannot lock .*run: (No locks available|no flock)"):
        hs.Checkpoint(tmp_path / "run").claim()
    assert list(tmp_path.iterdir()) == []


def test_whoever_lets_go_leaves_the_claim_of_another_on_a_new_folder_of_that_name(tmp_path):
    folder = tmp_path / "runs"
    one, two, three = (hs.Checkpoint(folder / "run") for _ in range(3))
    one.claim()
    folder.rename(tmp_path / "old")
    two.claim()
    one.release()
    with pytest.raises(errors.OutputError, match="another run is writing to it"):
        three.claim()
    two.release()
    assert list(folder.iterdir()) == []


def test_a_checkpoint_stays_where_the_working_folder_was(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    callbacks = [lambda step: os.chdir(tmp_path / "other")]
    report = hs.learn(tiny_net(), torch.rand(3, 3, 8, 8), checkpoint="run", callbacks=callbacks, progress=False)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["other", "run"]
    assert report.checkpoint == tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    assert hs.learn(tiny_net(), torch.rand(3, 3, 8, 8), checkpoint="run", progress=False).checkpoint == Path("run")


def test_a_copy_of_a_checkpoint_holds_no_claim(tmp_path):
    checkpoint = hs.Checkpoint(tmp_path / "run")
    checkpoint.claim()
    other = copy.deepcopy(checkpoint)
    with pytest.raises(errors.OutputError, match="another run is writing to it"):
        other.claim()
    checkpoint.release()
    other.claim()
    other.release()


def test_what_a_killed_run_left_half_written_is_removed(tmp_path):
    mine, others = tmp_path / ".run.0a1b2c3d.part", tmp_path / ".run.safetensors.0a1b2c3d.part"
    for path in (mine, others):
        path.write_bytes(b"half")
    checkpoint = hs.Checkpoint(tmp_path / "run")
    checkpoint.claim()
    checkpoint.release()
    assert list(tmp_path.iterdir()) == [others]


class Census(hs.Callback):
    """Keeps what no file can hold, from its first sample on."""

    def __init__(self):
        self.seen = set()

    def on_step(self, learner, step):
        self.seen.add(step.index)

    def state_dict(self):
        return {"seen": self.seen} if self.seen else {}

    def load_state_dict(self, state):
        self.seen = state["seen"]


def test_state_of_a_callback_that_cannot_be_saved_is_told_after_one_sample(tmp_path):
    net, census = tiny_net(), Census()
    with pytest.raises(errors.ConfigurationError, match=r"^state callbacks/Census/seen: set is no JSON term; expected"):
        hs.learn(net, torch.rand(9, 3, 8, 8), checkpoint=tmp_path / "run", callbacks=[census], progress=False)
    assert census.seen == {0}
    assert not (tmp_path / "run").exists()
