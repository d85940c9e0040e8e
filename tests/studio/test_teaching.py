"""What is taught, taken back, kept and found again."""

import io
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from forked import processes
from studio_bench import SMALL, Bench, pictures, teach_and_wait

import hebbstream as hs
from hebbstream.adapters.shards import open_shards
from hebbstream.errors import ConfigurationError, HebbstreamError, ImageSizeError, InputError, LabelError, OutputError
from hebbstream.probe._solvers import SOLVERS
from hebbstream.studio import _export
from hebbstream.studio._actions import act
from hebbstream.studio._board import Board
from hebbstream.studio._examples import Examples, checked_name
from hebbstream.studio._keeper import Keeper
from hebbstream.studio._novelty import Novelty
from hebbstream.studio._picture import scaled
from hebbstream.studio._settings import Settings
from hebbstream.studio._state import state_of
from hebbstream.studio._taught import Taught


def sums(probe):
    found = {name: tensor.clone() for name, tensor in probe.state_dict()["tensors"].items()}
    return {name: tensor for name, tensor in found.items() if name not in ("solution", "pending", "newest")}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("solver", ["ridge", "slda", "gradient"])
@pytest.mark.parametrize("removed", [0, 7, 23])
def test_unlearning_gives_the_probe_that_was_never_taught_it(solver, removed):
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(24, 700, generator=generator)
    frame = np.zeros((4, 4, 3), np.uint8)
    probe, never = Settings(solver=solver).probe(), Settings(solver=solver).probe()
    examples = Examples()
    for index, row in enumerate(rows):
        label = "cup" if index % 3 else "book"
        probe.learn_one(row, label)
        examples.add(label, frame, row)
        if index != removed:
            never.learn_one(row, label)
    assert not same(sums(probe), sums(never))
    examples.remove([removed + 1])
    left = examples.learned(probe)
    assert left.classes == never.classes
    assert same(sums(left), sums(never))


def test_removing_an_example_of_a_session_unlearns_it(bench):
    bench.teach(6)
    examples = list(bench.session.examples)
    never = bench.session.settings.probe()
    for example in examples[:2] + examples[3:]:
        never.learn_one(example.features, example.label)
    bench.do("learn", on=False)
    bench.do("remove", examples=[examples[2].number])
    assert same(sums(bench.session.probe), sums(never))
    with pytest.raises(LabelError, match="example 999"):
        bench.do("remove", examples=[examples[0].number, 999])
    assert len(bench.session.examples) == 11


def test_two_taught_classes_are_told_apart_and_measured_before_they_are_learned(bench):
    for seed in range(3):
        bench.teach(20, seed=seed)
    session = bench.session
    assert session.score.verdict(session.examples.classes)["enough"]
    right = 0
    for kind in ("across", "down"):
        for picture in pictures(kind, 10, seed=9):
            bench.show(picture)
            right += session.board.seen[0].label == kind
    assert right >= 19
    assert session.learner.probe.steps == 120 > session.learner.counters.scored > 0  # it abstains at first
    assert sum(session.examples.counts().values()) == 120


def test_while_learning_is_paused_classes_are_taught_and_the_network_stays(bench):
    bench.show(*pictures("down", 5))
    bench.do("learn", on=False)
    before = bench.session.net.layers[0].weight_matrix.clone()
    bench.teach(8)
    assert torch.equal(bench.session.net.layers[0].weight_matrix, before)
    assert bench.session.net.samples_seen == 5
    assert bench.session.examples.counts() == {"across": 8, "down": 8}
    assert 16 > bench.session.learner.counters.scored > 0  # it abstains at first


