import errno
import logging
import os
import shutil
from pathlib import Path

import pytest
import torch

import hebbstream as hs
from hebbstream import _container, errors
from hebbstream._container import write_state
from hebbstream.learning import _generations
from hebbstream.learning._generations import generation, generations, keep_generations, set_aside


def save(path, position, kept=3):
    keep_generations(path, kept)
    learner = hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3))
    learner.counters.position = position
    learner.save(path)


def refuse(*paths, **options):
    raise PermissionError


def test_any_number_of_them_may_be_kept_and_saved_between(tmp_path):
    """As "all" is written by whoever knows no better: nothing counts so far."""
    path = tmp_path / "run.safetensors"
    for _ in range(2):
        checkpoint = hs.Checkpoint(path, every_samples=10**40, kept=10**40)
        hs.learn(
            hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3), torch.rand(2, 8, 8, 3), checkpoint=checkpoint, progress=False
        )
    assert [found.name for found in generations(path)] == [path.name, f"{path.name}.1"]


def test_one_of_a_later_version_is_not_damaged_and_is_not_passed_over(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    save(path, 1)
    keep_generations(path, 2)
    learner = hs.Learner(hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3))
    state = learner.net.to_state()
    state["config"]["layers"][0]["gating"] = "new"
    with monkeypatch.context() as later:
        later.setattr(_container, "__version__", "99.0")
        write_state(path, {"network": state})
    before = [found.read_bytes() for found in generations(path)]
    told = "run.safetensors: checkpoint of hebbstream 99.0, which .* cannot read .*gating.*: expected hebbstream 99.0"
    for read in (hs.Learner.load, hs.SoftHebbNet.load):
        with pytest.raises(errors.CheckpointVersionError, match=told):
            read(path)
    assert [found.read_bytes() for found in generations(path)] == before
    assert len(before) == 2


def positions(path):
    return [hs.Learner.load(found).counters.position for found in generations(path)]


def test_so_many_generations_are_kept_the_newest_first(tmp_path):
    path = tmp_path / "run.safetensors"
    for position in range(1, 6):
        save(path, position)
        assert positions(path) == list(range(position, max(0, position - 3), -1))
    assert len(list(tmp_path.iterdir())) == 3


def test_one_generation_is_one_file(tmp_path):
    path = tmp_path / "run.safetensors"
    for position in (1, 2):
        save(path, position, kept=1)
    assert [found.name for found in tmp_path.iterdir()] == ["run.safetensors"]


def test_a_file_system_that_refuses_links_and_the_times_of_files_gets_copies(tmp_path, monkeypatch):
    for function in ("link", "utime", "chmod"):
        monkeypatch.setattr(os, function, refuse)
    path = tmp_path / "run.safetensors"
    for position in (1, 2):
        save(path, position)
    assert positions(path) == [2, 1]


