"""What only a card can show: memory that is still being read, streams, and bits that are the same again."""

import numpy as np
import pytest
import torch

import hebbstream as hs
from hebbstream.rule import _plasticity as plasticity

pytestmark = pytest.mark.cuda


def busy():
    """Give the card so much to do that what is asked of it next has not begun by the time that the call returns."""
    torch.cuda._sleep(200_000_000)


@pytest.mark.parametrize("engine", ["eager", "cuda-graph"])
def test_a_pinned_frame_may_be_written_over_at_once(frames, engine):
    net, other = (hs.SoftHebbNet.from_preset("cifar10", width=8, device="cuda", engine=engine) for _ in range(2))
    memory = torch.empty(32, 32, 3, dtype=torch.uint8).pin_memory()
    for frame in frames[:8]:
        memory.copy_(torch.from_numpy(frame))
        busy()
        found = net.learn_one(memory)
        memory.zero_()
        torch.testing.assert_close(found, other.learn_one(frame), rtol=1e-3, atol=1e-3)


def test_a_network_on_the_host_waits_for_frames_of_a_card(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=8)
    expected = net.transform_one(frames[3])
    frame = torch.zeros(32, 32, 3, dtype=torch.uint8, device="cuda")
    busy()
    frame.copy_(torch.from_numpy(frames[3]).pin_memory(), non_blocking=True)
    assert torch.equal(net.transform_one(frame), expected)


def test_two_streams_of_a_thread(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=32, device="cuda")
    expected = [net.transform_many(frames[start : start + 8]) for start in (0, 8)]
    streams = [torch.cuda.Stream() for _ in range(2)]
    batches = [torch.from_numpy(frames[start : start + 8]).cuda() for start in (0, 8)]
    torch.cuda.synchronize()
    for _ in range(20):
        found = []
        for stream, batch in zip(streams, batches, strict=True):
            with torch.cuda.stream(stream):
                found.append(net.transform_many(batch))
        torch.cuda.synchronize()
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_features_are_float32_whatever_a_program_has_set(frames):
    net = hs.SoftHebbNet.from_preset("cifar10", width=32, device="cuda")
    expected = (
        net.transform_one(frames[0]),
        hs.SoftHebbNet.from_preset("cifar10", width=32, device="cuda").learn_one(frames[0]),
    )
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        found = net.transform_one(frames[0]), net.learn_one(frames[0])
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
    assert all(map(torch.equal, found, expected))


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="one card")
def test_each_network_is_captured_on_its_own_card(frames):
    nets = [
        hs.SoftHebbNet.from_preset("cifar10", width=8, device=f"cuda:{card}", engine="cuda-graph") for card in (0, 1)
    ]
    eager = hs.SoftHebbNet.from_preset("cifar10", width=8, device="cuda:1")
    for frame in frames[:12]:
        found = [net.learn_one(frame).cpu() for net in nets]
        expected = eager.learn_one(frame).cpu()
        for one in found:
            torch.testing.assert_close(one, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("probe", [hs.RidgeProbe, hs.SoftmaxProbe])
@pytest.mark.parametrize("preset", ["motion", "cifar10"])
def test_a_run_that_goes_on_is_what_it_would_have_been(frames, tmp_path, preset, probe):
    def stream():
        return [(np.roll(frame, 3, axis=0), index % 3) for index, frame in enumerate(frames[:60])]

    def learner():
        return hs.Learner(
            hs.SoftHebbNet.from_preset(preset, width=24, device="cuda"), probe(), replay=hs.Replay(20, every_samples=8)
        )

    whole, first = learner(), learner()
    whole.learn(stream(), progress=False)
    first.learn(stream(), limit=32, progress=False)
    first.save(tmp_path / "run.safetensors")
    second = hs.Learner.load(tmp_path / "run.safetensors", "cuda")
    second.learn(stream(), resume=True, progress=False)
    for one, other in (
        (whole.net.state_dict(), second.net.state_dict()),
        (whole.probe.tensors(), second.probe.tensors()),
    ):
        assert one.keys() == other.keys()
        for name, tensor in one.items():
            assert torch.equal(tensor, other[name]), name


def test_a_step_that_cannot_be_captured_leaves_the_current_stream(frames, monkeypatch):
    """The last of this file: torch's allocator may not forget the capture that failed."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=8, device="cuda", engine="cuda-graph")
    other = hs.SoftHebbNet.from_preset("cifar10", width=8, device="cuda")
    original = plasticity.largest_magnitude
    monkeypatch.setattr(
        plasticity, "largest_magnitude", lambda change: original(change) * (1.0 + 0.0 * change[0, 0].item())
    )
    before = torch.cuda.current_stream()
    for frame in frames[:3]:
        net.learn_one(frame)
    with pytest.warns(RuntimeWarning, match="could not be captured"):
        net.learn_one(frames[3])
    assert torch.cuda.current_stream() == before
    for frame in frames[:4]:
        expected = other.learn_one(frame)
    torch.testing.assert_close(net.transform_one(frames[4]), other.transform_one(frames[4]))
    assert expected.isfinite().all()
