"""The inner loop of a convolution, as LLVM instructions: a tile of dot products held in vector registers.

A library's matrix product wants patches copied side by side, and weights packed; for the few positions of a single
sample that costs as much as the product. A dot product needs neither: a row of a patch is one run of memory in a
channels-last image, and so is the same row of a neuron's weights. A tile of positions by neurons has enough of them in
flight to keep the multipliers busy. Numba compiles it for the processor at hand; importing this module needs numba.
"""

from typing import Any, NamedTuple

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from hebbstream.rule._lanes import every

TOGETHER = 6
"""Vectors of a patch whose sums are held in registers."""

_FLOAT, _I16, _I32, _I64 = ir.FloatType(), ir.IntType(16), ir.IntType(32), ir.IntType(64)


class Shape(NamedTuple):
    """Lanes of a vector of float32, and the positions and neurons of a tile: as many as the registers hold."""

    lanes: int
    positions: int
    neurons: int


def host_shape(features: dict[str, bool]) -> Shape:
    """Return the shape for a processor: 32 registers of 512 bits, 16 of 256, or 32 of 128 (Arm)."""
    if features.get("avx512f"):
        return Shape(16, 8, 3)
    return Shape(8, 4, 3) if features.get("avx2") else Shape(4, 4, 6)


def has_bfloat16(features: dict[str, bool]) -> bool:
    """Whether the processor multiplies bfloat16 in vectors of 512 bits."""
    return all(features.get(name) for name in ("avx512f", "avx512bw", "avx512bf16"))


FEATURES: dict[str, bool] = dict(binding.get_host_cpu_features())


class _BFloat(ir.Type):  # type: ignore[misc]  # which llvmlite has not
    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


