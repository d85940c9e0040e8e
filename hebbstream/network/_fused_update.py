"""A layer's update through compiled kernels, by the events of a step."""

import math
from typing import TYPE_CHECKING

import numpy as np

from hebbstream.network._fused import FusedForward, Plan
from hebbstream.network._rounded import mark_changed
from hebbstream.network._spec import LayerSpec
from hebbstream.rule import _fast as fast
from hebbstream.rule._plasticity import NEGLIGIBLE

if TYPE_CHECKING:
    from hebbstream.network._layer import SoftHebbLayer

_NO_COPY = np.empty((0, 0), np.uint16)
_DENSEST, _SMALL = 0.5, 128  # share of activities above which a dense product is faster, if there are more synapses
_WORTH_A_THREAD, _WEIGHT = 5_000_000, 16  # multiply-adds, and as how many a weight that comes through memory counts
_SCALES = {"none": 0, "max": 1, "running_max": 2}


class UpdateMemory:
    """Memory for the events of a step, and how many of them there may be before a dense product is faster."""

    def __init__(self, positions: int, synapses: int, spec: LayerSpec) -> None:
        neurons = spec.channels
        self.most = min(spec.event_budget or neurons, neurons)  # of a position
        self.room = int(positions * min(self.most, neurons if synapses <= _SMALL else _DENSEST * neurons))
        size = positions * self.most
        self.at, self.who, self.places = (np.empty(size, np.int32) for _ in range(3))
        self.activities, self.strengths = np.empty(size, np.float32), np.empty(size, np.float32)
        self.starts, self.active = np.empty(neurons + 1, np.int64), np.empty(neurons, np.int64)
        self.norms, self.pulls = np.empty(neurons, np.float32), np.empty(neurons, np.float32)

    @property
    def nbytes(self) -> int:
        """Bytes held, at most: the system finds memory for what is written only."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))


def update(layer: "SoftHebbLayer", step: FusedForward) -> bool:
    """Do the second half of a step, and step the layer's counters on; do nothing where events are too many."""
    spec, plan, weights = layer.spec, step.plan, layer.plastic_weights
    kernels, memory, w = plan.kernels, plan.memory, plan.arrays.plastic
    if memory is None:
        memory = plan.memory = UpdateMemory(plan.positions, w.shape[1], spec)
    found = _compete(plan, memory, spec)
    if found < 0:
        return False
    active = kernels.sort(
        memory.at, memory.who, memory.activities, found, memory.starts, memory.active, memory.places, memory.strengths
    )
    where = plan.image, plan.vectors, plan.offsets, plan.length
    events = memory.starts, memory.active, memory.places, memory.strengths
    scale, least = _SCALES[spec.update_scale], _WORTH_A_THREAD // (w.shape[1] * (_WEIGHT + found // max(1, active)))
    counters = plan.arrays.counters

    def measure(first: int, last: int) -> float:
        largest: float = kernels.measure(
            *where, plan.u, w, *events, scale, counters[0], first, last, memory.norms, memory.pulls
        )
        return largest

    largest = max(fast.spread(measure, active, max(1, least)))
    kernels.rates(
        memory.norms, active, largest, spec.learning_rate, spec.rate_power, float(spec.decay_samples or 0), scale,
        plan.batch, *counters,
    )  # fmt: skip
    rounded = layer.plastic_rounded.of(weights, kernels) if plan.rounding else _NO_COPY

    def change(first: int, last: int) -> None:
        kernels.update(*where, w, rounded, *events, memory.norms, memory.pulls, first, last)

    fast.spread(change, active, max(1, least))
    mark_changed(weights)
    if plan.rounding:
        layer.plastic_rounded.written(weights)
    return True


def _compete(plan: Plan, memory: UpdateMemory, spec: LayerSpec) -> int:
    """Find the events of a step, one position's after another's; return how many, or −1 if they are too many."""
    u, rule = plan.u[: plan.positions], _rule(spec)
    events = memory.at, memory.who, memory.activities

    def part(first: int, last: int) -> tuple[int, int]:
        begin = first * memory.most
        own = (array[begin:] for array in events)
        return begin, plan.kernels.compete(u, first, last, memory.room, *rule, *own)

    # Whether they are too many must not depend on the threads: the first part holds the eighth that decides early.
    found = 0
    for begin, count in fast.spread(part, plan.positions, max(plan.positions // 8 + 1, plan.worth_a_thread)):
        if count < 0 or found + count > memory.room:
            return -1
        if begin > found:
            for array in events:
                array[found : found + count] = array[begin : begin + count]
        found += count
    return found


def _rule(spec: LayerSpec) -> tuple[float, float, bool, int, bool]:
    least = math.log(max(spec.event_threshold, NEGLIGIBLE))
    hard, negate = spec.plasticity == "hard_wta", spec.plasticity == "soft_anti_hebbian"
    return spec.inverse_temperature, least, hard, spec.event_budget or spec.channels, negate
