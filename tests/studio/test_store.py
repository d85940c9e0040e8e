"""What a run's folder holds is checked as it is read: it may come from anywhere."""

import sqlite3

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream import errors
from hebbstream._container import read_state, write_state
from hebbstream.studio._examples import Examples
from hebbstream.studio._settings import Settings
from hebbstream.studio._store import Store


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ((-4, -4, 3, bytes(48)), "example 1 of shape [-4, -4, 3]: expected a frame"),
        ((0, 0, 0, b""), "example 1 of shape [0, 0, 0]: expected a frame"),
        (("x", 4, 3, bytes(48)), "example 1 of shape ['x', 4, 3]: expected a frame"),
        ((4, 4, 3, "x" * 48), "example 1 of shape [4, 4, 3]: expected a frame"),
        ((2**40, 2**40, 3, bytes(48)), f"example 1 of 48 values, expected [{2**40}, {2**40}, 3]"),
        ((4, 4, 5, bytes(80)), "example 1 of 5 colours: expected 1 or 3"),
    ],
)
def test_an_example_that_is_no_frame_is_damage(tmp_path, example, problem):
    store = Store(tmp_path / "examples.sqlite")
    with sqlite3.connect(tmp_path / "examples.sqlite") as file:
        file.execute("insert into example values (1, 'cup', ?, ?, ?, ?)", example)
    file.close()
    with pytest.raises(errors.DamagedFileError) as caught:
        list(store.read())
    store.close()
    assert str(caught.value) == f"{tmp_path / 'examples.sqlite'}: {problem}"


def test_what_is_taken_back_is_gone_from_the_disk(tmp_path):
    store, examples, features = Store(tmp_path / "examples.sqlite"), Examples(), torch.zeros(2)
    for value in (201, 202):
        store.add(examples.add("cup", np.full((64, 64, 3), value, np.uint8), features))
    store.close()  # from the journal into the file
    store = Store(tmp_path / "examples.sqlite")
    examples.remove([1])
    store.replace(examples)
    store.close()
    (file,) = tmp_path.iterdir()
    stored = file.read_bytes()
    assert bytes([202] * 50) in stored
    assert bytes([201] * 50) not in stored


def test_a_class_that_is_no_text_is_damage(tmp_path):
    store = Store(tmp_path / "examples.sqlite")
    with sqlite3.connect(tmp_path / "examples.sqlite") as file:
        file.execute("insert into class values (?, 0)", (b"cup",))
    file.close()
    with pytest.raises(errors.DamagedFileError, match="expected names"):
        store.classes()
    store.close()


def test_a_checkpoint_whose_frames_memory_would_not_hold_is_refused(tmp_path):
    learner = hs.Learner(hs.SoftHebbNet.from_preset("cifar10", width=4))
    learner.save(tmp_path / "run.safetensors")
    state = read_state(tmp_path / "run.safetensors")
    state["network"]["tensors"]["_extra_state"] = torch.tensor([1, 100_000, 100_000])
    write_state(tmp_path / "run.safetensors", state)
    net = hs.SoftHebbNet.load(tmp_path / "run.safetensors")
    with pytest.raises(errors.ConfigurationError, match=r"size=\(100000, 100000\): expected sides of at most"):
        Settings(size=net.frame_size).check(net)
