"""Compiled kernels learn what torch operations learn, at every rule, pooling, normalisation and precision."""

import copy
import hashlib
import importlib
import os
import pickle
import runpy
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import ReferenceLayer

import hebbstream as hs
from hebbstream.network import _fused as fused
from hebbstream.network import _fused_update as fused_update
from hebbstream.rule import _fast as fast
from hebbstream.rule import _plasticity as plasticity
from hebbstream.rule._workspace import Workspace

pytestmark = pytest.mark.skipif(bool(fast.reason()), reason=fast.reason())

KERNELS = fast.kernels()
if KERNELS:
    from hebbstream.rule import _forward_kernels, _lanes, _update_kernels
SPEC = hs.LayerSpec(
    channels=20, kernel_size=3, learning_rate=0.05, event_threshold=1e-3, update_scale="running_max",
    pool_size=4, pool_padding=1,
)  # fmt: skip
CHANGES = [
    {},
    {"plasticity": "soft_hebbian", "power": 0.7},
    {"plasticity": "hard_wta", "update_scale": "max"},
    {"update_scale": "none", "learning_rate": 1e-4},
    {"decay_samples": 30, "rate_power": 0.75, "inverse_temperature": 0.3},
    {"kernel_size": 5, "channels": 7, "activation": "repu", "power": 1.4},
    {"kernel_size": 1, "activation": "relu", "pool": "none", "pool_padding": 0},
    {"activation": "softmax", "activation_inverse_temperature": 0.1, "pool": "avg", "pool_size": 3},
    {"activation": "tanh", "pool_size": 2, "pool_padding": 0, "pool_stride": 3},
    {"pool": "avg", "power": 1.4},
    {"pool": "avg", "pool_size": 3},
    {"pool": "time_avg", "pool_size": 4, "pool_stride": 3},
    {"pool": "time_avg", "power": 1.4},
    {"unit_length": True},
    {"unit_length": True, "activation": "tanh", "pool": "avg"},
    {"average_size": (1, 2)},
    {"average_size": 2, "unit_length": True},
    {"normalization": "whiten"},
    {"normalization": "whiten_patches"},
    {"normalization": "whiten_colors"},
    {"kernel_size": (1, 5), "pool_size": (2, 3), "pool_stride": (1, 2), "pool_padding": (0, 1)},
    {"normalization": "batch"},
    {"normalization": "none", "learning_rate": 0.2},
    {"learning_rate": 0.0},
    {"averaging_samples": 3},
    {"averaging_samples": 3, "learning_rate": 0.0},
    {"radius": 1.0, "kernel_size": 7, "averaging_samples": 1000},
    {"radius": 1.0},  # nearly all activities are events
    {"radius": 1.0, "kernel_size": 7},  # of so many synapses that the dense product takes over
    {"event_threshold": 0.9},
    {"event_budget": 2},
    {"event_budget": 1, "plasticity": "hard_wta"},
    {"radius": 1.0, "event_budget": 4},
    {"radius": 1.0, "event_budget": 3, "plasticity": "soft_hebbian", "inverse_temperature": 0.3},
]


def pictures(count, height=12, width=15, channels=3):
    """Smooth ones: their channels and positions are correlated as in real pictures."""
    x = np.random.default_rng(0).random((count, channels, height, width)).astype(np.float32)
    return (x + np.roll(x, 1, 2) + np.roll(x, 1, 3)) / 3


def by_torch(call, *arguments):
    with fast.without_kernels():
        return call(*arguments)


def assert_alike(net, other, tolerance=1e-4):
    for name, tensor in net.state_dict().items():
        expected = other.state_dict()[name]
        if tensor.is_floating_point():
            assert float((tensor - expected).norm()) <= tolerance * float(expected.norm()), name
        else:
            assert torch.equal(tensor, expected), name


