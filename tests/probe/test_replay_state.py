"""`Replay` as a state and in a checkpoint."""

import json

import pytest
import torch
from forge import rewrite
from probes import assert_equal_probes, assert_equal_states
from replays import filled, kept, learned, numbered

import hebbstream as hs
from hebbstream import errors


@pytest.mark.parametrize("stop", [3, 37])
def test_a_run_goes_on_from_a_checkpoint_bit_for_bit(tmp_path, labelled, stop):
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    options = {"capacity": 12, "per_sample": 2, "weight": 0.4, "every_samples": 8}
    learned(labelled[:60], hs.Replay(**options), checkpoint=hs.Checkpoint(whole, every_samples=10))
    learned(labelled[:60], hs.Replay(**options), checkpoint=parts, limit=stop)
    saved = hs.Learner.load(parts, callbacks=[hs.Checkpoint(parts, every_samples=10)])
    assert saved.replay.options() == hs.Replay(**options).options()
    saved.learn(labelled[:60], resume=True, progress=False)
    first, second = hs.Learner.load(whole), hs.Learner.load(parts)
    assert_equal_probes(first.probe, second.probe)
    assert_equal_states(first.replay.state_dict(), second.replay.state_dict())
    for one, other in zip(first.net.layers, second.net.layers, strict=True):
        assert torch.equal(one.weight, other.weight)


def test_a_checkpoint_without_replay_has_none(tmp_path, labelled):
    path = tmp_path / "run.safetensors"
    learned(labelled[:3], None, checkpoint=path)
    assert hs.Learner.load(path).replay is None


def json_and_back(state):
    return json.loads(json.dumps({**state, "tensors": None})) | {"tensors": state["tensors"]}


def too_many(state, tensors):
    tensors["frames"] = torch.cat([tensors["frames"]] * 9)
    tensors["places"] = torch.arange(len(tensors["frames"]))
    state["kept"][0] += len(tensors["frames"]) // 9 * 8
    state["came"][0] = 999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, t: t["places"].__setitem__(0, t["places"][1]), "20 frames: expected a place for each"),
        (too_many, "180 frames: expected a place for each, and at most 20"),
        (lambda s, t: t.pop("frames"), "without 'frames'"),
        (lambda s, t: t.pop("places"), "without 'places'"),
        (lambda s, t: t.update(arrived=t["arrived"][1:]), "19 numbers of arrival: expected one for each of 20 frames"),
        (lambda s, t: t.update(places=None), "NoneType"),
        (lambda s, t: t.clear(), "0 frames"),
        (lambda s, t: s["kept"].__setitem__(0, 9), "20 frames"),
        (lambda s, t: s["kept"].__setitem__(slice(None), [-1, 14, 7]), "expected|must be"),
        (lambda s, t: s["kept"].append(0), "longer"),
        (lambda s, t: s["full"].pop(), "shorter"),
        (lambda s, t: s["came"].__setitem__(0, 1), r"expected at most the \[1, "),
        (lambda s, t: s["came"].__setitem__(0, "1"), "str"),
        (lambda s, t: s["classes"].__setitem__(0, ["str", "b"]), "expected each of them once"),
        (lambda s, t: s["random"].update(bit_generator="unknown"), "PCG64"),
        (lambda s, t: s.pop("random"), "without 'random'"),
        (lambda s, t: s.update(waiting=None), "NoneType"),
        (lambda s, t: s["options"].update(per_sample=0), "per_sample=0: expected a positive integer"),
        (lambda s, t: s["options"].update(unknown=0), "unknown"),
        (lambda s, t: s.pop("options"), "without 'options'"),
    ],
)
def test_a_state_that_does_not_fit_together_is_refused(change, message):
    state = filled("abc" * 30, capacity=20).state_dict()
    change(state, state["tensors"])
    with pytest.raises(ValueError, match=message) as caught:
        hs.Replay.from_state(state)
    assert str(caught.value).startswith("state of a replay")


def test_a_checkpoint_that_does_not_fit_together_is_refused(tmp_path, labelled):
    path = tmp_path / "run.safetensors"
    learned(labelled[:30], hs.Replay(capacity=20), checkpoint=path)
    rewrite(path, lambda _, tensors: tensors.pop("replay/tensors/frames"))
    with pytest.raises(errors.CorruptCheckpointError):
        hs.Learner.load(path)


def test_what_is_saved_is_all_there_is():
    memory = filled("a" * 20 + "b" * 20 + "c" * 20, capacity=10)
    other = hs.Replay.from_state(json_and_back(memory.state_dict()))
    assert_equal_states(other.state_dict(), memory.state_dict())
    for number in range(60):
        memory.add(numbered(number), "abc"[number % 3])
        other.add(numbered(number), "abc"[number % 3])
    assert_equal_states(other.state_dict(), memory.state_dict())


def test_a_memory_without_frames_is_saved_and_goes_on():
    other = hs.Replay.from_state(json_and_back(hs.Replay(3, seed=2).state_dict()))
    other.add(torch.ones(2, 2), "a")
    assert repr(other) == "Replay(capacity=3, seed=2, frames=1, classes=1)"


def test_frames_are_copied_out_of_a_state():
    state = filled("ab").state_dict()
    memory = hs.Replay.from_state(state)
    state["tensors"]["frames"].fill_(9)
    assert kept(memory) == [0, 1]


def test_labels_that_no_file_holds_are_not_saved():
    with pytest.raises(errors.LabelError, match="str, int, float and bool"):
        filled([("a", 1)]).state_dict()


def test_frames_of_an_earlier_file_come_in_the_order_of_their_places():
    state = filled("abcab", capacity=20).state_dict()
    del state["tensors"]["arrived"]
    assert hs.Replay.from_state(state).kept()[1] == list("abcab")


def test_one_of_a_file_from_when_none_was_a_seed_goes_on():
    memory = hs.Replay(capacity=4)
    for value in range(9):
        memory.add(torch.full((1, 1, 1), float(value)), value % 2)
    state = memory.state_dict()
    state["options"]["seed"] = None
    again = hs.Replay.from_state(state)
    assert torch.equal(again.draw(20)[0], memory.draw(20)[0])
