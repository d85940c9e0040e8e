"""Engines execute the same step: eagerly, in a pipeline, at other precisions."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from strategies import assert_same_nets

import hebbstream as hs
from hebbstream.errors import ConfigurationError, NonFiniteError
from hebbstream.network.engine import _pipelined as pipelined_module
from hebbstream.network.engine._make import make_engine


@pytest.fixture
def one_thread():
    """A pipeline's stages have one thread each; the run it is compared with needs as many."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(engine="eager", **options):
    return hs.SoftHebbNet.from_preset("cifar10", width=8, engine=engine, **options)


@pytest.mark.parametrize("threshold", [0.0, 1e-3])
@pytest.mark.parametrize("stages", [1, 2, None])
def test_a_pipeline_is_bit_identical_to_one_layer_after_the_other(frames, one_thread, stages, threshold):
    eager = network(event_threshold=threshold)
    pipelined = network(hs.PipelinedEngine(stages=stages), event_threshold=threshold)
    expected = [eager.learn_one(frame) for frame in frames]
    found = list(pipelined.learn_stream(frames))
    assert len(found) == len(expected) == 100
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert_same_nets(eager, pipelined)
    assert pipelined.samples_seen == 100


def test_layers_of_a_pipeline_work_at_the_same_time(frames, monkeypatch):
    """The last layer takes its first sample only after the first layer took its second."""
    net = network("pipelined")
    first_again, calls = threading.Event(), []
    original = hs.SoftHebbLayer.learn

    def learn(layer, *rest):
        if layer is net.layers[0]:
            calls.append(1)
            if len(calls) == 2:
                first_again.set()
        if layer is net.layers[2]:
            assert first_again.wait(10)
        return original(layer, *rest)

    monkeypatch.setattr(hs.SoftHebbLayer, "learn", learn)
    assert len(list(net.learn_stream(frames[:4]))) == 4


def test_learn_one_and_learn_many_run_through_a_pipeline_too(frames, one_thread):
    eager, pipelined = network(), network(hs.PipelinedEngine(stages=2, devices=["cpu", "cpu"]))
    assert torch.equal(eager.learn_one(frames[0]), pipelined.learn_one(frames[0]))
    assert torch.equal(eager.learn_many(frames[:5]), pipelined.learn_many(frames[:5]))
    assert_same_nets(eager, pipelined)


def test_learn_with_a_pipeline_is_the_same_run(tmp_path, labelled, one_thread):
    def run(engine):
        net, probe, steps = network(engine), hs.SoftmaxProbe(), []
        path = tmp_path / f"{engine}.safetensors"
        report = hs.learn(
            net, labelled[:50], probe, limit=45, progress=False, checkpoint=hs.Checkpoint(path, every_samples=20),
            callbacks=[lambda step: steps.append((step.index, step.sample.t, step.prediction))],
        )  # fmt: skip
        return report, steps, path.read_bytes()

    eager, pipelined = run("eager"), run("pipelined")
    assert eager[0].samples == pipelined[0].samples == 45
    assert eager[1] == pipelined[1]
    assert eager[2] == pipelined[2]


def test_frames_before_a_refused_one_are_learned_and_yielded_first(frames, one_thread):
    net, expected = network("pipelined"), network()
    stream = net.learn_stream([*frames[:3], np.full((32, 32, 3), np.nan, np.float32), frames[4]])
    assert [next(stream).ndim for _ in range(3)] == [1, 1, 1]
    with pytest.raises(NonFiniteError):
        next(stream)
    assert net.samples_seen == 3
    for frame in frames[:3]:
        expected.learn_one(frame)
    assert_same_nets(net, expected)


def test_closing_a_pipeline_early_leaves_every_layer_at_the_same_sample(frames):
    net = network("pipelined")
    stream = net.learn_stream(iter(frames))
    next(stream)
    stream.close()
    assert {int(layer.samples_learned) for layer in net.layers} == {net.samples_seen}
    assert 1 <= net.samples_seen <= 7
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hebbstream-stage")]


@pytest.mark.parametrize("engine", ["eager", "pipelined"])
def test_frames_before_an_interruption_are_learned_by_every_layer(frames, engine):
    def interrupted():
        yield from frames[:6]
        raise KeyboardInterrupt

    net = network(engine)
    with pytest.raises(KeyboardInterrupt):
        list(net.learn_stream(interrupted(), batch_size=4))
    assert [net.samples_seen, *(int(layer.samples_learned) for layer in net.layers)] == [6] * 4


def test_a_pipeline_left_half_read_may_end_when_torch_is_gone(frames, monkeypatch):
    stream = network("pipelined").learn_stream(frames[:9])
    next(stream)
    monkeypatch.setattr(torch, "set_num_threads", None)  # as at the end of the interpreter
    stream.close()


def test_a_failure_inside_a_stage_reaches_the_caller(frames, monkeypatch):
    net = network("pipelined")

    def fail(*_):
        raise MemoryError("full")

    monkeypatch.setattr(net.layers[1], "update", fail)
    with pytest.raises(MemoryError, match="full"):
        list(net.learn_stream(frames[:10]))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("hebbstream-stage")]