def test_classes_are_renamed_merged_and_forgotten(bench):
    bench.teach(5)
    bench.show(*pictures("down", 3, seed=2), label="stripes")
    bench.do("rename", name="stripes", to="down")
    assert bench.session.examples.counts() == {"across": 5, "down": 8}
    bench.do("rename", name="across", to="lying")
    assert bench.session.examples.classes == ["lying", "down"]
    assert sorted(map(str, bench.session.probe.classes)) == ["down", "lying"]
    assert bench.session.board.seen[0].label == "down"
    bench.do("forget", name="down")
    assert bench.session.probe.classes == ["lying"]
    assert bench.session.probe.steps == 5
    assert bench.session.board.seen[0].probabilities == {"lying": 1.0}  # though nothing new was shown
    assert bench.session.board.seen[0].label == "lying"
    for message, complaint in (
        ({"do": "rename", "name": "none", "to": "x"}, "expected one of 'lying'"),
        ({"do": "rename", "name": "lying", "to": " "}, "expected a name"),
        ({"do": "add-class", "name": "lying"}, "is there already"),
        ({"do": "hold", "label": "none", "source": 0}, "expected one of"),
        ({"do": "hold", "label": "lying", "source": 9}, "source 9"),
    ):
        with pytest.raises(HebbstreamError, match=complaint):
            bench.do(message.pop("do"), **message)


@pytest.mark.parametrize("name", ["👨\u200d👩\u200d👧", "café\xa0au lait", "constructor"])
def test_a_name_may_have_any_character_but_controls(name):
    assert checked_name(name) == name
    with pytest.raises(LabelError, match="without control characters"):
        checked_name(f"{name}\n{name}")


def test_below_the_confidence_nothing_is_said(bench):
    bench.teach(8)
    bench.do("confidence", value=1.0)
    bench.show(*pictures("down", 1, seed=5))
    assert bench.session.board.seen[0].label is None
    assert bench.session.board.seen[0].probabilities
    bench.do("confidence", value=0)
    bench.show(*pictures("down", 1, seed=6))
    assert bench.session.board.seen[0].label == "down"


def test_a_key_whose_release_is_lost_ends_by_itself(bench):
    bench.do("add-class", name="cup")
    bench.do("hold", label="cup", source=0, seconds=0.05)
    bench.show(*pictures("down", 1))
    time.sleep(0.1)
    bench.show(*pictures("down", 3))
    assert bench.session.held is None
    assert len(bench.session.examples) <= 1


def test_a_key_that_is_held_for_a_source_that_shows_nothing_ends_by_itself(bench):
    bench.do("add-class", name="cup")
    bench.do("hold", label="cup", source=0, seconds=0.05)
    until = time.monotonic() + 10
    while bench.session.held is not None:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("message", [{"do": "hold", "label": "cup", "source": 0}, {"do": "label", "label": "book"}])
def test_nothing_is_taught_from_a_source_that_is_turned_off(bench, message):
    bench.do("add-class", name="cup")
    bench.do("switch", source=0, on=False)
    with pytest.raises(InputError, match="source 0 is turned off"):
        bench.within(lambda: act(bench.session, message))
    assert bench.session.held is None
    assert bench.session.examples.classes == ["cup"]


def test_memory_is_bounded(bench):
    bench.session.examples.capacity = 4
    bench.show(*pictures("down", 9), label="down")
    assert len(bench.session.examples) == 4
    assert bench.session.probe.steps == 4
    with pytest.raises(ConfigurationError, match="4 examples are kept"):
        bench.do("hold", label="down", source=0)


def test_preset_and_width_change_before_the_start_only(bench):
    with pytest.raises(ConfigurationError, match="width=0"):
        bench.do("configure", preset="cifar10", width=0)
    bench.do("configure", preset="cifar10")
    bench.do("configure", width=8)
    assert bench.session.net.preset == "cifar10"
    bench.do("configure", preset="video")
    assert bench.session.net.preset == "video"
    assert bench.session.net.layers[0].spec.channels == 8
    bench.show(*pictures("down", 2))
    assert bench.session.net.samples_seen == 2
    with pytest.raises(ConfigurationError, match="has learned"):
        bench.do("configure", preset="cifar10", width=4)


def test_another_width_keeps_the_confidence_and_what_an_opened_checkpoint_needs(bench):
    bench.do("learn", on=False)
    bench.do("confidence", value=0.8)
    bench.do("configure", width=8)
    assert bench.session.probe.min_confidence == 0.8
    with_base(bench, "ridge", ("dots", "spots"))
    with pytest.raises(ConfigurationError, match="classes were taught"):
        bench.do("configure", width=16)
    assert not bench.within(lambda: state_of(bench.session))["network"]["can_change"]
    bench.teach(1)
    assert bench.session.failure == ""


