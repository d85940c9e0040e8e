"""What of torch is one for the whole program: TensorFloat-32, which only products on a card look at."""

import pytest
import torch

import hebbstream as hs
from hebbstream import _globals
from hebbstream._globals import in_float32, outside_modes, tensor_float32
from hebbstream.network._layer import SoftHebbLayer

MATMUL = torch.backends.cuda.matmul
newer = pytest.mark.skipif(not hasattr(MATMUL, "fp32_precision"), reason="torch has only the older name")


@pytest.fixture
def card(monkeypatch):
    """A program that has used a card, and asked for TensorFloat-32 everywhere; what it says is left as it was."""
    before = getattr(MATMUL, _globals._SETTING)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    setattr(MATMUL, _globals._SETTING, _globals._ON)
    yield
    assert getattr(MATMUL, _globals._SETTING) == _globals._ON
    setattr(MATMUL, _globals._SETTING, before)


@newer
def test_the_newer_name_of_the_setting_does_not_keep_a_network_from_learning(monkeypatch):
    before = MATMUL.fp32_precision
    for initialized in (False, True):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda found=initialized: found)
        for kind in ("tf32", "ieee"):
            MATMUL.fp32_precision = kind
            net = hs.SoftHebbNet.from_preset("cifar10", width=4, engine=hs.EagerEngine("tf32"))
            net.learn_one(torch.rand(3, 32, 32))
            assert MATMUL.fp32_precision == kind
    MATMUL.fp32_precision = before


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
def test_only_its_engine_says_in_what_a_network_learns(card, monkeypatch, engine, precision):
    learned, seen = [], []
    learn, forward = SoftHebbLayer.learn, SoftHebbLayer.forward
    monkeypatch.setattr(SoftHebbLayer, "learn", lambda *x: learned.append(tensor_float32.is_on()) or learn(*x))
    monkeypatch.setattr(SoftHebbLayer, "forward", lambda *x: seen.append(tensor_float32.is_on()) or forward(*x))
    kind = {"eager": hs.EagerEngine, "pipelined": hs.PipelinedEngine}[engine]
    net = hs.SoftHebbNet.from_preset("cifar10", width=4, engine=kind(precision))
    net.learn_one(torch.rand(3, 32, 32))
    list(net.learn_stream(torch.rand(2, 3, 32, 32)))
    net.transform_one(torch.rand(3, 32, 32))
    net._forward_one(torch.rand(3, 32, 32))
    assert learned == [precision == "tf32"] * 9
    assert seen == [False] * 6  # features are float32 in every case


def test_blocks_of_several_threads_leave_it_as_it_was(card):
    """One that begins within another's, and outlasts it, must not bring back what it has found."""
    in_one, in_another = tensor_float32(enabled=False), tensor_float32(enabled=True)
    in_one.__enter__()
    in_another.__enter__()
    assert tensor_float32.is_on()
    in_one.__exit__(None, None, None)
    in_another.__exit__(None, None, None)
    assert tensor_float32.is_on()


def test_a_block_within_a_block_of_its_own(card):
    with outside_modes():
        with tensor_float32(enabled=True), in_float32():
            assert not tensor_float32.is_on()
        assert not tensor_float32.is_on()
