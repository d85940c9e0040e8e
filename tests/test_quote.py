"""What arrived is quoted by every message, and by none at greater length than people read."""

import copy
import math
import pickle
import sys
from operator import length_hint

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import modest

import hebbstream as hs
from hebbstream import errors
from hebbstream._quote import digits
from hebbstream.adapters.arrays import open_arrays
from hebbstream.adapters.images import open_images
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer, prequential
from hebbstream.adapters.tables import open_table
from hebbstream.adapters.video import open_video
from hebbstream.cli._main import main
from hebbstream.clip import CLIP
from hebbstream.export import to_onnx
from hebbstream.learning import Metrics
from hebbstream.streams import crops
from hebbstream.streams._stream import as_stream

HUGE = 10**400
FRAME = np.zeros((8, 8, 3), np.uint8)


def net():
    return hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3)


@pytest.mark.parametrize(
    "call",
    [
        *(
            lambda value, name=name: hs.LayerSpec(**({"channels": 3} | {name: value}))
            for name in ("channels", "kernel_size", "pool_size", "pool_stride", "learning_rate", "radius", "momentum")
        ),
        lambda value: hs.LayerSpec(channels=3, activation=value),
        lambda value: hs.SoftHebbNet([hs.LayerSpec(channels=2)], 3, seed=value),
        lambda value: hs.SoftHebbNet([hs.LayerSpec(channels=2)], value),
        lambda value: hs.SoftHebbNet.from_preset("cifar10", width=value),
        lambda value: hs.SoftmaxProbe(min_confidence=value),
        lambda value: hs.SoftmaxProbe().learn_one(torch.rand(4), "a", value),
        lambda value: hs.Replay(weight=value),
        lambda value: LinearProbe().learn_one({"a": value}, 1),
        lambda value: SoftHebbTransformer(neurons=4).learn_one({"a": value}),
        lambda value: open_video(CLIP, size=value),
        lambda value: open_video(CLIP, stride=-abs(value)),
        lambda value: hs.learn(net(), [FRAME], limit=-abs(value), progress=False),
        lambda value: hs.Checkpoint("a.safetensors", kept=-abs(value)),
        lambda value: Metrics("a.jsonl", every_seconds=-abs(value)),
        lambda value: to_onnx(net(), "net.onnx", size=value),
        lambda value: to_onnx(net(), "net.onnx", error_limit=-abs(value)),
        lambda value: to_onnx(net(), "net.onnx", precision=value),
    ],
)
def test_a_number_of_hundreds_of_digits_is_not_echoed_whole(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for value in (HUGE, -HUGE, 2**2000 + 1):
        with pytest.raises(hs.HebbstreamError) as caught:
            call(value)
        message = str(caught.value)
        assert len(message) < 250
        assert str(abs(value))[:8] in message or "by name" in message


@pytest.mark.parametrize("value", ["9" * 5000, "x" * 5000, [HUGE] * 50, (7,) * 5000, {"a": HUGE}])
def test_nor_is_anything_else(value):
    for call in (lambda: hs.LayerSpec(channels=value), lambda: hs.LayerSpec(channels=3, pool=str(value))):
        with pytest.raises(errors.ConfigurationError, match="expected") as caught:
            call()
        assert len(str(caught.value)) <= 1003


@pytest.mark.parametrize("value", [10**40, 2**63])
@pytest.mark.parametrize(
    "name", ["learning_rate", "rate_power", "decay_samples", "averaging_samples", "inverse_temperature", "power"]
)
def test_a_number_that_torch_cannot_take_is_refused_before_the_first_step(name, value):
    with pytest.raises(errors.ConfigurationError, match=rf"^{name}=.*: expected .*, below 2\*\*63"):
        hs.LayerSpec(**{"channels": 3, name: value})


def test_an_array_is_quoted_in_one_line():
    with pytest.raises(errors.ConfigurationError) as caught:
        hs.LayerSpec(channels=3, radius=torch.zeros(2, 2))
    assert str(caught.value) == "radius=tensor([[0., 0.], [0., 0.]]): expected a number above 0, below 2**63"


def test_what_python_refuses_to_write_out_is_named():
    for name in ("channels", "learning_rate", "kernel_size", "decay_samples"):
        value = -(10**5000)
        with pytest.raises(errors.ConfigurationError, match=f"{name}=<int that is too long to show>: expected"):
            hs.LayerSpec(**({"channels": 3} | {name: value}))


@pytest.mark.parametrize(
    "options",
    [
        ["--seed", str(HUGE)],
        ["--size", str(HUGE)],
        ["--width", str(HUGE)],
        ["--seed", "9" * 5000],
        ["--stride", "x" * 5000],
    ],
)
def test_the_command_line_neither(options, capsys):
    try:
        code = main(["learn", str(CLIP), "--quiet", "--limit", "2", *options])
    except SystemExit as stop:
        code = stop.code
    assert code in (1, 2)
    assert len(capsys.readouterr().err.splitlines()[-1]) < 1100


def test_a_limit_beyond_what_a_machine_counts_to_is_none():
    assert hs.learn(net(), [FRAME] * 3, limit=HUGE, progress=False).samples == 3
    samples = [hs.Sample(FRAME, y=label) for label in "aba"]
    assert prequential(net(), samples, hs.SoftmaxProbe(), limit=HUGE).scores[-1].labelled == 3
    assert length_hint(crops(as_stream([FRAME] * 3), 4, per_frame=HUGE)) == sys.maxsize


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_what_it_was_after_a_copy(name):
    kind = getattr(errors, name)
    for message in ("a short one", f"a long one {HUGE}", "x" * 2000, ""):
        error = kind(message)
        for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301  # our own
            assert type(other) is kind
            assert str(other) == str(error)
        assert len(str(error)) <= 1003
    assert str(kind("a short one")) == "a short one"


@pytest.mark.parametrize(
    "wrong", [hs.load, hs.Learner.load, hs.SoftHebbNet.from_preset, open_images, open_arrays, open_table]
)
def test_an_address_where_none_belongs_is_told_without_its_password(wrong):
    with pytest.raises(hs.HebbstreamError, match=r"\*\*\*@there") as caught:
        wrong("http://me:hunter2@there/a?token=hunter2")
    assert "hunter2" not in str(caught.value)


@modest
@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_digits_show_the_side_of_the_bound(value, bound):
    shown = digits(value, bound)
    assert (float(shown) > bound, float(shown) < bound) == (value > bound, value < bound)
    assert math.isinf(float(shown)) or float(shown) == pytest.approx(
        value, rel=1e-3
    )  # the largest are rounded up to it


def test_an_error_that_says_nothing_is_told_by_its_kind():
    def refuse(_):
        raise NotImplementedError

    with pytest.raises(errors.ConfigurationError, match="network cannot go there: NotImplementedError"):
        net()._apply(refuse)


@pytest.mark.parametrize("opened", [open_arrays, open_images, open_table, open_video])
def test_a_home_folder_that_nobody_can_have_is_not_found(opened):
    with pytest.raises(errors.SourceNotFoundError):
        opened("~\0.npz")
