"""A step on fake CUDA tensors: no host synchronisation, no data-dependent shape, no mixed device."""

from contextlib import contextmanager

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import hebbstream as hs
from hebbstream.rule import _plasticity as plasticity

# Torch says so of each: a run that is stopped and goes on would not be what it was.
IN_ANY_ORDER = {
    "aten::cumsum",
    "aten::index_add",
    "aten::index_add_",
    "aten::scatter_add_",
    "aten::put_",
    "aten::histc",
}


class OnDeviceOnly(TorchDispatchMode):
    """Refuses what fake tensors let pass: copies to the host, operations on host tensors, and sums in any order."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func._schema.name not in IN_ANY_ORDER, func
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, out)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == "cuda", f"{func} on {leaf.device}"
        return out


@contextmanager
def fake_cuda(net):
    """Put a network on a CUDA device that does not exist."""
    with FakeTensorMode(allow_non_fake_inputs=False), pytest.MonkeyPatch.context() as patch:
        # The method asks for the device's runtime before it gets to the fake tensors; the operator does not.
        patch.setattr(torch.Tensor, "copy_", lambda target, source: torch.ops.aten.copy_.default(target, source))
        for module in net.modules():
            for key, tensor in list(module.named_buffers(recurse=False)):
                module._buffers[key] = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")
        with OnDeviceOnly():
            yield


def step(name, normalization="stream", batch=1, threshold=None, engine="eager", dtype=torch.float32, mirror=False):
    net = hs.SoftHebbNet.from_preset(
        name,
        width=4,
        width_factor=2,
        normalization=normalization,
        event_threshold=threshold,
        mirror=mirror,
        engine=engine,
    )
    preset = hs.PRESETS[name]
    with fake_cuda(net):
        x = torch.empty(batch, preset.in_channels, *preset.frame_size, dtype=dtype, device="cuda")
        held = [buffer for layer in net.layers for buffer in layer.buffers()]
        features = net._learn(x)
        assert features.device.type == net(x).device.type == "cuda"
        after = [buffer for layer in net.layers for buffer in layer.buffers()]
        assert all(new is old for new, old in zip(after, held, strict=True))  # updated in place, never replaced


@pytest.mark.parametrize("threshold", [0.0, 1e-3])
@pytest.mark.parametrize("batch", [1, 10])
@pytest.mark.parametrize("normalization", ["stream", "batch"])
@pytest.mark.parametrize("name", hs.PRESETS)
def test_a_step_launches_without_synchronisation(name, normalization, batch, threshold):
    step(name, normalization, batch, threshold)


def test_a_mirrored_step_launches_without_synchronisation():
    step("cifar10", mirror=True, dtype=torch.uint8)


def test_passes_on_two_streams_of_a_thread_share_no_memory(monkeypatch):
    """What a network keeps for a thread is for the host alone: on a card one pass would write over another's."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    monkeypatch.setattr(net._memory, "take", lambda count: pytest.fail("memory that is kept"))
    with fake_cuda(net):
        assert net(torch.empty(1, 3, 32, 32, device="cuda")).shape == (1, 1024)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16", "float16"])
def test_so_it_does_at_every_precision(precision):
    step("cifar10", engine=hs.EagerEngine(precision))


@pytest.mark.parametrize("rule", ["soft_hebbian", "hard_wta", "hebbian"])
def test_so_do_the_other_rules(rule, monkeypatch):
    original = plasticity.plastic_activity
    monkeypatch.setattr(plasticity, "plastic_activity", lambda u, _, *rest: original(u, rule, *rest))
    step("cifar10")


def test_so_do_a_budget_of_events_and_averages():
    net = hs.SoftHebbNet([hs.LayerSpec(channels=8, event_threshold=1e-3, event_budget=2, averaging_samples=9)], 3)
    with fake_cuda(net):
        assert net._learn(torch.empty(2, 3, 8, 8, device="cuda")).shape == (2, 128)


@pytest.mark.parametrize("normalization", ["stream", "whiten_colors", "whiten_patches"])
def test_so_does_one_of_a_signal(normalization):
    options = {"pool_size": (1, 2), "pool_stride": (1, 2), "normalization": normalization}
    specs = [hs.LayerSpec(channels=4, kernel_size=(1, k), **options) for k in (9, 3)]
    net = hs.SoftHebbNet(specs, 3, input_range=None)
    with fake_cuda(net):
        assert net._learn(torch.empty(2, 3, 1, 40, device="cuda")).shape == (2, 40)


def test_so_do_bytes():
    step("cifar10", dtype=torch.uint8)


@pytest.mark.parametrize(
    "plant",
    [
        lambda scale: scale.new_tensor(scale.item()),
        lambda scale: scale if scale > 0 else -scale,
        lambda scale: scale.cpu().to("cuda"),
        lambda scale: scale * torch.ones(()),
        lambda scale: torch.ops.aten.nonzero.default(scale).sum() * scale,
    ],
    ids=["item", "branch", "copy to the host", "host scalar", "data-dependent shape"],
)
def test_a_planted_synchronisation_is_caught(monkeypatch, plant):
    original = plasticity.largest_magnitude
    monkeypatch.setattr(plasticity, "largest_magnitude", lambda change: plant(original(change)))
    with pytest.raises(Exception, match=r"item|data-dependent|_local_scalar_dense|on cpu|dynamic|nonzero"):
        step("cifar10")


@pytest.mark.parametrize(
    "make",
    [
        hs.SoftmaxProbe,
        lambda: hs.SoftmaxProbe(optimizer="adam"),
        lambda: hs.SoftmaxProbe(calibrate=True),
        hs.RidgeProbe,
        lambda: hs.RidgeProbe(dimensions=7),
        lambda: hs.SldaProbe(half_life=9.0),
        hs.SldaProbe,
    ],
)
def test_a_probe_learns_without_synchronisation(make):
    probe = make()
    with FakeTensorMode(allow_non_fake_inputs=False):
        x = torch.empty(20, device="cuda")
        for label in "ab":
            probe.learn_one(x, label)
        with OnDeviceOnly():
            probe.learn_one(x, "a")
            probe.learn_one(x, "b", 2.0)
        assert all(tensor.device.type == "cuda" for tensor in probe.state_dict()["tensors"].values())