@pytest.mark.parametrize("short_runs", [True, False])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_a_step_is_that_of_torch(changes, batch, short_runs, monkeypatch):
    monkeypatch.setattr(fused, "_SHORT_RUN", 100 if short_runs else 0)
    first = replace(SPEC, **changes)
    narrow = {"kernel_size": (3, 1), "pool": "none"} if first.pool == "time_avg" else {}
    net = hs.SoftHebbNet([first, replace(SPEC, channels=13, **narrow)], 3, seed=1)
    twin, initial = copy.deepcopy(net), copy.deepcopy(net)
    for step in range(6):
        x = pictures(24)[step * 4 : step * 4 + batch]
        found, expected = net.learn_many(x), by_torch(twin.learn_many, x)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
    assert_alike(net, twin)
    torch.testing.assert_close(net.transform_many(x), by_torch(net.transform_many, x), rtol=1e-3, atol=1e-3)
    moved = [float((a.weight - b.weight).norm()) for a, b in zip(net.layers, initial.layers, strict=True)]
    assert moved[1] > 0
    assert moved[0] > 0 or first.learning_rate == 0 or first.event_threshold == 0.9


@pytest.mark.parametrize("normalization", ["stream", "whiten", "whiten_patches"])
def test_what_varies_is_seen_beside_a_large_mean(normalization):
    """Air pressure in Pa, say."""
    net = hs.SoftHebbNet([replace(SPEC, normalization=normalization)], 3, input_range=None)
    twin, pressures = copy.deepcopy(net), 101325 + 10 * pictures(20)
    for x in pressures:
        net.learn_one(x)
        by_torch(twin.learn_one, x)
    torch.testing.assert_close(net.layers[0].norm.var, twin.layers[0].norm.var, rtol=0.02, atol=0)
    torch.testing.assert_close(net.layers[0].update_peak, twin.layers[0].update_peak, rtol=0.02, atol=0)


def test_the_winner_learns_however_large_the_weighted_input_is():
    large = replace(SPEC, normalization="none", inverse_temperature=16.0)
    net = hs.SoftHebbNet([large], 3, input_range=None)
    twin, initial = copy.deepcopy(net), copy.deepcopy(net)
    for x in 1e6 * pictures(5):
        net.learn_one(x)
        by_torch(twin.learn_one, x)
    assert_alike(net, twin)
    assert not torch.equal(net.layers[0].weight, initial.layers[0].weight)


def test_networks_that_share_an_engine_learn_as_alone():
    engine = hs.EagerEngine()
    for channels in (3, 1):
        spec = replace(SPEC, channels=20)
        shared, alone = hs.SoftHebbNet([spec], channels, engine=engine), hs.SoftHebbNet([spec], channels)
        for x in pictures(3, channels=channels):
            assert torch.equal(shared.learn_one(x), alone.learn_one(x))


@pytest.mark.parametrize("compute", [lambda call, *arguments: call(*arguments), by_torch], ids=["kernels", "torch"])
def test_a_forward_pass_is_learned_as_a_sample_where_features_are_of_averaged_weights(compute):
    net = hs.SoftHebbNet([replace(SPEC, normalization="none", averaging_samples=100)], 3)
    twin = copy.deepcopy(net)
    for x in pictures(10):
        compute(net.learn_one, x)
        compute(lambda x: twin._learn_from(twin._forward_one(x)), x)
    assert_alike(net, twin, tolerance=1e-6)


