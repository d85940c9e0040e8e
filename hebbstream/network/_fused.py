"""A layer's forward pass through compiled kernels: the same as the torch operations of `SoftHebbLayer`, in a few calls."""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hebbstream.network._parts import Forward, finished, output
from hebbstream.network._spec import LayerSpec
from hebbstream.rule import _fast as fast
from hebbstream.rule._normalize import StreamNorm
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._whiten import StreamWhitening
from hebbstream.rule._workspace import Workspace, aligned

if TYPE_CHECKING:
    from hebbstream.network._fused_update import UpdateMemory
    from hebbstream.network._layer import SoftHebbLayer

_NONE = np.empty(0, np.float32)
_NO_COPY = np.empty(0, np.uint16)
_WORTH_A_THREAD = 5_000_000  # multiply-adds; twice as many where factors are rounded
_VALUES_WORTH_A_THREAD = 50_000  # of `u`, to compete or to pool
_FEW_CHANNELS = 512  # more are whitened by a library's products, on several threads
_LEAST_RUN = 64  # two vectors of bfloat16: shorter runs gain nothing by rounding
_SHORT_RUN, _IN_CACHE = 5, 131072  # vectors of float32, and bytes of weights: then a value at a time is faster


class Arrays:
    """A layer's tensors as NumPy arrays over the same memory, made once and not at every step."""

    def __init__(self, layer: "SoftHebbLayer") -> None:
        self._addresses = _addresses(layer)
        self.weights: Any = layer.weight_matrix.numpy()
        self.plastic: Any = layer.plastic_weights.numpy()
        peak, learned = layer.update_peak.view(1), layer.samples_learned.view(1)
        self.counters: tuple[Any, ...] = peak.numpy(), layer.opening.numpy(), learned.numpy()
        norm = layer.norm
        self.statistics: tuple[Any, ...] = _NONE, _NONE
        if norm is not None:
            self.statistics = norm.mean.numpy(), norm.var.numpy(), norm.count.view(1).numpy()
        if isinstance(norm, StreamWhitening):
            self.statistics += (norm.covariance.numpy(),)
            self.map: Any = norm.matrix.numpy()

    def are_of(self, layer: "SoftHebbLayer") -> bool:
        """Whether they are the layer's still: one that is moved, or shared between processes, has its tensors elsewhere."""
        return self._addresses == _addresses(layer)


def _addresses(layer: "SoftHebbLayer") -> list[int]:
    tensors = list(layer._buffers.values()) + (list(layer.norm._buffers.values()) if layer.norm is not None else [])
    return [tensor.data_ptr() for tensor in tensors if tensor is not None]


