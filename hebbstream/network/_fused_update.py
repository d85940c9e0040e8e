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

class UpdateMemory:
    """Memory for the events of a step, and for the updates of the neurons."""

    def __init__(self, positions: int, synapses: int, spec: LayerSpec) -> None:
        neurons = spec.channels
        most = min(spec.event_budget or neurons, DENSEST * neurons)
        size = int(positions * most) + neurons
        self.at, self.who, self.places = (np.empty(size, np.int32) for _ in range(3))
        self.activities, self.strengths = np.empty(size, np.float32), np.empty(size, np.float32)
        self.starts, self.active = np.empty(neurons + 1, np.int64), np.empty(neurons, np.int64)
        self.norms, self.pulls = np.empty(neurons, np.float32), np.empty(neurons, np.float32)
        # For a dense update: the system finds memory for what is written only.
        dense = (neurons, synapses), (positions, neurons), (positions, synapses)
        self.change, self.activity, self.patches = (np.empty(shape, np.float32) for shape in dense)

    @property
    def nbytes(self) -> int:
        """Bytes held, at most."""
        return sum(array.nbytes for array in vars(self).values())


def update(layer: Layer, step: FusedForward) -> None:
    """Do the second half of a step, and step the layer's counters on."""
    spec, plan, weights = layer.spec, step.plan, layer.weight_matrix
    memory = plan.memory
    if not isinstance(memory, UpdateMemory):
        memory = plan.memory = UpdateMemory(plan.positions, weights.shape[1], spec)
    rounded = layer.rounded.of(weights, plan.kernels) if plan.rounding else _NO_COPY
    w = weights.numpy()
    if not _by_events(layer, plan, memory, w, rounded):
        _densely(layer, plan, memory, w, rounded)
    mark_changed(weights)
    if plan.rounding:
        layer.rounded.written(weights)


def _rule(spec: LayerSpec) -> tuple[float, float, bool, int, bool]:
    least = math.log(max(spec.event_threshold, _NEGLIGIBLE))
    hard, negate = spec.plasticity == "hard_wta", spec.plasticity == "soft_anti_hebbian"
    return spec.inverse_temperature, least, hard, spec.event_budget or spec.channels, negate


def _rates(layer: Layer, plan: Plan, memory: UpdateMemory, count: int, largest: float) -> None:
    spec = layer.spec
    counters = (layer.update_peak.view(1), layer.opening, layer.samples_learned.view(1))
    plan.kernels.rates(
        memory.norms, count, largest, spec.learning_rate, spec.rate_power, float(spec.decay_samples or 0),
        _SCALES[spec.update_scale], plan.batch, *(each.numpy() for each in counters),
    )  # fmt: skip


def _by_events(layer: Layer, plan: Plan, memory: UpdateMemory, w: Any, rounded: Any) -> bool:
    """Update the active neurons; do nothing where events are too many."""
    kernels, spec = plan.kernels, layer.spec
    found = kernels.compete(plan.u, plan.positions, *_rule(spec), memory.at, memory.who, memory.activities)
    if found < 0:
        return False
    active = kernels.sort(
        memory.at, memory.who, memory.activities, found, memory.starts, memory.active, memory.places, memory.strengths
    )
    where = plan.image, plan.vectors, plan.offsets, plan.length
    events = memory.starts, memory.active, memory.places, memory.strengths
    scale, peak = _SCALES[spec.update_scale], layer.update_peak.view(1).numpy()

    def measure(first: int, last: int) -> float:
        largest: float = kernels.measure(
            *where, plan.u, w, *events, scale, peak, first, last, memory.norms, memory.pulls
        )
        return largest

    def update(first: int, last: int) -> None:
        kernels.update(*where, w, rounded, *events, memory.norms, memory.pulls, first, last)

    worth = _WORTH_A_THREAD // w.shape[1]
    _rates(layer, plan, memory, active, max(fast.spread(measure, active, max(1, worth // 4))))
    fast.spread(update, active, max(1, active * worth // max(1, found)))
    return True


def _densely(layer: Layer, plan: Plan, memory: UpdateMemory, w: Any, rounded: Any) -> None:
    """Update all neurons, by a product of activities and patches."""
    kernels, count = plan.kernels, len(w)
    kernels.compete_densely(plan.u, plan.positions, *_rule(layer.spec), memory.activity, memory.pulls)
    activity, patches = torch.from_numpy(memory.activity), torch.from_numpy(memory.patches)
    patches.view(plan.patches.shape).copy_(plan.patches)
    torch.mm(activity.t(), patches, out=torch.from_numpy(memory.change))

    def finish(first: int, last: int) -> float:
        largest: float = kernels.finish(w, memory.pulls, first, last, memory.change, memory.norms)
        return largest

    def apply(first: int, last: int) -> None:
        kernels.apply(w, rounded, memory.change, memory.norms, first, last)

    least = max(1, _WORTH_A_THREAD // (4 * w.shape[1]))
    _rates(layer, plan, memory, count, max(fast.spread(finish, count, least)))
    fast.spread(apply, count, least)