@pytest.mark.parametrize("changes", [{}, {"event_budget": 3}, {"event_budget": 3, "radius": 1.0}], ids=str)
def test_a_step_equals_the_equations(changes):
    net = hs.SoftHebbNet([replace(SPEC, event_threshold=1e-9, **changes)], 3, seed=1)
    reference = ReferenceLayer(net.layers[0].spec, net.layers[0].weight.numpy())
    for x in pictures(8):
        assert isinstance(net.layers[0].forward(torch.from_numpy(x[None])), fused.FusedForward)
        features = net.learn_one(x)
        expected = reference.learn(x[None].astype(np.float64)).reshape(-1)
        np.testing.assert_allclose(features.numpy(), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    found = net.layers[0].weight.numpy().reshape(reference.w.shape)
    assert np.linalg.norm(found - reference.w) <= 1e-5 * np.linalg.norm(reference.w)


@pytest.mark.parametrize("name", ["cifar10", "video"])
def test_presets_learn_alike(name, frames):
    net = hs.SoftHebbNet.from_preset(name, width=9)
    twin = copy.deepcopy(net)
    for frame in frames[:10]:
        net.learn_one(frame)
        by_torch(twin.learn_one, frame)
    assert_alike(net, twin)


@pytest.mark.parametrize("neurons", [6, 16, 17, 33, 47, 48, 49, 100])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_number_of_neurons_fills_its_vectors_and_no_more(neurons, channels):
    (layer,) = hs.SoftHebbNet(
        [replace(SPEC, channels=neurons, kernel_size=5, pool="none", pool_padding=0)], channels
    ).layers
    x = torch.rand(2, channels, 9, 7)
    found, expected = layer.forward(x), by_torch(layer.forward, x)
    assert found.plan.short_runs
    torch.testing.assert_close(found.weighted_input, expected.weighted_input, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", ["replaced", "shared"])
def test_a_layer_whose_tensors_are_others_learns_with_them(frames, change):
    net = hs.SoftHebbNet.from_preset("cifar10", width=8)
    net.learn_one(frames[0])
    if change == "replaced":
        for module in net.modules():
            for name, tensor in list(module.named_buffers(recurse=False)):
                setattr(module, name, tensor.clone())
    else:
        net.share_memory()
    twin = pickle.loads(pickle.dumps(net))  # noqa: S301
    for frame in frames[1:4]:
        assert torch.equal(net.learn_one(frame), twin.learn_one(frame))
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), twin.state_dict().values(), strict=True))


def test_patches_are_there_when_asked_for():
    layer = hs.SoftHebbNet.from_preset("cifar10", width=8).layers[0]
    x = torch.rand(2, 3, 9, 7)
    found, expected = layer.forward(x), by_torch(layer.forward, x)
    torch.testing.assert_close(found.patches, expected.patches)
    torch.testing.assert_close(found.weighted_input, expected.weighted_input, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not KERNELS or not KERNELS.BFLOAT16, reason="no bfloat16 on this processor")
@pytest.mark.parametrize("batch", [1, 3])
def test_bfloat16_gives_the_numbers_of_rounded_factors(frames, batch):
    net = hs.SoftHebbNet.from_preset("cifar10", width=9, engine=hs.EagerEngine("bfloat16"))
    twin = copy.deepcopy(net)
    for step in range(3):
        x = frames[step : step + batch]
        found, expected = net.learn_many(x), by_torch(twin.learn_many, x)
        assert float((found - expected).norm()) <= 1e-3 * float(expected.norm())


@pytest.mark.skipif(not KERNELS or not KERNELS.BFLOAT16, reason="no bfloat16 on this processor")
def test_the_rounded_copy_follows_every_change(frames):
    specs = hs.PRESETS["cifar10"].resolve(width=16)
    specs[1] = replace(specs[1], averaging_samples=10)
    net, other = (hs.SoftHebbNet(specs, 3, seed=seed, engine=hs.EagerEngine("auto")) for seed in (0, 5))

    def assert_fresh():
        for layer in net.layers[1:]:
            for weights, copied in (
                (layer.weight_matrix, layer.rounded),
                (layer.plastic_weights, layer.plastic_rounded),
            ):
                expected = weights.to(torch.bfloat16).view(torch.uint16)
                assert np.array_equal(copied.of(weights, KERNELS), expected.numpy())

    for frame in frames[:5]:
        net.learn_one(frame)
        assert_fresh()
    net.load_state_dict(other.state_dict())
    assert_fresh()
    assert torch.equal(net.transform_one(frames[0]), other.transform_one(frames[0]))
    net.layers[1].weight.mul_(0.5)
    assert_fresh()
    net.engine = hs.EagerEngine()
    net.learn_one(frames[6])
    assert_fresh()
    assert torch.equal(pickle.loads(pickle.dumps(net)).transform_one(frames[0]), net.transform_one(frames[0]))  # noqa: S301


