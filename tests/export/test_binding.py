"""Memory shared with ONNX Runtime on a card, by stand-ins that lie on the host: there is none here."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.export import OnnxExtractor
from hebbstream.export import _extractor as extractor_module
from hebbstream.export._binding import SharedRun
from hebbstream.export._to_onnx import export_model


class OnACard(torch.Tensor):
    """A tensor that says it is on a card, and is not."""

    is_cuda = True


class Slow:
    """A session that takes its time, and keeps by which graph each run was."""

    def __init__(self, session):
        self._session, self.graphs = session, []

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run_with_iobinding(self, binding, options=None):
        self.graphs.append(options and options.get_run_config_entry("gpu_graph_id"))
        time.sleep(0.02)
        self._session.run_with_iobinding(binding, options)


@pytest.fixture(scope="module")
def exported():
    return export_model(hs.SoftHebbNet.from_preset("cifar10", width=4), size=32).data


@pytest.fixture
def slow(exported, monkeypatch):
    made = []
    original = extractor_module.make_session
    monkeypatch.setattr(
        extractor_module, "make_session", lambda *x, **y: made.append(Slow(original(*x, **y))) or made[-1]
    )
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: SimpleNamespace(synchronize=lambda: None))
    return made


def test_frames_on_the_host_are_never_recorded_nor_replayed(exported, slow, frames):
    """A graph replays what it was recorded on: these would all get the features of the blank frame of the warm-up."""
    extractor = OnnxExtractor(exported, ["cpu"], cuda_graph=True)
    first, second = (extractor.transform_one(frame) for frame in (frames[0], frames[50]))
    assert slow[0].graphs == ["-1", "-1", "-1"]
    assert not np.array_equal(first, second)
    OnnxExtractor(exported, ["cpu"])
    assert slow[1].graphs == [None]


def test_a_shape_on_a_card_is_recorded_once(exported, slow, frames):
    run = SharedRun(extractor_module.make_session(exported), "frames", cuda_graph=True)
    for count in (1, 2, 1):
        run.run(["features"], torch.rand(count, 3, 32, 32).as_subclass(OnACard))
    assert slow[0].graphs == ["-1", "1", "-1", "2", "1"]


def test_threads_take_turns_at_a_graph(exported, slow, frames):
    run = SharedRun(extractor_module.make_session(exported), "frames", cuda_graph=True)
    batches = [torch.rand(1, 3, 32, 32) for _ in range(4)]
    expected = [OnnxExtractor(exported, ["cpu"]).transform_many(batch) for batch in batches]
    found = [None] * len(batches)

    def ask(place):
        found[place] = run.run(["features"], batches[place].as_subclass(OnACard))[0]

    ask(0)
    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("provider", "shared"), [("CUDA", True), ("Tensorrt", True), ("CPU", False), ("OpenVINO", False)]
)
def test_only_memory_of_the_sessions_own_card_is_shared(exported, monkeypatch, provider, shared):
    extractor = OnnxExtractor(exported, ["cpu"], warm_up=False)
    monkeypatch.setattr(OnnxExtractor, "providers", [f"{provider}ExecutionProvider"])
    found = [extractor._computes_on(torch.device(name)) for name in ("cpu", "cuda", "cuda:0", "cuda:1")]
    assert found == [True, shared, shared, False]
