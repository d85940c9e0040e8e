"""A layer's update through compiled kernels, by the events of a step, or densely where they are too many."""

import math
from typing import Any

import numpy as np
import torch

from hebbstream.network._fused import FusedForward, Layer, Plan
from hebbstream.network._rounded import mark_changed
from hebbstream.network._spec import LayerSpec
from hebbstream.rule import _fast as fast
from hebbstream.rule._sparse import DENSEST

_NO_COPY = np.empty((0, 0), np.uint16)
_NEGLIGIBLE = 1e-30  # of an activity, see `hebbstream.rule._plasticity`
_WORTH_A_THREAD = 5_000_000  # multiply-adds
_SCALES = {"none": 0, "max": 1, "running_max": 2}

_Summed = tuple[Any, int, float]
"""Neurons, how many they are, and the largest magnitude of their updates, which lie in `UpdateMemory.change`."""


class UpdateMemory:
    """Memory for the events of a step, and for the updates of the neurons."""

    def __init__(self, positions: int, synapses: int, spec: LayerSpec) -> None:
        neurons = spec.channels
        most = min(spec.event_budget or neurons, DENSEST * neurons)
        size = int(positions * most) + neurons
        self.at, self.who, self.places = (np.empty(size, np.int32) for _ in range(3))
        self.logs, self.strengths = np.empty(size, np.float32), np.empty(size, np.float32)
        self.winners = np.empty(positions, np.int32)
        self.starts, self.active = np.empty(neurons + 1, np.int64), np.empty(neurons, np.int64)
        self.norms = np.empty(neurons, np.float32)
        self.change = np.empty((neurons, synapses), np.float32)  # the system finds memory for what is written only
        self.all, self.pull = np.arange(neurons), np.empty(neurons, np.float32)
        self.activity, self.patches = (
            np.empty((positions, neurons), np.float32),
            np.empty((positions, synapses), np.float32),
        )

    @property
    def nbytes(self) -> int:
        """Bytes held, at most."""
        return sum(array.nbytes for array in vars(self).values())


def update(layer: Layer, step: FusedForward) -> None:
    """Do the second half of a step, and step the layer's counters on."""
    spec, plan, weights = layer.spec, step.plan, layer.weight_matrix
    memory = plan.memory
    if memory is None:
        memory = plan.memory = UpdateMemory(plan.positions, weights.shape[1], spec)
    w = weights.numpy()
    neurons, count, largest = _by_events(plan, memory, spec, w) or _densely(plan, memory, spec, w)
    counters = (layer.update_peak.view(1), layer.opening, layer.samples_learned.view(1))
    plan.kernels.rates(
        memory.norms, count, largest, spec.learning_rate, spec.rate_power, float(spec.decay_samples or 0),
        _SCALES[spec.update_scale], plan.batch, *(each.numpy() for each in counters),
    )  # fmt: skip
    rounded = layer.rounded.of(weights, plan.kernels) if plan.rounding else _NO_COPY

    def apply(first: int, last: int) -> None:
        plan.kernels.apply(w, rounded, neurons, memory.change, memory.norms, first, last)

    fast.spread(apply, count, max(1, _WORTH_A_THREAD // (4 * w.shape[1])))
    mark_changed(weights)
    if plan.rounding:
        layer.rounded.written(weights)


def _rule(spec: LayerSpec) -> tuple[float, float, bool, int]:
    least = math.log(max(spec.event_threshold, _NEGLIGIBLE))
    return spec.inverse_temperature, least, spec.plasticity == "hard_wta", spec.event_budget or spec.channels


def _by_events(plan: Plan, memory: UpdateMemory, spec: LayerSpec, w: Any) -> _Summed | None:
    """Sum the updates of the active neurons; do nothing where events are too many."""
    kernels = plan.kernels
    found = kernels.compete(plan.u, plan.positions, *_rule(spec), memory.at, memory.who, memory.logs, memory.winners)
    if found < 0:
        return None
    active = kernels.sort(
        memory.at, memory.who, memory.logs, found, memory.winners, spec.plasticity == "soft_anti_hebbian",
        memory.starts, memory.active, memory.places, memory.strengths,
    )  # fmt: skip

    def accumulate(first: int, last: int) -> float:
        largest: float = kernels.accumulate(
            plan.image, plan.offsets, plan.runs, plan.length, plan.step, plan.u, w, memory.starts, memory.active,
            memory.places, memory.strengths, first, last, memory.change, memory.norms,
        )  # fmt: skip
        return largest

    least = max(1, active * _WORTH_A_THREAD // max(1, found * w.shape[1]))
    return memory.active, active, max(fast.spread(accumulate, active, least))


def _densely(plan: Plan, memory: UpdateMemory, spec: LayerSpec, w: Any) -> _Summed:
    """Sum the updates of all neurons: a product of activities and patches."""
    kernels, count = plan.kernels, len(w)
    negate = spec.plasticity == "soft_anti_hebbian"
    kernels.compete_densely(plan.u, plan.positions, *_rule(spec), negate, memory.activity, memory.pull)
    activity, patches = torch.from_numpy(memory.activity), torch.from_numpy(memory.patches)
    patches.view(plan.patches.shape).copy_(plan.patches)
    torch.mm(activity.t(), patches, out=torch.from_numpy(memory.change))

    def finish(first: int, last: int) -> float:
        largest: float = kernels.finish(w, memory.pull, first, last, memory.change, memory.norms)
        return largest

    return memory.all, count, max(fast.spread(finish, count, max(1, _WORTH_A_THREAD // (4 * w.shape[1]))))