def test_a_pipeline_leaves_the_number_of_threads_alone(frames):
    before = torch.get_num_threads()
    list(network("pipelined").learn_stream(frames[:2]))
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert torch.get_num_threads() == found[0] == before


def test_an_empty_stream_yields_nothing():
    for engine in ("eager", "pipelined"):
        assert list(network(engine).learn_stream([])) == []


def test_stages_are_of_about_equal_work():
    net = hs.SoftHebbNet.from_preset("cifar10")
    split = hs.PipelinedEngine(stages=2)._split(net.layers, torch.empty(1, 3, 32, 32))
    assert [[layer.spec.channels for layer in stage] for stage in split] == [[96, 384], [1536]]


@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 0.0), ("bfloat16", 2e-2), ("float16", 3e-3)])
def test_lower_precision_gives_nearly_the_same_features(frames, precision, tolerance):
    exact, rounded = network(), network(hs.EagerEngine(precision))
    for frame in frames[:10]:
        expected, found = exact.learn_one(frame), rounded.learn_one(frame)
    assert float((found - expected).norm() / expected.norm()) <= tolerance
    assert tolerance == 0.0 or not torch.equal(found, expected)
    assert all(buffer.dtype in (torch.float32, torch.int64) for buffer in rounded.buffers())


def test_a_step_reuses_its_memory(frames):
    net = network(event_threshold=0.0)
    net.learn_many(frames[:4])
    held = [workspace.nbytes for workspace in net.engine._workspaces]
    addresses = [{n: b.data_ptr() for n, b in workspace._buffers.items()} for workspace in net.engine._workspaces]
    assert {"patches", "weighted_input", "change"} == set(addresses[0])
    for frame in frames[:5]:
        net.learn_one(frame)
    assert held == [workspace.nbytes for workspace in net.engine._workspaces]
    assert addresses == [
        {n: b.data_ptr() for n, b in workspace._buffers.items()} for workspace in net.engine._workspaces
    ]


def test_features_outlive_the_next_step(frames):
    for engine in ("eager", "pipelined"):
        net = network(engine)
        first = net.learn_one(frames[0])
        kept = first.clone()
        net.learn_one(frames[50])
        assert torch.equal(first, kept)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])  # noqa: S301
@pytest.mark.parametrize("engine", [hs.EagerEngine("bfloat16"), hs.PipelinedEngine(stages=2), hs.CudaGraphEngine()])
def test_a_copy_of_a_network_has_an_engine_of_its_own(frames, clone, engine):
    net = network(engine)
    if not isinstance(engine, hs.CudaGraphEngine):
        net.learn_one(frames[0])
    twin = clone(net)
    assert twin.engine is not net.engine
    assert repr(twin.engine) == repr(net.engine)
    assert_same_nets(net, twin)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make_engine("fast"), "engine='fast': expected one of 'eager', 'cuda-graph', 'pipelined'"),
        (lambda: hs.EagerEngine("float8"), "precision='float8': expected one of 'float32', 'tf32'"),
        (lambda: make_engine(["eager"]), "engine=['eager']: expected one of 'eager'"),
        (lambda: hs.PipelinedEngine(stages=0), "stages=0"),
        (lambda: hs.PipelinedEngine(threads=0), "threads=0"),
        (lambda: hs.PipelinedEngine(stages=3, devices=["cpu"]), "1 devices for 3 stages"),
        (lambda: hs.PipelinedEngine(devices="cpu"), "devices='cpu': expected one for each stage, in a list"),
        (lambda: hs.PipelinedEngine(devices=["gpu"]), "device='gpu': it cannot be used here"),
        (lambda: hs.LayerSpec(channels=4, event_threshold=1.0), "event_threshold=1.0: expected a number in [0, 1)"),
    ],
)
def test_an_engine_that_cannot_work_is_refused(build, message):
    with pytest.raises(ConfigurationError) as caught:
        build()
    assert message in str(caught.value)


def test_stages_compute_on_the_streams_of_who_asked(monkeypatch, frames):
    """A thread's own stream waits for no other's: frames of one, and features for one, would be read too early."""
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the caller's on {device}")
    devices = [torch.device(name) for name in ("cpu", "cuda:1", "cuda:0", "cuda:1")]
    expected = ["the caller's on cuda:1", "the caller's on cuda:0"]
    assert pipelined_module.current_streams(devices) == expected
    taken = []
    monkeypatch.setattr(pipelined_module, "current_streams", lambda devices: expected)
    monkeypatch.setattr(
        torch.cuda, "set_stream", lambda stream: taken.append((threading.current_thread().name, stream))
    )
    net = hs.SoftHebbNet.from_preset("cifar10", width=4, engine="pipelined")
    assert len(list(net.learn_stream(frames[:3]))) == 3
    stages = [f"hebbstream-stage-{number}" for number in (1, 2, 3)]
    assert sorted(taken, key=lambda entry: entry[0]) == [(stage, stream) for stage in stages for stream in expected]