def test_the_width_changes_with_a_preset_that_the_page_does_not_offer(tmp_path):
    bench = Bench(tmp_path, replace(SMALL, preset="imagenet160"))
    try:
        bench.do("configure", width=8)
        assert bench.session.net.layers[0].spec.channels == 8
        with pytest.raises(ConfigurationError, match="one of those on the page"):
            bench.do("configure", preset="imagenet160")
    finally:
        bench.close()


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2000, 3)])
def test_a_run_whose_frames_are_too_small_is_refused(tmp_path, size):
    keeper = Keeper(tmp_path)
    with keeper, pytest.raises(ImageSizeError, match="too small"):
        Taught(keeper, replace(SMALL, size=size))


def test_a_preset_for_frames_of_another_size_is_refused_before_anything_changes(tmp_path):
    bench = Bench(tmp_path, replace(SMALL, size=(8, 8)))
    try:
        net = bench.session.net
        with pytest.raises(ConfigurationError, match=r"frames of \(28, 28\): expected \(8, 8\)"):
            bench.do("configure", preset="mnist-dense")
        assert bench.session.net is net
        assert bench.session.settings.preset == "cifar10"
    finally:
        bench.close()


def test_a_checkpoint_that_was_taught_frames_of_another_size_is_refused(bench):
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    other = hs.Learner(net, hs.RidgeProbe())
    other.probe.learn_one(net.transform_one(np.zeros((64, 64, 3), np.uint8)), "dots")
    before = bench.session.net
    with pytest.raises(ConfigurationError, match="probe of 4,096 features: expected 1,024"):
        bench.within(lambda: bench.session.open(other))
    assert bench.session.net is before


def test_a_run_goes_on_where_it_was(tmp_path):
    first = Bench(tmp_path)
    first.teach(6)
    first.close()
    second = Bench(tmp_path)
    try:
        assert second.session.net.samples_seen == 12
        assert second.session.examples.counts() == {"across": 6, "down": 6}
        assert torch.equal(second.session.net.layers[0].weight_matrix, first.session.net.layers[0].weight_matrix)
        before, after = ([example.frame for example in bench.session.examples] for bench in (first, second))
        assert all(map(np.array_equal, before, after))
        second.show(*pictures("down", 1, seed=4))
        assert second.session.board.seen[0].label == "down"
        with pytest.raises(OutputError, match="another run is writing"):
            Bench(tmp_path)
    finally:
        second.close()


def test_a_killed_run_loses_at_most_the_last_second(tmp_path):
    taught = processes.Event()
    process = processes.Process(target=teach_and_wait, args=(tmp_path, taught))
    process.start()
    assert taught.wait(60)
    process.kill()
    process.join()
    again = Bench(tmp_path)
    try:
        counts = again.session.examples.counts()
        assert counts["across"] == 5
        assert counts["down"] >= 5  # the last two may be among them
        assert again.session.probe.steps == sum(counts.values())
    finally:
        again.close()


