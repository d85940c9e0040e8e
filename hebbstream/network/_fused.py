"""A layer's step through compiled kernels: the same as the torch operations of `SoftHebbLayer`, in a few calls."""

import math
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from hebbstream.network._parts import Forward, output
from hebbstream.network._rounded import RoundedWeights, mark_changed
from hebbstream.network._spec import LayerSpec
from hebbstream.rule import _fast as fast
from hebbstream.rule._normalize import StreamNorm
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._sparse import DENSEST
from hebbstream.rule._workspace import Workspace

_NONE = np.empty(0, np.float32)
_NO_COPY = np.empty(0, np.uint16)
_NO_COPY_ROWS = np.empty((0, 0), np.uint16)
_NEGLIGIBLE = 1e-30  # of an activity, see `hebbstream.rule._plasticity`
_WORTH_A_THREAD = 5_000_000  # multiply-adds
_SCALES = {"none": 0, "max": 1, "running_max": 2}
_LEAST_RUN = 32  # shorter runs than a vector of bfloat16 gain nothing by rounding


class Layer(Protocol):
    """What a kernel needs of a `SoftHebbLayer`."""

    spec: LayerSpec
    in_channels: int
    norm: StreamNorm | None
    rounded: RoundedWeights
    weight_matrix: Tensor
    samples_learned: Tensor
    update_peak: Tensor
    opening: Tensor


class Plan:
    """The memory of a layer's steps of one shape, and where each position's patch begins in the padded image."""

    def __init__(self, kernels: Any, layer: Layer, batch: int, height: int, width: int, *, rounding: bool) -> None:
        spec, channels = layer.spec, layer.in_channels
        (k, across), (above, left) = spec.kernel, spec.padding
        rows, columns = height + 2 * above, width + 2 * left
        self.kernels, self.batch, self.height, self.width = kernels, batch, height, width
        self.rounding = rounding
        self.positions = batch * height * width
        self.runs, self.length, self.step, self.rows, self.channels = (
            k,
            across * channels,
            columns * channels,
            rows,
            channels,
        )
        self.image: Any = np.empty(batch * rows * columns * channels, np.float32)
        self.short = np.empty(self.image.size, np.uint16) if rounding else _NO_COPY
        places = np.arange(batch)[:, None, None] * rows + np.arange(height)[:, None]
        places = ((places * columns + np.arange(width)) * channels).reshape(-1)
        last = np.full(-self.positions % kernels.SHAPE.positions, places[-1])  # a whole number of tiles
        self.offsets = np.concatenate([places, last]) * 4
        self.short_offsets = self.offsets // 2
        self.u = np.empty((len(self.offsets), spec.channels), np.float32)
        self.weighted_input = torch.from_numpy(self.u[: self.positions])
        self.events: _Events | None = None

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = (self.image, self.short, self.offsets, self.short_offsets, self.u)
        return sum(array.nbytes for array in held) + (0 if self.events is None else self.events.nbytes)


class _Events:
    """Memory for the events of a step, and for the update of the active neurons."""

    def __init__(self, positions: int, neurons: int, synapses: int) -> None:
        size = int(DENSEST * positions * neurons) + neurons
        self.at, self.who, self.places = (np.empty(size, np.int32) for _ in range(3))
        self.logs, self.strengths = np.empty(size, np.float32), np.empty(size, np.float32)
        self.winners = np.empty(positions, np.int32)
        self.starts, self.active = np.empty(neurons + 1, np.int64), np.empty(neurons, np.int64)
        self.norms = np.empty(neurons, np.float32)
        self.change = np.empty((neurons, synapses), np.float32)  # the system finds memory for what is written only

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in vars(self).values())


class FusedForward(Forward):
    """A `Forward` whose patches are still in the image."""

    def __init__(self, output: Tensor, plan: Plan, patches_shape: tuple[int, int]) -> None:
        for name, value in (("output", output), ("weighted_input", plan.weighted_input)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "_shape", patches_shape)
        object.__setattr__(self, "_copied", None)

    plan: Plan
    _shape: tuple[int, int]
    _copied: Tensor | None

    def __reduce__(self) -> tuple[type[Forward], tuple[Tensor, ...]]:
        """Copy it, or pickle it, with patches of its own: the plan's memory is for the next step."""
        if self._copied is None:
            object.__setattr__(self, "_copied", self.patches.clone())
        return Forward, (self.output, self.weighted_input, self._copied)  # type: ignore[return-value]

    @property
    def patches(self) -> Tensor:
        """``x``, shape (P, N)."""
        plan = self.plan
        sizes = (plan.batch, plan.height, plan.width, plan.runs, plan.length)
        strides = (plan.rows * plan.step, plan.step, plan.channels, plan.step, 1)
        return torch.from_numpy(plan.image).as_strided(sizes, strides).reshape(self._shape)


def kernels_for(layer: Layer, x: Tensor, precision: PrecisionName) -> Any:
    """Return the kernels if they can do this layer's step at this precision, or ``None``.

    The exact update, without a threshold, stays with torch; so do the features of such a layer, which are then the same
    bit for bit whether it learns or not.
    """
    spec = layer.spec
    if spec.kernel_size is None or not x.is_cpu or not len(x) or precision == "float16" or x.dtype != torch.float32:
        return None
    if not spec.event_threshold or spec.plasticity == "hebbian":
        return None
    kernels = fast.kernels()
    if kernels is None or spec.channels < kernels.SHAPE.neurons or (precision == "bfloat16" and not kernels.BFLOAT16):
        return None
    return kernels


