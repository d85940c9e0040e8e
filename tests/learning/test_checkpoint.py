import json
import os

import pytest
import torch
from forked import processes
from safetensors import safe_open
from safetensors.torch import save_file

import hebbstream as hs
from hebbstream import errors
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label


def go_on(path, position):
    saved = hs.load_checkpoint(path)
    assert saved.counters.position == position
    with open_video(CLIP, size=32, label=clip_label()) as frames:
        hs.learn(
            saved.net,
            frames,
            saved.probe,
            limit=60 - position,
            counters=saved.counters,
            checkpoint=path,
            progress=False,
        )


@pytest.fixture
def learned(labelled):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=8, seed=5), hs.SoftmaxProbe()
    hs.learn(net, labelled[:20], probe, progress=False)
    return net, probe


def contents(path):
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["hebbstream"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def rewrite(path, change):
    header, tensors = contents(path)
    change(header, tensors)
    save_file(tensors, path, metadata={"hebbstream": json.dumps(header)})


@pytest.mark.parametrize("position", [1, 23])
@pytest.mark.parametrize("normalization", ["stream", "batch"])
def test_a_run_resumed_in_a_new_process_is_bit_identical(tmp_path, labelled, position, normalization):
    def start():
        return hs.SoftHebbNet.from_preset("cifar10", width=8, normalization=normalization), hs.SoftmaxProbe()

    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    net, probe = start()
    hs.learn(net, labelled[:60], probe, checkpoint=whole, progress=False)
    net, probe = start()
    hs.learn(net, labelled, probe, limit=position, checkpoint=parts, progress=False)
    process = processes.Process(target=go_on, args=(parts, position))
    process.start()
    process.join()
    assert process.exitcode == 0

    expected_header, expected = contents(whole)
    header, tensors = contents(parts)
    assert header == expected_header
    assert header["counters"]["position"] == header["counters"]["scored"] == 60
    assert header["samples_seen"] == 60
    assert tensors.keys() == expected.keys()
    assert {"probe.weight", "probe.average", "probe.losses", "random_state", "layers.2.norm.var"} <= tensors.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name


def test_a_checkpoint_keeps_labels_of_every_kind_it_can_and_refuses_others(tmp_path):
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=2), hs.SoftmaxProbe()
    features = torch.ones(3)
    for label in ("a", 3, 2.5, True):
        probe.learn_one(features, label)
    hs.save_checkpoint(tmp_path / "x", net, probe)
    assert [(type(c), c) for c in hs.load_checkpoint(tmp_path / "x").probe.classes] == [
        (str, "a"),
        (int, 3),
        (float, 2.5),
        (bool, True),
    ]
    probe.learn_one(features, ("a", "tuple"))
    before = (tmp_path / "x").read_bytes()
    with pytest.raises(errors.LabelError, match="tuple"):
        hs.save_checkpoint(tmp_path / "x", net, probe)
    assert (tmp_path / "x").read_bytes() == before


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(errors.CheckpointNotFoundError, match="no checkpoint at"):
        hs.load(tmp_path / "none.safetensors")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-1000] ^= 4
    path.write_bytes(content)


DAMAGE = {
    "truncated": truncate,
    "bit flip": flip_a_bit,
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not a checkpoint " * 100),
    "other safetensors": lambda path: save_file({"a": torch.ones(2)}, path),
    "missing tensor": lambda path: rewrite(path, lambda h, t: t.pop("layers.1.weight")),
    "wrong shape": lambda path: rewrite(path, lambda h, t: t.update({"layers.1.weight": torch.ones(2)})),
    "more layers than tensors": lambda path: rewrite(path, lambda h, t: h["layers"].append(h["layers"][-1])),
    "huge layer": lambda path: rewrite(path, lambda h, t: h["layers"][0].update(channels=10**9)),
    "unknown field": lambda path: rewrite(path, lambda h, t: h["layers"][0].update(kernel=3)),
    "probe without weights": lambda path: rewrite(path, lambda h, t: t.pop("probe.weight")),
    "probe of other classes": lambda path: rewrite(path, lambda h, t: h["probe"]["classes"].append(["str", "x"])),
    "no layers": lambda path: rewrite(path, lambda h, t: h.pop("layers")),
}


def heal_checksum(path):
    """A header that was tampered with is judged on its own, not by the checksum of the tensors."""
    from hebbstream.learning._checkpoint import _checksum

    rewrite(path, lambda h, t: h.update(crc32=_checksum(t)))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_corrupt_checkpoint_is_refused_in_one_line(tmp_path, learned, damage):
    path = tmp_path / "run.safetensors"
    hs.save_checkpoint(path, *learned)
    DAMAGE[damage](path)
    if damage in ("missing tensor", "wrong shape", "probe without weights"):
        heal_checksum(path)
    with pytest.raises(errors.CorruptCheckpointError) as caught:
        hs.load(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_version_is_refused(tmp_path, learned):
    path = tmp_path / "run.safetensors"
    hs.save_checkpoint(path, *learned)
    rewrite(path, lambda h, t: h.update(format=99, version="9.9"))
    with pytest.raises(errors.CheckpointVersionError, match=r"format 99 \(hebbstream 9.9\).*reads format 1"):
        hs.load(path)


def test_an_unwritable_output_is_reported_and_leaves_nothing_behind(tmp_path, learned):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path, tmp_path / "file" / "run.safetensors"):
        with pytest.raises(errors.OutputError, match="cannot write"):
            hs.save_checkpoint(path, *learned)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file"]


def test_a_reader_never_sees_half_of_a_checkpoint(tmp_path, learned):
    path = tmp_path / "run.safetensors"
    hs.save_checkpoint(path, *learned)
    whole = path.read_bytes()
    with path.open("rb") as reader:  # opened before the next write, read after it
        learned[0].learn_one(torch.rand(3, 32, 32))
        hs.save_checkpoint(path, *learned)
        assert reader.read() == whole
    assert path.read_bytes() != whole


def test_a_failed_write_keeps_the_last_checkpoint(tmp_path, learned, monkeypatch):
    path = tmp_path / "run.safetensors"
    hs.save_checkpoint(path, *learned)
    before = path.read_bytes()
    net, probe = learned
    net.learn_one(torch.rand(3, 32, 32))

    def full_disk(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(errors.OutputError, match="No space left"):
        hs.save_checkpoint(path, net, probe)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["run.safetensors"]