@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_a_resumed_run_gives_the_same_bits(frames, tmp_path, precision):
    specs = [replace(spec, averaging_samples=3) for spec in hs.PRESETS["cifar10"].resolve(width=8)]
    net = hs.SoftHebbNet(specs, 3, engine=hs.EagerEngine(precision))
    for frame in frames[:5]:
        net.learn_one(frame)
    net.save(tmp_path / "net.safetensors")
    again = hs.load(tmp_path / "net.safetensors")
    again.engine = hs.EagerEngine(precision)
    for frame in frames[5:10]:
        assert torch.equal(net.learn_one(frame), again.learn_one(frame))
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True))


@pytest.mark.parametrize("together", [1, 3])
@pytest.mark.parametrize("radius", [25.0, 0.8])  # of the first layer: events are few, or too many
@pytest.mark.parametrize("short_runs", [True, False])
def test_threads_change_nothing(frames, monkeypatch, together, radius, short_runs):
    monkeypatch.setattr(fused, "_SHORT_RUN", 5 if short_runs else 0)
    specs = hs.PRESETS["cifar10"].resolve(width=8)
    specs[0] = replace(specs[0], radius=radius, kernel_size=7, averaging_samples=10)
    one, two = (hs.SoftHebbNet(specs, 3) for _ in range(2))
    for module in (fused, fused_update):
        monkeypatch.setattr(module, "_WORTH_A_THREAD", 1000)
    monkeypatch.setattr(fused, "_VALUES_WORTH_A_THREAD", 100)
    parts, spread = {}, fast.spread

    def watched(call, count, least):
        results = spread(call, count, least)
        parts.setdefault(call.__qualname__.split(".")[0], len(results))
        return results

    monkeypatch.setattr(fast, "spread", watched)
    # Too many events make a dense update, whose product is torch's: on some processors it sums in another order in threads.
    same = torch.equal if radius == 25.0 else partial(torch.allclose, rtol=1e-4, atol=1e-4)
    before = torch.get_num_threads()
    try:
        for start in range(0, 5 * together, together):
            torch.set_num_threads(1)
            expected = one.learn_many(frames[start : start + together])
            parts.clear()
            torch.set_num_threads(3)
            assert same(two.learn_many(frames[start : start + together]), expected)
            assert (parts["_compete"], parts["_leave"]) == (3, together)
            assert parts["_multiply"] == 3 or not short_runs
    finally:
        torch.set_num_threads(before)
    assert all(same(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not Linux")
def test_a_thread_moves_away_from_its_callers_processor_and_is_not_bound():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert fast._elsewhere(min(allowed), lambda *bounds: bounds, 1, 2) == (1, 2)  # nowhere else to go
        os.sched_setaffinity(0, allowed)
        here = fast._processor()
        assert here in allowed
        assert fast._elsewhere(here, lambda *bounds: bounds, 1, 2) == (1, 2)
        assert os.sched_getaffinity(0) == allowed
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="not Linux")
def test_a_thread_that_may_not_move_computes_where_it_is(monkeypatch):
    def forbidden(*_):
        raise PermissionError

    monkeypatch.setattr(fast, "_processor", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(os, "sched_setaffinity", forbidden)
    assert fast._elsewhere(0, lambda *bounds: bounds, 1, 2) == (1, 2)


def test_what_numba_keeps_is_right_when_a_part_of_a_kernel_has_changed():
    folder = Path(fast.__file__).parent
    parts = "".join((folder / f"{name}.py").read_text("utf-8") for name in ("_lanes", "_tile"))
    expected = hashlib.sha256(parts.encode()).hexdigest()[:12]
    for module in (_forward_kernels, _update_kernels):
        assert expected == module.BUILT_OF, f"{module.__name__}: set BUILT_OF to {expected!r}"


def test_the_exponential_is_that_of_numpy():
    u = np.random.default_rng(0).uniform(-95, 0, (8, 4000)).astype(np.float32)
    u[:, 0] = 0.0
    at, who = (np.empty(u.size + 4000, np.int32) for _ in range(2))
    activities = np.empty(u.size + 4000, np.float32)
    found = KERNELS.compete(u, 0, 8, u.size, 1.0, np.log(1e-30), False, u.shape[1], False, at, who, activities)
    y = np.exp(u.astype(np.float64))
    y /= y.sum(axis=1, keepdims=True)
    assert found == (y > 1e-30).sum()
    np.testing.assert_allclose(activities[:found], y[at[:found], who[:found]], rtol=1e-4)


def test_what_wins_does_not_depend_on_where_in_memory_its_powers_lie():
    import numba

    @numba.njit(fastmath=_lanes._LOOSE, error_model="numpy")
    def total(row, powers):
        return _update_kernels.compete_at(row, np.float32(1.0), np.float32(-7.0), row.size, np.float32(0.0), powers)[1]

    for size in (8, 12, 24, 40):
        memory = np.zeros(1000, np.float32)
        row = memory[:size]
        row[:] = np.random.default_rng(size).normal(size=size)
        assert len({total(row, memory[begin : begin + size]) for begin in range(size, 900)}) == 1


@pytest.mark.parametrize("most", [1, 2, 7, 40, 99])
@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 5.0])
def test_the_largest_are_found_and_ties_dropped(most, scale):
    random = np.random.default_rng(most)
    u = (scale * random.normal(size=(50, 100))).astype(np.float32)
    u[40:] = np.round(u[40:])  # ties
    at, who = (np.empty(u.size, np.int32) for _ in range(2))
    activities = np.empty(u.size, np.float32)
    found = KERNELS.compete(u, 0, len(u), u.size, 0.5, np.log(1e-30), False, most, False, at, who, activities)
    kept = np.zeros(u.shape, bool)
    kept[at[:found], who[:found]] = True
    assert np.array_equal(kept, u > np.sort(u)[:, -1 - most, None])


