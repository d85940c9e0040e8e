"""`atomic_write` and `write_state`: what may stand at a path, and what a file may hold."""

import errno
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream._container import read_state, write_state
from hebbstream._files import atomic_write, check_writable, remove_leftovers
from hebbstream.errors import CheckpointNotFoundError, ConfigurationError, OutputError
from hebbstream.learning import Metrics


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_pipe_is_not_replaced_by_a_file(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="a device or a pipe"):
        check_writable(pipe)
    with pytest.raises(OutputError, match="a device or a pipe"):
        write_state(pipe, {})
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    "name", ["a\0b", "~a\0b", "~nobody-of-that-name/run", os.fsdecode(b"\xff.safetensors")], ids=ascii
)
def test_a_name_that_no_file_can_have_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="cannot write"):
        check_writable(name)
    with pytest.raises(CheckpointNotFoundError):
        read_state(name)
    assert list(tmp_path.iterdir()) == []


def test_a_tilde_without_a_home_is_no_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where HOME is not set, nor the user known
    with pytest.raises(OutputError, match="no home folder for ~"):
        check_writable("~/run")
    assert list(tmp_path.iterdir()) == []


def test_a_name_may_begin_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hs.learn(
        hs.SoftHebbNet([hs.LayerSpec(channels=4)], 3),
        torch.rand(3, 3, 8, 8),
        checkpoint=hs.Checkpoint("~draft.safetensors", every_samples=2),
        callbacks=[Metrics("~draft.jsonl")],
        progress=False,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "~draft.jsonl",
        "~draft.safetensors",
        "~draft.safetensors.1",
    ]
    assert hs.Learner.load("~draft.safetensors").counters.position == 3
    (tmp_path / "~drafts").mkdir()
    with atomic_write("~drafts/run") as temporary:
        temporary.write_text("kept")
    assert (tmp_path / "~drafts" / "run").read_text() == "kept"


def test_a_file_system_that_knows_no_permissions_and_opens_no_folder_gets_files_all_the_same(tmp_path, monkeypatch):
    opened = os.open

    def refuse_folders(path, *arguments, **options):
        if Path(path).is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        return opened(path, *arguments, **options)

    def refuse(*arguments, **options):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "open", refuse_folders)
    monkeypatch.setattr(os, "chmod", refuse)
    write_state(tmp_path / "state", {"number": 1})
    assert read_state(tmp_path / "state") == {"number": 1}


def test_names_with_slashes_and_tensors_that_share_memory_come_back(tmp_path):
    whole = torch.arange(6.0)
    state = {"loss/train": whole[:3], "loss": {"train": whole[3:], "%2F": 1}, "again": whole, "number": np.float32(0.5)}
    write_state(tmp_path / "state", state)
    found = read_state(tmp_path / "state")
    assert found["loss"]["%2F"] == 1
    assert found["number"] == 0.5
    assert found["loss/train"].tolist() == [0, 1, 2]
    assert found["loss"]["train"].tolist() == [3, 4, 5]
    assert found["again"].tolist() == whole.tolist()


@pytest.mark.parametrize("value", [[torch.ones(2)], {1, 2}, object()], ids=lambda value: type(value).__name__)
def test_what_a_file_cannot_hold_is_refused_and_the_old_one_stays(value, tmp_path):
    write_state(tmp_path / "state", {"old": 1})
    with pytest.raises(ConfigurationError, match=r"^state callbacks/Tally: .*; expected JSON terms and tensors"):
        write_state(tmp_path / "state", {"callbacks": {"Tally": value}})
    assert read_state(tmp_path / "state") == {"old": 1}


