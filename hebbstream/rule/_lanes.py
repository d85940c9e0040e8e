"""What kernels are made of: how they are compiled, and functions of one value that turn into vectors in a loop.

numba knows by a kernel's own file alone whether what it kept is still right. So the modules of kernels name the contents of this
one and of `hebbstream.rule._tile`; a test says when they no longer do.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, int32, int64, njit, types, uint16
from numba.core import cgutils
from numba.extending import intrinsic

floats, matrix = float32[::1], float32[:, ::1]
shorts, short_matrix = uint16[::1], uint16[:, ::1]
ints, longs = int32[::1], int64[::1]

_LOOSE = {"reassoc", "contract", "nsz"}  # sums in any order: vectors


def compiled(signature: Any) -> Any:
    """Compile for one signature at import, or read what was compiled before."""
    return njit(signature, nogil=True, cache=True, fastmath=_LOOSE, error_model="numpy")


@intrinsic
def _as_float(_typing, bits):  # noqa: ARG001  # which numba knows by its name
    def generate(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return float32(types.int32), generate


@intrinsic
def _as_bits(_typing, value):  # noqa: ARG001
    def generate(_context, builder, _signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.uint32(float32), generate


def every(builder: Any, value: Any, count: int) -> Any:
    """Return a vector that holds a value in all of its lanes."""
    blank, place = ir.Constant(ir.VectorType(value.type, count), ir.Undefined), ir.IntType(32)
    one = builder.insert_element(blank, value, place(0))
    return builder.shuffle_vector(one, blank, ir.Constant(ir.VectorType(place, count), [0] * count))


def _marks(predicate: str) -> Any:
    @intrinsic
    def marks(_typing, row, count, bound):  # noqa: ARG001
        def generate(_context, b, _signature, arguments):
            row, count, bound = arguments
            numbers, indices = ir.VectorType(ir.FloatType(), MARKED), ir.VectorType(ir.IntType(64), MARKED)
            inside = b.icmp_signed("<", ir.Constant(indices, list(range(MARKED))), every(b, count, MARKED))
            kind = ir.FunctionType(numbers, [numbers.as_pointer(), ir.IntType(32), inside.type, numbers])
            load = cgutils.get_or_insert_function(b.module, kind, f"llvm.masked.load.v{MARKED}f32.p0")
            address = b.inttoptr(row, numbers.as_pointer())
            values = b.call(load, [address, ir.IntType(32)(4), inside, ir.Constant(numbers, [0.0] * MARKED)])
            found = b.and_(b.fcmp_ordered(predicate, values, every(b, bound, MARKED)), inside)
            return b.bitcast(found, ir.IntType(MARKED))

        return types.int64(types.intp, types.intp, float32), generate

    return marks


MARKED = 64
marks_above, marks_equal = _marks(">"), _marks("==")
"""Bits that say which of `count` numbers, of `MARKED` at most, at an address are above a bound, or equal to it."""


@intrinsic
def lowest(_typing, bits):  # noqa: ARG001
    """Return the place of the lowest bit that is set; there is one."""

    def generate(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.int64), generate


@njit(inline="always")
def ordered(value):
    """Return a number as an integer that compares like it: the largest of integers is found in vectors, of floats it is not."""
    bits = np.int32(_as_bits(value))
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@njit(inline="always")
def number(order):
    """Return the number that `ordered` gave."""
    return _as_float(order ^ ((order >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@njit(inline="always")
def exp(x):
    """Return e^x for x ≤ 0 within two units in the last place: the polynomial of Cephes' expf, without branches."""
    x = max(x, np.float32(-87.0))
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375)
    r = r + n * np.float32(2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + np.float32(1.0)
    return p * _as_float((np.int32(n) + np.int32(127)) << np.int32(23))


@njit(inline="always")
def power(x, exponent):
    """Return x^p for x ≥ 0 and normal, NaN for NaN, to six digits: 2^(p·log₂ x), the logarithm by its series in (m − 1)/(m + 1)."""
    bits = np.int32(_as_bits(max(x, np.float32(1.2e-38)))) - np.int32(0x3F3504F3)  # √½ ≤ m < √2
    exponent_of_two = bits >> np.int32(23)
    m = _as_float((bits & np.int32(0x7FFFFF)) + np.int32(0x3F3504F3))
    s = (m - np.float32(1.0)) / (m + np.float32(1.0))
    q = s * s
    series = np.float32(1.0 / 9)
    series = series * q + np.float32(1.0 / 7)
    series = series * q + np.float32(1.0 / 5)
    series = series * q + np.float32(1.0 / 3)
    series = series * q + np.float32(1.0)
    logarithm = np.float32(exponent_of_two) + np.float32(2.88539008) * s * series
    y = logarithm * exponent
    y = min(max(y, np.float32(-126.0)), np.float32(127.0))
    n = np.floor(y + np.float32(0.5))
    f = (y - n) * np.float32(0.693147181)
    p = np.float32(1.0 / 5040)
    p = p * f + np.float32(1.0 / 720)
    p = p * f + np.float32(1.0 / 120)
    p = p * f + np.float32(1.0 / 24)
    p = p * f + np.float32(1.0 / 6)
    p = p * f + np.float32(0.5)
    p = p * f * f + f + np.float32(1.0)
    power = p * _as_float((np.int32(n) + np.int32(127)) << np.int32(23))
    return power if x > np.float32(0.0) else x


@njit(inline="always")
def rounded(value):
    """Return the nearest bfloat16 as its bits, ties to even."""
    bits = _as_bits(value)
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))