def forward(kernels: Any, layer: Layer, x: Tensor, workspace: Workspace, precision: PrecisionName, *, learn: bool) -> Forward:  # fmt: skip
    """Do the first half of a step; with `learn`, the statistics of the normalisation take `x` in."""
    batch, _, height, width = x.shape
    length = layer.spec.kernel[1] * layer.in_channels
    rounding = precision == "bfloat16" or (precision == "auto" and kernels.BFLOAT16 and length >= _LEAST_RUN)
    key = (batch, height, width, rounding, layer.spec)
    plan: Plan = workspace.plan(key, lambda: Plan(kernels, layer, batch, height, width, rounding=rounding))
    _enter(plan, layer, x, learn=learn)
    weights: Any = layer.weight_matrix.numpy()
    convolve, factors, image, offsets = kernels.convolve, weights, plan.image, plan.offsets
    if rounding:
        convolve, factors = kernels.convolve_bfloat16, layer.rounded.of(layer.weight_matrix, kernels)
        image, offsets = plan.short, plan.short_offsets

    def part(first: int, last: int) -> None:
        convolve(image, offsets, plan.runs, plan.length, plan.step, factors, plan.u, first, last)

    least = max(kernels.SHAPE.neurons, _WORTH_A_THREAD // (plan.positions * weights.shape[1]))
    fast.spread(part, weights.shape[0], least)
    return FusedForward(_leave(plan, layer.spec), plan, (plan.positions, weights.shape[1]))


def _enter(plan: Plan, layer: Layer, x: Tensor, *, learn: bool) -> None:
    """Normalise, pad, and round into the plan's image."""
    norm, eps, mean, var = layer.norm, 0.0, _NONE, _NONE
    plain = type(norm) is StreamNorm and not norm.use_batch_statistics
    if norm is not None and not plain:
        x = norm.learn(x) if learn else norm.forward(x)
    pixels = x.permute(0, 2, 3, 1).contiguous().view(-1, layer.in_channels).numpy()
    if norm is not None and plain:
        eps, mean, var = norm.eps, norm.mean.numpy(), norm.var.numpy()
        if learn:
            plan.kernels.follow(pixels, mean, var, norm.count.view(1).numpy(), norm.momentum, plan.batch)
    plan.kernels.pad(
        pixels, mean, var, eps, plan.batch, plan.height, plan.width, *layer.spec.padding, plan.image, plan.short
    )


def _leave(plan: Plan, spec: LayerSpec) -> Tensor:
    """Activate and pool; shape (B, K, H', W') in channels-last memory."""
    average = spec.pool == "avg"
    if spec.activation not in ("triangle", "repu", "relu") or (
        average and spec.activation != "relu" and spec.power != 1.0
    ):
        return output(spec, plan.weighted_input, plan.batch, plan.height, plan.width)
    size, stride, border = ((1, 1), (1, 1), (0, 0)) if spec.pool == "none" else spec.window
    rows, columns = spec.output_size(plan.height, plan.width)
    out = torch.empty((plan.batch * rows * columns, spec.channels), dtype=torch.float32, device="cpu")
    centre, power = spec.activation == "triangle", 1.0 if spec.activation == "relu" else spec.power
    plan.kernels.pool(
        plan.u, centre, power, plan.batch, plan.height, plan.width, *size, *stride, *border, average, rows, out.numpy()
    )
    return out.view(plan.batch, rows, columns, spec.channels).permute(0, 3, 1, 2)


def update(layer: Layer, step: FusedForward) -> bool:
    """Do the second half of a step, and step the layer's counters on; or do nothing where events are too many."""
    spec, plan, weights = layer.spec, step.plan, layer.weight_matrix
    kernels, events = plan.kernels, plan.events
    if events is None:
        events = plan.events = _Events(plan.positions, *weights.shape)
    w, counters = weights.numpy(), (layer.update_peak.view(1), layer.opening, layer.samples_learned.view(1))
    least = math.log(max(spec.event_threshold, _NEGLIGIBLE))
    found = kernels.compete(
        plan.u, plan.positions, spec.inverse_temperature, least, spec.plasticity == "hard_wta",
        spec.event_budget or w.shape[0], events.at, events.who, events.logs, events.winners,
    )  # fmt: skip
    if found < 0:
        return False
    active = kernels.sort(
        events.at, events.who, events.logs, found, events.winners, spec.plasticity == "soft_anti_hebbian",
        events.starts, events.active, events.places, events.strengths,
    )  # fmt: skip

    def accumulate(first: int, last: int) -> float:
        largest: float = kernels.accumulate(
            plan.image, plan.offsets, plan.runs, plan.length, plan.step, plan.u, w, events.starts, events.active,
            events.places, events.strengths, first, last, events.change, events.norms,
        )  # fmt: skip
        return largest

    work = found * w.shape[1]
    parts = max(1, active * _WORTH_A_THREAD // max(1, work))
    largest = max(fast.spread(accumulate, active, parts))
    kernels.rates(
        events.norms, active, largest, spec.learning_rate, spec.rate_power, float(spec.decay_samples or 0),
        _SCALES[spec.update_scale], plan.batch, *(each.numpy() for each in counters),
    )  # fmt: skip
    rounded = layer.rounded.of(weights, kernels) if plan.rounding else _NO_COPY_ROWS

    def apply(first: int, last: int) -> None:
        kernels.apply(w, rounded, events.active, events.change, events.norms, first, last)

    fast.spread(apply, active, max(1, _WORTH_A_THREAD // (4 * w.shape[1])))
    mark_changed(weights)
    if plan.rounding:
        layer.rounded.written(weights)
    return True