def test_what_cannot_be_written_is_said_and_tried_again(bench, monkeypatch):
    bench.teach(3)

    def full(*args):
        raise OutputError("cannot write: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench.session.learner, "save", full)
        patch.setattr(bench.keeper.store, "flush", full)
        with pytest.raises(ConfigurationError, match="No space left"):
            bench.do("save")
        bench.teach(2)
        assert "No space left" in bench.keeper.trouble
    bench.do("save")
    assert bench.keeper.trouble == ""
    assert sum(1 for _ in bench.within(lambda: list(bench.keeper.store.read()))) == 10


def test_of_a_last_save_each_part_is_tried(bench, monkeypatch):
    bench.teach(2)

    def broken():
        raise RuntimeError("nobody has foreseen this")

    monkeypatch.setattr(bench.keeper.store, "flush", broken)
    with pytest.raises(RuntimeError):
        bench.keeper.keep(bench.session.learner, bench.session.changes, now=True)
    assert hs.Learner.load(bench.keeper.checkpoint).counters.position == 4


def test_a_run_that_ends_without_its_checkpoint_says_so(tmp_path, monkeypatch):
    bench = Bench(tmp_path)
    bench.teach(2)

    def full(*args):
        raise OutputError("cannot write run.safetensors: No space left on device")

    monkeypatch.setattr(bench.session.learner, "save", full)
    with pytest.raises(OutputError, match=r"run\.safetensors: No space left"):
        bench.close()
    again = Bench(tmp_path)  # the folder was let go, and what could be written is there
    assert again.session.examples.counts() == {"across": 2, "down": 2}
    again.close()


def test_a_name_that_no_file_can_hold_is_said_as_all_that_cannot_be_written(bench):
    bench.within(lambda: bench.session.examples.classes.append("caf\udce9"))
    bench.within(lambda: bench.keeper.agree(bench.session.examples))
    with pytest.raises(ConfigurationError, match=r"cannot write .*examples\.sqlite"):
        bench.do("save")
    bench.within(lambda: bench.session.examples.classes.clear())


def test_learn_goes_on_from_the_checkpoint_bit_for_bit(bench, tmp_path):
    bench.teach(6)
    bench.do("learn", on=False)
    path = tmp_path / "taken.safetensors"
    path.write_bytes(bench.within(lambda: _export.checkpoint(bench.session)))
    loaded, more = hs.Learner.load(path), [(scaled(one, (32, 32)), "down") for one in pictures("down", 10, seed=3)]
    here = bench.session.learner
    bench.session.close()
    here.callbacks = ()
    loaded.learn(more, progress=False)
    here.learn(more, progress=False)
    assert loaded.counters == here.counters
    assert same(sums(loaded.probe), sums(here.probe))
    assert all(
        torch.equal(a.weight_matrix, b.weight_matrix) for a, b in zip(loaded.net.layers, here.net.layers, strict=True)
    )


def test_the_examples_are_a_shard_that_learn_reads(bench, tmp_path):
    with pytest.raises(ConfigurationError, match="no examples"):
        bench.within(lambda: _export.examples(bench.session))
    bench.teach(4)
    path = tmp_path / "examples.tar"
    path.write_bytes(bench.within(lambda: _export.examples(bench.session)))
    read = list(open_shards(path))
    assert [sample.y for sample in read] == ["across"] * 4 + ["down"] * 4
    assert all(
        np.array_equal(sample.x, example.frame) for sample, example in zip(read, bench.session.examples, strict=True)
    )


def test_the_onnx_model_says_what_the_session_says(bench):
    onnxruntime = pytest.importorskip("onnxruntime")
    bench.teach(10)
    model = onnxruntime.InferenceSession(bench.within(lambda: _export.onnx_model(bench.session)))
    bench.do("learn", on=False)
    bench.do("confidence", value=0)
    for kind in ("across", "down"):
        for picture in pictures(kind, 5, seed=4):
            bench.show(picture)
            seen = bench.session.board.seen[0]
            (shares,) = model.run(["probabilities"], {"frames": seen.frame[None]})[0]
            assert bench.session.probe.classes[int(shares.argmax())] == seen.label


def test_the_checkpoint_has_the_probe_of_the_model(bench, tmp_path):
    bench.teach(3)
    bench.show(*pictures("down", 8, seed=5))  # features move
    path = tmp_path / "taken.safetensors"
    path.write_bytes(bench.within(lambda: _export.checkpoint(bench.session)))
    bench.within(lambda: _export.onnx_model(bench.session))
    assert same(sums(hs.Learner.load(path).probe), sums(bench.session.probe))


def test_the_zip_holds_the_page_and_its_model(bench):
    import zipfile

    bench.teach(3)
    with zipfile.ZipFile(io.BytesIO(bench.within(lambda: _export.browser_page(bench.session)))) as archive:
        names = set(archive.namelist())
    assert {"hebbstream-browser/index.html", "hebbstream-browser/models/net.json"} <= names
    assert any(name.endswith(".onnx") for name in names)
    assert not any("node_modules" in name for name in names)


def test_an_opened_checkpoint_keeps_its_classes_and_learns_the_examples_kept_here(bench):
    net = hs.SoftHebbNet.from_preset("cifar10", width=6, seed=3)
    other = hs.Learner(net, hs.RidgeProbe(dimensions=64))
    other.learn([(frame, "dots") for frame in np.random.default_rng(0).random((9, 32, 32, 3))], progress=False)
    bench.teach(3)
    session = bench.session
    assert session.score.of("down") is not None
    bench.within(lambda: session.open(other))
    assert session.net is net
    assert session.score.of("down") is None  # nor is it known of this network
    assert session.probe.steps == 15
    assert set(session.examples.classes) == {"dots", "across", "down"}
    bench.do("remove", examples=[next(iter(session.examples)).number])
    assert session.probe.steps == 14
    assert "dots" in session.probe.classes
    bench.show(*pictures("down", 2))
    assert session.net.samples_seen == 11


def with_base(bench, solver, labels, seed=3):
    """Open a checkpoint whose probe knows some classes; return what it learned."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=4, seed=seed)
    other = hs.Learner(net, SOLVERS[solver]())
    frames = np.random.default_rng(seed).random((12, 32, 32, 3)).astype(np.float32)
    rows = [net.transform_one(frame).clone() for frame in frames]
    taught = [(row, labels[number % len(labels)]) for number, row in enumerate(rows)]
    for row, label in taught:
        other.probe.learn_one(row, label)
    bench.within(lambda: bench.session.open(other))
    return taught


def test_a_checkpoint_with_a_class_of_which_no_name_can_be_made_is_refused(bench):
    before = bench.session.net
    with pytest.raises(LabelError, match=r"class 'caf\\udce9': expected a name"):  # of a folder's name in Latin-1
        with_base(bench, "ridge", ("caf\udce9", "dog"))
    assert bench.session.net is before
    assert bench.session.examples.classes == []
    bench.teach(1)


@pytest.mark.parametrize("solver", ["ridge", "slda"])
def test_classes_of_an_opened_checkpoint_are_renamed_merged_and_forgotten(solver, tmp_path):
    bench = Bench(tmp_path)
    try:
        bench.do("learn", on=False)
        taught = with_base(bench, solver, ("dots", "spots", "noise"))
        bench.teach(3)
        bench.do("rename", name="spots", to="dots")
        bench.do("rename", name="across", to="noise")  # one that was taught here
        bench.do("rename", name="dots", to="points")
        assert bench.session.examples.classes == ["points", "noise", "down"]
        names = {"dots": "points", "spots": "points", "across": "noise"}
        expected = bench.session.probe.__class__(**bench.session.probe.options())
        for row, label in taught + [(example.features, example.label) for example in bench.session.examples]:
            expected.learn_one(row, names.get(label, label))
        found = bench.session.probe
        assert found.classes == expected.classes
        for name, tensor in sums(found).items():
            torch.testing.assert_close(tensor, sums(expected)[name], rtol=1e-12, atol=1e-9)
        bench.do("forget", name="points")
        assert bench.session.probe.classes == ["noise", "down"]
        kept = sums(bench.session.probe)
    finally:
        bench.close()
    again = Bench(tmp_path)  # and so it is in the folder
    try:
        assert again.session.examples.classes == ["noise", "down"]
        assert same(sums(again.session.probe), kept)
    finally:
        again.close()


def test_a_probe_without_sums_renames_its_classes_and_does_not_merge_them(bench):
    bench.do("learn", on=False)
    with_base(bench, "gradient", ("dots", "spots"))
    with pytest.raises(ConfigurationError, match="expected ridge or slda"):
        bench.do("rename", name="spots", to="dots")
    assert bench.session.examples.classes == ["dots", "spots"] == bench.session.probe.classes
    bench.do("rename", name="spots", to="points")
    assert bench.session.probe.classes == ["dots", "points"]


def test_the_rate_after_a_pause_is_that_of_the_frames_since(monkeypatch):
    now, board = SimpleNamespace(s=1000.0), Board()
    monkeypatch.setattr(time, "monotonic", lambda: now.s)
    for wait in (*[0.1] * 60, 600.0, *[0.1] * 10):
        now.s += wait
        board.count(SimpleNamespace(captured=now.s), learned=True)
    assert board.rate() == pytest.approx(10.0)


def test_the_strip_of_unusual_moments_goes_on_where_the_time_of_day_is_set_back(monkeypatch):
    monkeypatch.setattr(time, "time", None)  # which is not to be asked
    assert not any(Novelty().told()["strip"])