def test_a_copy_that_fails_leaves_no_half_of_one(tmp_path, monkeypatch):
    def half(path, other):
        other.write_bytes(path.read_bytes()[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "run.safetensors"
    for position in (1, 2):
        save(path, position)
    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", half)
        full.setattr(shutil, "copy2", half)
        for _ in range(2):
            with pytest.raises(errors.OutputError, match="No space left"):
                keep_generations(path, 3)
    save(path, 3)
    assert positions(path) == [3, 2, 1]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_that_loses_its_permissions_does_not_stop_learning(tmp_path, monkeypatch, caplog):
    path = tmp_path / "folder" / "run.safetensors"

    def refusing(function):
        def refuse_within(name, *arguments, **options):
            if str(name).startswith(f"{path.parent}/"):
                raise PermissionError(errno.EACCES, "Permission denied")
            return function(name, *arguments, **options)

        return refuse_within

    def frames():
        yield from torch.rand(5, 3, 8, 8)
        with monkeypatch.context() as locked:
            for name in ("stat", "open"):
                locked.setattr(os, name, refusing(getattr(os, name)))
            yield from torch.rand(4, 3, 8, 8)
        yield from torch.rand(3, 3, 8, 8)

    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    with caplog.at_level(logging.ERROR, "hebbstream"):
        report = hs.learn(net, frames(), checkpoint=hs.Checkpoint(path, every_samples=2), progress=False)
    assert report.samples == 12
    assert caplog.text.count("Permission denied; learning goes on") == 2  # after 6 and 8
    assert positions(path) == [12, 10]


def test_between_two_checkpoints_there_is_always_one(tmp_path):
    path = tmp_path / "run.safetensors"
    save(path, 1)
    for _ in range(2):  # the next one was never written, and then again
        keep_generations(path, 2)
        assert positions(path) == [1, 1]


@pytest.mark.parametrize("links", [True, False])
def test_writes_that_fail_cost_no_generation(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "run.safetensors"
    for position in (1, 2):
        save(path, position)
    for _ in range(3):
        keep_generations(path, 3)
    assert positions(path) == [2, 2, 1]
    save(path, 3)
    assert positions(path) == [3, 2, 1]


def test_the_newest_good_one_is_chosen(tmp_path, caplog):
    path = tmp_path / "run.safetensors"
    for position in (1, 2, 3):
        save(path, position)
    assert hs.Learner.load(path).counters.position == 3
    content = bytearray(path.read_bytes())
    content[-3] ^= 1  # one bit of a weight
    path.write_bytes(bytes(content))
    with caplog.at_level(logging.WARNING, "hebbstream"):
        assert hs.Learner.load(path).counters.position == 2
    assert "damaged checkpoint (its checksum does not match" in caplog.text
    generation(path, 1).write_bytes(b"")
    assert hs.Learner.load(path).counters.position == 1
    path.unlink()
    assert hs.Learner.load(path).counters.position == 1
    generation(path, 2).write_bytes(b"x")
    with pytest.raises(errors.CorruptCheckpointError, match=r"run\.safetensors\.1"):
        hs.Learner.load(path)
    with pytest.raises(errors.CheckpointNotFoundError, match="no checkpoint at"):
        hs.Learner.load(tmp_path / "none.safetensors")


def test_a_damaged_one_makes_way_not_the_good_one_before_it(tmp_path):
    path = tmp_path / "run.safetensors"
    for position in (1, 2):
        save(path, position, kept=2)
    path.write_bytes(path.read_bytes()[:-9])
    keep_generations(path, 2)  # and then the disk is full
    assert hs.Learner.load(path).counters.position == 1
    save(path, 3, kept=2)
    assert positions(path) == [3, 1]


def test_an_earlier_generation_is_untouched_by_the_next_write(tmp_path):
    path = tmp_path / "run.safetensors"
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    net.save(path)
    before = net.layers[0].weight.clone()
    keep_generations(path, 2)
    net.learn_one(torch.rand(3, 8, 8))
    net.save(path)
    assert torch.equal(hs.load(generation(path, 1)).layers[0].weight, before)


@pytest.mark.parametrize("path", ["", ".", "/", "x" * 3000, "a\0b", "~a\0b", "~nobody-of-that-name/run"])
def test_a_path_that_no_file_can_have_is_no_checkpoint(path):
    for load in (hs.load, hs.Learner.load):
        with pytest.raises(errors.CheckpointNotFoundError, match="no checkpoint at"):
            load(path)


@pytest.mark.parametrize("path", [".", "/", "file/run", "x" * 3000, "~a\0b", "~nobody-of-that-name/run"])
def test_a_path_that_no_file_can_have_is_refused_before_anything_is_learned(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    with pytest.raises(errors.OutputError, match="cannot write"):
        hs.learn(net, torch.rand(3, 3, 8, 8), checkpoint=path, progress=False)
    assert net.samples_seen == 0
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_set_aside_is_told_and_stays(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    for position in (1, 2):
        save(path, position)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(errors.OutputError, match=r"cannot move .*run\.safetensors to .*run-1\.safetensors"):
        set_aside(path)
    assert positions(path) == [2, 1]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_run_reads_what_it_has_saved_only_where_another_wrote_to_it(tmp_path, monkeypatch, damaged):
    path, read = tmp_path / "run.safetensors", []
    real = _generations.read_state
    monkeypatch.setattr(_generations, "read_state", lambda path: read.append(path) or real(path))

    def frames():
        yield from torch.rand(5, 3, 8, 8)
        if damaged:
            path.write_bytes(path.read_bytes()[:-9])
        yield torch.rand(3, 8, 8)

    net = hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3)
    hs.learn(net, frames(), checkpoint=hs.Checkpoint(path, every_samples=2), progress=False)
    assert read == [path] * damaged
    assert positions(path) == [6, 2 if damaged else 4]