@pytest.mark.parametrize(
    ("changes", "by_events"), [({}, True), ({"kernel_size": 7}, False), ({"event_budget": 4}, True)]
)
def test_most_activities_may_be_events_of_few_synapses(changes, by_events):
    layer = hs.SoftHebbNet([replace(SPEC, radius=1.0, **changes)], 3, seed=1).layers[0]
    before = copy.deepcopy(layer.state_dict())
    assert fused_update.update(layer, layer.forward(torch.from_numpy(pictures(2)))) == by_events
    moved = [name for name, tensor in layer.state_dict().items() if not torch.equal(tensor, before[name])]
    assert bool(moved) == by_events


@pytest.mark.parametrize(("even", "too_many"), [(0.4, False), (0.6, True)])
@pytest.mark.parametrize("threads", [1, 3])
def test_whether_events_are_too_many_does_not_depend_on_threads(even, too_many, threads, monkeypatch):
    spec = replace(SPEC, kernel_size=7)
    plan = hs.SoftHebbNet([spec], 3).layers[0].forward(torch.from_numpy(pictures(2))).plan
    memory = fused_update.UpdateMemory(plan.positions, 3 * 7 * 7, spec)
    plan.u[:] = 0.0  # all neurons alike
    peaked = plan.positions - round(even * plan.positions)
    plan.u[:peaked, 0] = 100.0
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    plan.worth_a_thread = 1
    found = fused_update._compete(plan, memory, spec)
    assert found == (-1 if too_many else peaked + (plan.positions - peaked) * spec.channels)
    if not too_many:
        assert np.array_equal(memory.at[:found], np.sort(memory.at[:found]))
        assert np.array_equal(memory.who[:peaked], np.zeros(peaked))