class Plan:
    """The memory of a layer's steps of one shape, and where each position's patch begins in the padded image."""

    def __init__(
        self, kernels: Any, layer: "SoftHebbLayer", batch: int, height: int, width: int, *, rounding: bool
    ) -> None:
        spec = layer.spec
        k, across = spec.cut
        above, left = k // 2, across // 2
        channels = layer.weight_matrix.shape[1] // (k * across)
        rows, columns = height + 2 * above, width + 2 * left
        self.kernels, self.batch, self.height, self.width = kernels, batch, height, width
        self.rounding = rounding
        self.positions = batch * height * width
        self.short_runs = not rounding and across * channels < _SHORT_RUN * kernels.SHAPE.lanes
        self.short_runs &= layer.weight_matrix.nbytes <= _IN_CACHE
        self.worth_a_thread = -(-_VALUES_WORTH_A_THREAD // spec.channels)  # positions
        self.runs, self.length, self.step, self.rows, self.channels = (
            k,
            across * channels,
            columns * channels,
            rows,
            channels,
        )
        lanes, together = kernels.SHAPE.lanes, kernels.TOGETHER
        # With room behind it: the last vector of a run may read beyond it.
        self.image: Any = aligned((batch * rows * columns * channels + lanes,), torch.float32)
        self.image[-lanes:] = 0.0
        vectors = np.arange(k)[:, None] * self.step + np.arange(0, self.length, lanes)
        self.vectors = 4 * np.resize(vectors, -(-vectors.size // together) * together)  # of a patch, in bytes
        self.short = aligned(self.image.shape, torch.uint16) if rounding else _NO_COPY
        places = np.arange(batch)[:, None, None] * rows + np.arange(height)[:, None]
        places = ((places * columns + np.arange(width)) * channels).reshape(-1)
        last = np.full(-self.positions % kernels.SHAPE.positions, places[-1])  # a whole number of tiles
        self.offsets = np.concatenate([places, last]) * 4
        self.short_offsets = self.offsets // 2
        self.border, self.window = (above, left), [side for pair in spec.window_in(width) for side in pair]
        self.pooled = spec.pooled_size(height, width)
        self.u = aligned((len(self.offsets), spec.channels), torch.float32)
        self.weighted_input = torch.from_numpy(self.u[: self.positions])
        self.arrays = Arrays(layer)
        whitened = isinstance(layer.norm, StreamWhitening) and channels <= _FEW_CHANNELS
        self.white: Any = aligned((len(self.offsets) if whitened else 0, channels), torch.float32)
        self.memory: UpdateMemory | None = None  # of an update, from the first one on

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        held = (self.image, self.short, self.offsets, self.short_offsets, self.vectors, self.u, self.white)
        return sum(array.nbytes for array in held) + (0 if self.memory is None else self.memory.nbytes)

    @property
    def patches(self) -> Tensor:
        """A view of the image, shape (B, H, W, k, length): each position's runs of memory."""
        sizes = (self.batch, self.height, self.width, self.runs, self.length)
        strides = (self.rows * self.step, self.step, self.channels, self.step, 1)
        return torch.from_numpy(self.image).as_strided(sizes, strides)


class FusedForward(Forward):
    """A `Forward` whose patches are still in the image."""

    def __init__(self, output: Tensor, plan: Plan, patches_shape: tuple[int, int]) -> None:
        self.output, self.weighted_input = output, plan.weighted_input
        self.plan, self._shape = plan, patches_shape
        self._copied: Tensor | None = None  # kept, as the bytes of a pickled tensor say where it lies

    def __reduce__(self) -> tuple[type[Forward], tuple[Tensor, ...]]:
        """Copy it, or pickle it, with patches of its own: the plan's memory is for the next step."""
        if self._copied is None:
            self._copied = self.patches.clone()
        return Forward, (self.output, self.weighted_input, self._copied)

    @property
    def patches(self) -> Tensor:  # type: ignore[override]  # nobody sets them
        """``x``, shape (P, N)."""
        return self.plan.patches.reshape(self._shape)

    def patches_at(self, places: Tensor, samples: int) -> Tensor:  # noqa: ARG002  # the plan knows
        """Return the patches at some places of each sample, and copy no others."""
        rows, columns = places // self.plan.width, places % self.plan.width
        return self.plan.patches[:, rows, columns].reshape(-1, self._shape[1])


def kernels_for(layer: "SoftHebbLayer", x: Tensor, precision: PrecisionName) -> Any:
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
    if not (layer.weight_matrix.is_contiguous() and layer.plastic_weights.is_contiguous()):  # as given by their user
        return None
    return kernels


def forward(
    kernels: Any, layer: "SoftHebbLayer", x: Tensor, workspace: Workspace, precision: PrecisionName,
    *, follow: bool = False,
) -> Forward:  # fmt: skip
    """Do a forward pass; with `follow`, the statistics of the normalisation take `x` in."""
    batch, _, height, width = x.shape
    length = layer.weight_matrix.shape[1] // layer.spec.cut[0]
    rounding = precision == "bfloat16" or (precision == "auto" and kernels.BFLOAT16 and length >= _LEAST_RUN)
    key = (batch, height, width, length, rounding, layer.spec)
    plan: Plan = workspace.plan(key, lambda: Plan(kernels, layer, batch, height, width, rounding=rounding))
    if not plan.arrays.are_of(layer):
        plan.arrays = Arrays(layer)
    _enter(plan, layer, x, follow=follow)
    weights = plan.arrays.weights
    _multiply(plan, layer.rounded.of(layer.weight_matrix, kernels) if rounding else weights)
    return FusedForward(_leave(plan, layer.spec), plan, (plan.positions, weights.shape[1]))


def weigh_again(layer: "SoftHebbLayer", plan: Plan) -> None:
    """Compute the weighted input of the plan's image once more, by the weights that learn."""
    rounded = layer.plastic_rounded.of(layer.plastic_weights, plan.kernels) if plan.rounding else None
    _multiply(plan, plan.arrays.plastic if rounded is None else rounded)


def _multiply(plan: Plan, factors: Any) -> None:
    """Compute the weighted input of the plan's image, by weights or by their rounded copy."""
    kernels, image, offsets = plan.kernels, plan.image, plan.offsets
    multiply, count, least = kernels.convolve, factors.shape[0], kernels.SHAPE.neurons
    if plan.rounding:
        image, offsets = plan.short, plan.short_offsets
    elif plan.short_runs:
        multiply, count, least = kernels.convolve_short, len(offsets) // kernels.SHAPE.positions, 1

    def part(first: int, last: int) -> None:
        multiply(image, offsets, plan.runs, plan.length, plan.step, factors, plan.u, first, last)

    worth = _WORTH_A_THREAD * (2 if plan.rounding else 1)
    fast.spread(part, count, max(least, worth * count // (plan.positions * factors.size)))


def _enter(plan: Plan, layer: "SoftHebbLayer", x: Tensor, *, follow: bool) -> None:
    """Normalise, pad, and round into the plan's image."""
    norm, eps, mean, var = layer.norm, 0.0, _NONE, _NONE
    if isinstance(norm, StreamWhitening) and plan.channels <= _FEW_CHANNELS:
        pixels = _whitened(plan, norm, _pixels(norm.cut(x)), follow=follow)
    elif type(norm) is StreamNorm and not norm.use_batch_statistics:
        pixels, eps, (mean, var, _) = _pixels(x), norm.eps, plan.arrays.statistics
        if follow:
            plan.kernels.follow(pixels, *plan.arrays.statistics, norm.momentum, plan.batch)
    else:
        pixels = _pixels(x if norm is None else norm.learn(x) if follow else norm.forward(x))
    plan.kernels.pad(pixels, mean, var, eps, plan.batch, plan.height, plan.width, *plan.border, plan.image, plan.short)


def _pixels(x: Tensor) -> Any:
    return x.permute(0, 2, 3, 1).contiguous().view(-1, x.shape[1]).numpy()


def _whitened(plan: Plan, norm: StreamWhitening, pixels: Any, *, follow: bool) -> Any:
    if follow:
        began = plan.kernels.follow_together(pixels, *plan.arrays.statistics, norm.momentum, plan.batch)
        norm.make_map(plan.batch, began)
    plan.kernels.whiten(pixels, plan.arrays.statistics[0], plan.arrays.map, plan.white)
    return plan.white[: plan.positions]


def _leave(plan: Plan, spec: LayerSpec) -> Tensor:
    """Activate, pool and scale; shape (B, K, H', W') in channels-last memory."""
    average = spec.pools_averages
    if spec.activation not in ("triangle", "repu", "relu") or (
        average and spec.activation != "relu" and spec.power != 1.0
    ):
        return output(spec, plan.weighted_input, plan.batch, plan.height, plan.width)
    rows, columns = plan.pooled
    out = torch.empty((plan.batch * rows * columns, spec.channels), dtype=torch.float32, device="cpu")
    centre, power = spec.activation == "triangle", 1.0 if spec.activation == "relu" else spec.power
    u, pooled, size = plan.u, out.numpy(), plan.height * plan.width
    at_once = spec.unit_length and spec.average_size == 1  # averages are scaled after they are taken

    def part(first: int, last: int) -> None:
        plan.kernels.pool(
            u[first * size : last * size], centre, power, last - first, plan.height, plan.width, *plan.window, average, at_once, rows,
            pooled[first * rows * columns : last * rows * columns],
        )  # fmt: skip

    fast.spread(part, plan.batch, -(-plan.worth_a_thread // size))
    maps = out.view(plan.batch, rows, columns, spec.channels).permute(0, 3, 1, 2)
    return maps if spec.average_size == 1 else finished(spec, maps)