class _Emitter:
    """Writes the instructions of one tile."""

    def __init__(self, builder: Any, shape: Shape, bfloat16: bool) -> None:
        self.builder, self.shape, self.bfloat16 = builder, shape, bfloat16
        self.sums = ir.VectorType(_FLOAT, shape.lanes)
        self.count = shape.lanes * (2 if bfloat16 else 1)  # values in a vector of factors
        self.size = 2 if bfloat16 else 4
        self.raw = ir.VectorType(_I16 if bfloat16 else _FLOAT, self.count)
        self.factors = ir.VectorType(_BFloat(), self.count) if bfloat16 else self.raw

    def function(self, name: str, result: Any, *arguments: Any) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, arguments), name)

    def number(self, value: int, kind: Any = _I64) -> Any:
        return ir.Constant(kind, value)

    def load(self, address: Any, mask: Any) -> Any:
        b = self.builder
        pointer = b.inttoptr(address, self.raw.as_pointer())
        if mask is None:
            value = b.load(pointer)
            value.align = self.size
        else:
            kind = "i16" if self.bfloat16 else "f32"
            name = f"llvm.masked.load.v{self.count}{kind}.p0"
            zeros = ir.Constant(self.raw, [0 if self.bfloat16 else 0.0] * self.count)
            load = self.function(name, self.raw, self.raw.as_pointer(), _I32, mask.type, self.raw)
            value = b.call(load, [pointer, self.number(self.size, _I32), mask, zeros])
        return b.bitcast(value, self.factors) if self.bfloat16 else value

    def store(self, value: Any, address: Any, mask: Any) -> None:
        pointer = self.builder.inttoptr(address, self.sums.as_pointer())
        if mask is None:
            self.builder.store(value, pointer).align = 4
        else:
            name = f"llvm.masked.store.v{self.shape.lanes}f32.p0"
            store = self.function(name, ir.VoidType(), self.sums, self.sums.as_pointer(), _I32, mask.type)
            self.builder.call(store, [value, pointer, self.number(4, _I32), mask])

    def multiply_add(self, a: Any, b: Any, total: Any) -> Any:
        if self.bfloat16:
            name, arguments = "llvm.x86.avx512bf16.dpbf16ps.512", (total, a, b)
        else:
            name, arguments = f"llvm.fma.v{self.count}f32", (a, b, total)
        return self.builder.call(self.function(name, self.sums, *(each.type for each in arguments)), arguments)

    def prefetch(self, address: Any) -> None:
        pointer = self.builder.inttoptr(address, ir.IntType(8).as_pointer())
        prefetch = self.function("llvm.prefetch.p0", ir.VoidType(), pointer.type, _I32, _I32, _I32)
        self.builder.call(prefetch, [pointer, *(self.number(value, _I32) for value in (0, 2, 1))])  # read, to L2

    def first(self, count: Any) -> Any:
        """Return a mask of the first lanes."""
        lanes = ir.Constant(ir.VectorType(_I32, self.count), list(range(self.count)))
        return self.builder.icmp_signed("<", lanes, every(self.builder, self.builder.trunc(count, _I32), self.count))

    def halves(self, a: Any, b: Any, part: int) -> Any:
        """Add the upper half of each part of two vectors to its lower half; parts of `a` come first."""
        groups, half = range(a.type.count // part), range(part // 2)
        low = [group * part + lane for group in groups for lane in half]
        both = low if a is b else [*low, *(a.type.count + lane for lane in low)]

        def chosen(shift: int) -> Any:
            lanes = ir.Constant(ir.VectorType(_I32, len(both)), [lane + shift for lane in both])
            return self.builder.shuffle_vector(a, b, lanes)

        return self.builder.fadd(chosen(0), chosen(part // 2))

    def sum_lanes(self, vectors: list[Any]) -> Any:
        """Return a vector of the sums over the lanes of each vector."""
        part = self.shape.lanes
        while len(vectors) > 1:
            vectors = [self.halves(a, b, part) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
            part //= 2
        (total,) = vectors
        while part > 1:
            total, part = self.halves(total, total, part), part // 2
        return total


def dot_tile(shape: Shape) -> Any:
    """Return an intrinsic that computes one tile; its arguments are addresses, and numbers of bytes or runs.

    Only the first is not: an array whose type, uint16, says that factors are bfloat16. The others: the image, the offsets of the tile's positions in it, and the step from a run to the next; the
    weights, and the steps to the next neuron and the next run; the number of runs and the values in each; where the sums
    go, and the step to the next position; whether to add to what is there; and weights that will be needed soon.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        _typing: Any, factors: Any, image: Any, offsets: Any, image_step: Any, weights: Any, neuron_step: Any,  # noqa: ARG001
        run_step: Any, runs: Any, length: Any, out: Any, out_step: Any, add: Any, soon: Any,  # noqa: ARG001
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _generate(_Emitter(builder, shape, factors.dtype == types.uint16), *arguments[1:])
            return context.get_dummy_value()

        return types.void(factors, *[types.intp] * 12), generate

    return tile


def _generate(
    emit: _Emitter, image: Any, offsets: Any, image_step: Any, weights: Any, neuron_step: Any, run_step: Any,
    runs: Any, length: Any, out: Any, out_step: Any, add: Any, soon: Any,
) -> None:  # fmt: skip
    b, number, shape = emit.builder, emit.number, emit.shape
    totals = [[cgutils.alloca_once(b, emit.sums) for _ in range(shape.neurons)] for _ in range(shape.positions)]
    for row in totals:
        for total in row:
            b.store(ir.Constant(emit.sums, [0.0] * shape.lanes), total)
    table = b.inttoptr(offsets, _I64.as_pointer())
    patches = [b.add(image, b.load(b.gep(table, [number(place)]))) for place in range(shape.positions)]
    neurons = [b.add(weights, b.mul(neuron_step, number(place))) for place in range(shape.neurons)]
    whole, rest = b.sdiv(length, number(emit.count)), b.srem(length, number(emit.count))
    vector_bytes = number(emit.count * emit.size)

    def step(in_image: Any, in_weights: Any, mask: Any = None) -> None:
        w = [emit.load(b.add(neuron, in_weights), mask) for neuron in neurons]
        for patch, row in zip(patches, totals, strict=True):
            x = emit.load(b.add(patch, in_image), mask)
            for each, total in zip(w, row, strict=True):
                b.store(emit.multiply_add(x, each, b.load(total)), total)

    with cgutils.for_range(b, runs) as run:
        in_image, in_weights = b.mul(run.index, image_step), b.mul(run.index, run_step)
        with cgutils.for_range(b, whole) as vector:
            along = b.mul(vector.index, vector_bytes)
            emit.prefetch(b.add(soon, b.add(in_weights, along)))
            step(b.add(in_image, along), b.add(in_weights, along))
        with b.if_then(b.icmp_signed(">", rest, number(0))):
            along = b.mul(whole, vector_bytes)
            step(b.add(in_image, along), b.add(in_weights, along), emit.first(rest))
    fresh = b.icmp_signed("==", add, number(0))
    for neuron in range(shape.neurons):
        sums = emit.sum_lanes([b.load(row[neuron]) for row in totals])
        for place in range(shape.positions):
            address = b.add(out, b.add(b.mul(number(place), out_step), number(4 * neuron)))
            pointer = b.inttoptr(address, _FLOAT.as_pointer())
            before = b.select(fresh, ir.Constant(_FLOAT, 0.0), b.load(pointer))
            b.store(b.fadd(b.extract_element(sums, number(place, _I32)), before), pointer)


def broadcast_tile(shape: Shape, vectors: int) -> Any:
    """Return an intrinsic that computes a tile of positions by so many vectors of neurons, from weights with neurons side by side.

    Each value of a patch meets a vector of weights: nothing is summed over lanes, and none is idle, however short a run is.
    Its arguments are addresses, and numbers of bytes or runs: the image, the offsets of the tile's positions in it, and
    the step from a run to the next; the weights, and the step to the next synapse; the number of runs and the values in each; and
    where the sums go, the step to the next position, and how many neurons of the last vector there are.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        _typing: Any, image: Any, offsets: Any, image_step: Any, weights: Any, synapse_step: Any, runs: Any, length: Any,  # noqa: ARG001
        out: Any, out_step: Any, left: Any,  # noqa: ARG001
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _generate_broadcast(_Emitter(builder, shape, bfloat16=False), vectors, *arguments)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 10), generate

    return tile


def _generate_broadcast(
    emit: _Emitter, vectors: int, image: Any, offsets: Any, image_step: Any, weights: Any, synapse_step: Any, runs: Any,
    length: Any, out: Any, out_step: Any, left: Any,
) -> None:  # fmt: skip
    b, number, lanes = emit.builder, emit.number, emit.shape.lanes
    totals = [[cgutils.alloca_once(b, emit.sums) for _ in range(vectors)] for _ in range(emit.shape.positions)]
    for row in totals:
        for total in row:
            b.store(ir.Constant(emit.sums, [0.0] * lanes), total)
    table = b.inttoptr(offsets, _I64.as_pointer())
    patches = [b.add(image, b.load(b.gep(table, [number(place)]))) for place in range(emit.shape.positions)]
    with cgutils.for_range(b, runs) as run:
        in_image, in_weights = b.mul(run.index, image_step), b.mul(b.mul(run.index, length), synapse_step)
        with cgutils.for_range(b, length) as value:
            along = b.add(in_image, b.mul(value.index, number(emit.size)))
            synapse = b.add(weights, b.add(in_weights, b.mul(value.index, synapse_step)))
            w = [emit.load(b.add(synapse, number(lanes * emit.size * place)), None) for place in range(vectors)]
            for patch, row in zip(patches, totals, strict=True):
                x = every(b, b.load(b.inttoptr(b.add(patch, along), _FLOAT.as_pointer())), lanes)
                for each, total in zip(w, row, strict=True):
                    b.store(emit.multiply_add(x, each, b.load(total)), total)
    masks = [None] * (vectors - 1) + [emit.first(left)]
    for place, row in enumerate(totals):
        target = b.add(out, b.mul(number(place), out_step))
        for vector, (total, mask) in enumerate(zip(row, masks, strict=True)):
            emit.store(b.load(total), b.add(target, number(lanes * emit.size * vector)), mask)


def event_sums(shape: Shape) -> Any:
    """Return an intrinsic that sums the patches of events, weighted, for `TOGETHER` vectors of each patch.

    Its arguments are addresses: the image, where the vectors lie in a patch (bytes), the offsets of positions (bytes), the
    places and strengths of events; the first event and the one after the last; and where the sums go, side by side.
    """

    @intrinsic  # type: ignore[untyped-decorator]
    def sums(
        _typing: Any, image: Any, vectors: Any, offsets: Any, places: Any, strengths: Any, begin: Any, end: Any, out: Any,  # noqa: ARG001
    ) -> Any:  # fmt: skip
        def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            _generate_sums(_Emitter(builder, shape, bfloat16=False), *arguments)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 8), generate

    return sums


def _generate_sums(
    emit: _Emitter, image: Any, vectors: Any, offsets: Any, places: Any, strengths: Any, begin: Any, end: Any, out: Any
) -> None:
    b, number = emit.builder, emit.number

    def entry(address: Any, kind: Any, index: Any) -> Any:
        return b.load(b.gep(b.inttoptr(address, kind.as_pointer()), [index]))

    totals = [cgutils.alloca_once(b, emit.sums) for _ in range(TOGETHER)]
    for total in totals:
        b.store(ir.Constant(emit.sums, [0.0] * emit.shape.lanes), total)
    bases = [b.add(image, entry(vectors, _I64, number(place))) for place in range(TOGETHER)]
    with cgutils.for_range(b, end, begin) as event:
        offset = entry(offsets, _I64, entry(places, _I32, event.index))
        strength = every(b, entry(strengths, _FLOAT, event.index), emit.shape.lanes)
        for base, total in zip(bases, totals, strict=True):
            b.store(emit.multiply_add(strength, emit.load(b.add(base, offset), None), b.load(total)), total)
    for place, total in enumerate(totals):
        address = b.add(out, number(4 * emit.shape.lanes * place))
        b.store(b.load(total), b.inttoptr(address, emit.sums.as_pointer())).align = 4