@pytest.mark.parametrize("radius", [25.0, 1.0])
def test_the_running_peak_is_as_if_every_update_were_summed(radius):
    spec = replace(SPEC, radius=radius)
    layer = hs.SoftHebbNet([spec], 3, seed=1).layers[0]
    step = layer.forward(torch.from_numpy(pictures(2)))
    plan, weights = step.plan, layer.weight_matrix
    memory = fused_update.UpdateMemory(plan.positions, weights.shape[1], spec)
    found = fused_update._compete(plan, memory, spec)
    events = memory.starts, memory.active, memory.places, memory.strengths
    active = KERNELS.sort(memory.at, memory.who, memory.activities, found, *events)

    def largest(scale, peak):
        return KERNELS.measure(
            plan.image, plan.vectors, plan.offsets, plan.length, plan.u, weights.numpy(), *events, scale,
            np.array([peak], np.float32), 0, active, memory.norms, memory.pulls,
        )  # fmt: skip

    u = step.weighted_input
    activity = plasticity.plastic_activity(u, spec.plasticity, spec.inverse_temperature, spec.event_threshold)
    change = plasticity.weight_change(activity, u, step.patches, weights)
    exact = largest(1, 0.0)
    assert exact == pytest.approx(float(change.abs().max()), rel=1e-4)
    assert largest(0, 0.0) == largest(2, 1000 * exact) == 0.0
    for peak in exact * np.array([0.1, 0.5, 0.9, 0.999, 1.0, 1.01, 2.0, 5.0], np.float32):
        assert max(peak * 0.999, largest(2, peak)) == max(peak * 0.999, exact)
    np.testing.assert_allclose(memory.norms[:active], layer.norms().numpy()[memory.active[:active]], rtol=1e-5)


@pytest.mark.parametrize("power", [0.3, 0.7, 1.4, 3.0])
def test_a_power_is_that_of_numpy(power):
    u = np.concatenate([np.geomspace(1e-9, 1e9, 3000), [0.0, -1.0]]).astype(np.float32)[None]
    out = np.empty_like(u)
    KERNELS.pool(u, False, power, 1, 1, 1, 1, 1, 1, 1, 0, 0, False, False, 1, out)
    np.testing.assert_allclose(out, np.maximum(u, 0).astype(np.float64) ** power, rtol=2e-6 + 2e-6 * power)


def test_what_numba_keeps_is_not_read_from_where_a_file_in_the_current_folder_says(monkeypatch):
    """It holds pickles, and the folder may have been downloaded."""
    config, load, seen = importlib.import_module("numba.core.config"), importlib.import_module, []
    monkeypatch.setattr(config, "CACHE_DIR", ".numba-cache")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(
        importlib, "import_module", lambda name: seen.append(config.CACHE_DIR) if "hebbstream" in name else load(name)
    )
    fast._Loader()._load()
    assert seen == [""]
    assert config.CACHE_DIR == ".numba-cache"  # others may have chosen it


def test_it_loads_where_nothing_forks(monkeypatch):
    monkeypatch.delattr(os, "register_at_fork")  # as on Windows
    assert runpy.run_path(fast.__file__)["spread"](lambda first, last: last - first, 10, least=100) == [10]


def test_without_numba_torch_does_the_work_and_info_says_so():
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "import hebbstream as hs, numpy as np\n"
        "from hebbstream.rule import _fast\n"
        "net = hs.SoftHebbNet.from_preset('cifar10', width=4)\n"
        "print(net.learn_one(np.zeros((32, 32, 3), np.uint8)).shape, _fast.reason())\n"
        "from hebbstream.cli._main import main; main(['info'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "torch.Size([1024])" in done.stdout
    assert done.stdout.count("pip install 'hebbstream[fast]'") == 2


@pytest.mark.parametrize("normalization", ["stream", "whiten", "none", "batch"])
def test_a_step_whose_moments_are_given_is_computed_by_kernels_too(normalization):
    spec = replace(SPEC, normalization=normalization, learning_rate=0.2)
    given, plain = (hs.SoftHebbNet([spec], 3, seed=1).layers[0] for _ in range(2))
    for x in torch.from_numpy(pictures(6)).split(2):
        workspaces = Workspace(), Workspace()
        found = given.learn_forward(x, workspaces[0], moments=given.moments(x))
        expected = plain.learn_forward(x, workspaces[1])
        torch.testing.assert_close(found.output, expected.output, rtol=1e-4, atol=1e-5)
        assert isinstance(found, fused.FusedForward) == (normalization != "batch")
        given.update(found, workspaces[0])
        plain.update(expected, workspaces[1])
    assert_alike(given, plain)