def test_numbers_of_numpy_do_as_options(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), dtype=np.uint8)
    net = hs.SoftHebbNet(
        [hs.LayerSpec(channels=4)],
        np.int64(3),
        input_size=np.array([16, 16]),
        input_range=(np.float32(0), np.float32(1)),
        mirror=np.bool_(True),
    )
    probe = hs.RidgeProbe(l2=np.float32(1), dimensions=np.int64(64), seed=np.int64(3))
    hs.learn(net, [(frame, "a") for frame in frames], probe, checkpoint=tmp_path / "run", progress=False)
    found = hs.Learner.load(tmp_path / "run")
    assert found.net.transform_one(frames[0]).equal(net.transform_one(frames[0]))
    assert found.probe.learn_one(net.transform_one(frames[0]), "b") is None


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nothing that is open can be removed")
def test_what_a_killed_process_left_is_removed_but_not_what_one_writes(tmp_path):
    left = tmp_path / ".f.npy.0123abcd.part"
    left.write_bytes(bytes(1000))
    (tmp_path / ".other.npy.0123abcd.part").write_bytes(b"of another file")
    with atomic_write(tmp_path / "f.npy") as temporary:
        temporary.write_text("under way")
        remove_leftovers(tmp_path / "f.npy")
        assert not left.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.npy.0123abcd.part", "f.npy"]
    assert (tmp_path / "f.npy").read_text() == "under way"


@pytest.mark.skipif(os.name != "posix", reason="no such locks")
def test_what_was_left_on_a_share_that_locks_only_what_is_open_for_writing_is_removed(tmp_path, monkeypatch):
    """As by NFS."""

    def by_nfs(file, operation):
        if not file.writable():
            raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("fcntl.flock", by_nfs)
    (tmp_path / ".f.npy.0123abcd.part").write_bytes(bytes(1000))
    remove_leftovers(tmp_path / "f.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="no such locks")
def test_a_share_whose_locks_keep_out_ourselves_is_written_without_them(tmp_path, monkeypatch):
    """As by SMB, where what is locked can be read and written through that handle alone."""
    held, written = [], Path.write_bytes
    monkeypatch.setattr("fcntl.flock", lambda file, operation: held.append(file))

    def by_smb(path, data):
        if any(not file.closed and os.path.samestat(os.fstat(file.fileno()), path.stat()) for file in held):
            raise PermissionError(errno.EACCES, "Permission denied")
        return written(path, data)

    monkeypatch.setattr(Path, "write_bytes", by_smb)
    with atomic_write(tmp_path / "f.npy") as temporary:
        temporary.write_bytes(b"kept")
        remove_leftovers(tmp_path / "f.npy")
    assert (tmp_path / "f.npy").read_bytes() == b"kept"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("reads", [2, 100])
def test_a_file_that_is_read_while_it_is_replaced_is_replaced_once_that_ends(tmp_path, monkeypatch, reads):
    """Windows refuses to replace a file that is open."""
    replace, tries, pauses = Path.replace, [], []

    def on_windows(path, target):
        tries.append(target)
        if len(tries) <= reads:
            raise PermissionError(errno.EACCES, "The process cannot access the file")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", on_windows)
    monkeypatch.setattr("time.sleep", pauses.append)
    if reads == 2:
        write_state(tmp_path / "state", {"new": 1})
        assert read_state(tmp_path / "state") == {"new": 1}
    else:
        with pytest.raises(OutputError, match=r"cannot write .*state: The process cannot access the file"):
            write_state(tmp_path / "state", {"new": 1})
    assert sum(pauses) < 2


def test_a_link_that_leads_nowhere_but_to_itself_is_replaced(tmp_path):
    (tmp_path / "f.npy").symlink_to("f.npy")
    remove_leftovers(tmp_path / "f.npy")
    with atomic_write(tmp_path / "f.npy") as temporary:
        temporary.write_text("kept")
    assert (tmp_path / "f.npy").read_text() == "kept"


def test_a_key_that_would_come_back_as_another_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    with pytest.raises(ConfigurationError, match="state callbacks/Tally/seen/1: expected a str for a key"):
        write_state(path, {"callbacks": {"Tally": {"seen": {1: 5}}}})
    assert not path.exists()


def test_a_name_that_the_locale_did_not_let_through_is_told_with_what_helps():
    with pytest.raises(
        OutputError, match=r"^cannot write '\\udcc3\\udcbc': expected a name in UTF-8; .* PYTHONUTF8=1$"
    ):
        check_writable("\udcc3\udcbc")
