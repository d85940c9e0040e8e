"""The CUDA graph engine: on a card where there is one, and its logic on a stand-in for torch.cuda where there is none.

The stand-in's graph is a tape. It records the operations of a capture without effect on the network, and its replay
runs them again on the very tensors they were recorded with. Whatever a real graph would freeze, such as a number kept
in Python or a tensor that is replaced and not written to, goes wrong here as well.
"""

from contextlib import contextmanager
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_fake_cuda import fake_cuda
from torch.utils._python_dispatch import TorchDispatchMode

import hebbstream as hs
from hebbstream.network import _layer as layer_module
from hebbstream.network.engine import _cuda_graph as graph_module
from hebbstream.rule._fast import without_kernels


@pytest.fixture(autouse=True)
def _by_torch():
    """The stand-in lies on the CPU, where kernels would do the work unseen by the tape; on a card there are none."""
    with without_kernels():
        yield


class Tape(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        self.calls.append((func, args, kwargs, out))
        return out

    def replay(self):
        for func, args, kwargs, recorded in self.calls:
            out = func(*args, **kwargs)
            for new, old in zip(*(x if isinstance(x, tuple) else (x,) for x in (out, recorded)), strict=True):
                if new.data_ptr() != old.data_ptr():  # not a view, nor an operation in place
                    old.copy_(new)


class Stream:
    def __init__(self, log):
        self.log, self.name = log, f"side {sum(entry[0] == 'stream' for entry in log)}"
        log.append(("stream", self.name))

    def wait_stream(self, other):
        self.log.append(("wait", self.name, other.name))


class StandIn:
    """The part of torch.cuda that the engine uses."""

    def __init__(self):
        self.log, self.captures, self.fail = [], 0, False
        self.net = None
        self.main = SimpleNamespace(name="main", wait_stream=lambda side: self.log.append(("wait", "main", side.name)))
        self.current = self.main
        self.Stream = lambda: Stream(self.log)

    def CUDAGraph(self):  # noqa: N802
        return SimpleNamespace(replay=None)

    @contextmanager
    def graph(self, graph, stream, capture_error_mode):
        self.log.append(("capture", stream.name))
        if self.fail:
            self.current = stream  # as torch leaves it
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        self.captures += 1
        before = {name: tensor.clone() for name, tensor in self.net.state_dict().items()}
        with Tape() as tape:
            yield
        self.net.load_state_dict(before)  # a capture runs nothing
        graph.replay = tape.replay

    def current_stream(self):
        return self.main

    def current_blas_handle(self):
        self.log.append(("handle", None))

    @contextmanager
    def stream(self, stream):
        before = self.current
        self.log.append(("enter", stream.name))
        try:
            yield
        finally:
            self.current = before
            self.log.append(("leave", stream.name))

    @contextmanager
    def device(self, device):
        yield


@pytest.fixture
def stand_in(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setattr(graph_module, "cuda", stand_in)
    monkeypatch.setattr(graph_module, "_on_one_cuda_device", lambda layers: True)
    monkeypatch.setattr(layer_module, "find_events", lambda *_: None)  # as on a device: dropped from a dense product
    monkeypatch.setattr(graph_module, "pinned", torch.Tensor.clone)
    return stand_in


def networks(stand_in, **options):
    eager = hs.SoftHebbNet.from_preset("cifar10", width=8, **options)
    captured = hs.SoftHebbNet.from_preset("cifar10", width=8, engine="cuda-graph", **options)
    stand_in.net = captured
    return eager, captured


def assert_same(eager, captured, frames):
    for frame in frames:
        torch.testing.assert_close(captured.learn_one(frame), eager.learn_one(frame), rtol=1e-5, atol=1e-5)
    for name, tensor in eager.state_dict().items():
        torch.testing.assert_close(captured.state_dict()[name], tensor, rtol=1e-5, atol=1e-6, msg=name)
    assert captured.samples_seen == eager.samples_seen


@pytest.mark.parametrize("normalization", ["stream", "batch"])
def test_replays_learn_what_eager_steps_learn(stand_in, frames, normalization):
    eager, captured = networks(stand_in, normalization=normalization)
    assert_same(eager, captured, frames[:12])
    assert stand_in.captures == 1


def test_each_shape_and_dtype_is_captured_once(stand_in, frames):
    eager, captured = networks(stand_in)
    floats = frames[:12].astype(np.float32) / 255
    small = np.ascontiguousarray(frames[:12, :24, :20])
    for _ in range(2):
        for kind in (frames[:12], floats, small):
            assert_same(eager, captured, kind)
    assert stand_in.captures == 3


def test_many_shapes_do_not_fill_the_memory(stand_in):
    _, captured = networks(stand_in)
    for side in range(16, 36):
        captured.learn_one(np.zeros((side, side, 3), np.uint8))
    assert len(captured.engine._steps) == graph_module._MOST_GRAPHS


def test_state_that_moved_is_captured_again(stand_in, frames):
    eager, captured = networks(stand_in)
    assert_same(eager, captured, frames[:6])
    for layer in captured.layers:  # as after a move to another device and back
        layer.weight_matrix = layer.weight_matrix.clone()
    assert_same(eager, captured, frames[:12])
    assert stand_in.captures == 2


def test_features_outlive_the_next_replay(stand_in, frames):
    _, captured = networks(stand_in)
    rows = [captured.learn_one(frame) for frame in frames[:8]]
    copies = [row.clone() for row in rows]
    captured.learn_one(frames[50])
    assert all(torch.equal(row, copy) for row, copy in zip(rows, copies, strict=True))
    assert len({row.data_ptr() for row in rows}) == 8


def test_updates_run_beside_the_forward_pass_and_are_joined(stand_in, frames):
    _, captured = networks(stand_in)
    captured.learn_one(frames[0])
    assert stand_in.log == [
        *(("stream", f"side {i}") for i in range(4)),  # the first is for captures
        *(
            entry
            for i in range(1, 4)
            for entry in (("wait", f"side {i}", "main"), ("enter", f"side {i}"), ("leave", f"side {i}"))
        ),
        *(("wait", "main", f"side {i}") for i in range(1, 4)),
    ]


def test_all_shapes_are_captured_on_one_stream_of_the_networks_own_card(stand_in, frames):
    """Torch has 32 streams for each card, and takes one of any card where it is not told which."""
    _, captured = networks(stand_in)
    for kind in (frames[:5], np.ascontiguousarray(frames[:5, :24, :20])):
        for frame in kind:
            captured.learn_one(frame)
    assert sum(entry[0] == "stream" for entry in stand_in.log) == 4
    # Of cuBLAS, each thread has a handle of its own: who captures need not be who has taken the steps before.
    captures = [entry for entry in stand_in.log if entry[0] in ("handle", "capture")]
    assert captures == [("handle", None), ("capture", "side 0")] * 2


def test_a_failed_capture_warns_why_and_learning_goes_on(stand_in, frames):
    eager, captured = networks(stand_in)
    stand_in.fail = True
    assert_same(eager, captured, frames[:3])
    with pytest.warns(RuntimeWarning, match="not permitted when stream is capturing$"):
        captured.learn_one(frames[3])
    eager.learn_one(frames[3])
    assert stand_in.current is stand_in.main  # else all that follows would be on a stream that waits for no other
    assert_same(eager, captured, frames[4:10])  # warned once


def test_without_a_card_it_warns_and_runs_eagerly(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=8, engine="cuda-graph")
    expected = hs.SoftHebbNet.from_preset("cifar10", width=8)
    with pytest.warns(RuntimeWarning, match="runs eagerly: the network is on cpu, expected one CUDA device"):
        found = net.learn_one(frames[0])
    assert torch.equal(found, expected.learn_one(frames[0]))
    assert torch.equal(net.learn_one(frames[1]), expected.learn_one(frames[1]))


def test_a_network_that_comes_to_a_card_later_is_captured_there(stand_in, frames, monkeypatch):
    eager, captured = networks(stand_in)
    monkeypatch.setattr(graph_module, "_on_one_cuda_device", lambda layers: False)
    with pytest.warns(RuntimeWarning, match="is on cpu"):
        captured.learn_one(frames[0])
    eager.learn_one(frames[0])
    assert_same(eager, captured, frames[1:2])  # warned once
    monkeypatch.setattr(graph_module, "_on_one_cuda_device", lambda layers: True)
    assert_same(eager, captured, frames[2:8])
    assert stand_in.captures == 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_captured_step_makes_no_synchronisation(stand_in, precision):
    """What is captured, with its side streams, on fake CUDA tensors; the eager step alone is in test_fake_cuda.py."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=8, engine=hs.CudaGraphEngine(precision))
    step = graph_module._Step(3)
    with fake_cuda(net):
        sides = [stand_in.Stream() for _ in range(3)]
        features = graph_module._run(net.layers, torch.empty(1, 3, 32, 32, device="cuda"), step, net.engine, sides)
        assert features.device.type == "cuda"


@pytest.mark.cuda
@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
@pytest.mark.parametrize("normalization", ["stream", "batch"])
def test_cuda_replays_learn_what_eager_steps_learn(frames, precision, normalization):
    eager, captured = (
        hs.SoftHebbNet.from_preset("cifar10", width=16, device="cuda", normalization=normalization, engine=engine)
        for engine in (hs.EagerEngine(precision), hs.CudaGraphEngine(precision))
    )
    for frame in frames[:40]:
        torch.testing.assert_close(captured.learn_one(frame), eager.learn_one(frame), rtol=1e-2, atol=1e-2)
    assert all(step.recording is not None for step in captured.engine._steps.values())
    for one, other in zip(captured.layers, eager.layers, strict=True):
        assert float((one.weight - other.weight).norm() / other.weight.norm()) < 1e-3


@pytest.mark.cuda
def test_cuda_captures_again_for_a_new_shape(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=16, device="cuda", engine="cuda-graph")
    small = np.ascontiguousarray(frames[:, :24, :20])
    for kind in (frames[:8], small[:8], frames[8:16], small[8:16]):
        rows = [net.learn_one(frame) for frame in kind]
        assert all(bool(row.isfinite().all()) for row in rows)
    assert len(net.engine._steps) == 2
    assert {int(layer.samples_learned) for layer in net.layers} == {32}


@pytest.mark.cuda
def test_cuda_updates_overlap_the_forward_pass(frames):
    """Kernels of a side stream and of the main stream are at work at the same time."""
    from torch.profiler import ProfilerActivity, profile

    net = hs.SoftHebbNet.from_preset("cifar10", device="cuda", engine="cuda-graph")
    for frame in frames[:10]:
        net.learn_one(frame)
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiler:
        for frame in frames[:20]:
            net.learn_one(frame)
        torch.cuda.synchronize()
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    assert any(later[0] < earlier[1] for earlier, later in pairwise(spans))
