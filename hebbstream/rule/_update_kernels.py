"""Compiled kernels of a layer's update: compete, find the events, sum their patches, write the weights."""

import numpy as np
from numba import float32, float64, int64, njit, types

from hebbstream.rule._lanes import (
    MARKED,
    compiled,
    exp,
    floats,
    ints,
    longs,
    lowest,
    marks_above,
    marks_equal,
    matrix,
    number,
    ordered,
    rounded,
    short_matrix,
)
from hebbstream.rule._tile import FEATURES, TOGETHER, event_sums, host_shape

BUILT_OF = "47935bd9d5aa"  # _lanes and _tile: what numba kept of this module is wrong if they change
_LANES = host_shape(FEATURES).lanes
_SUMS = event_sums(host_shape(FEATURES))
_PATCHES, _EVENTS = (floats, longs, longs, int64), (longs, longs, ints, floats)
_SCALE_FLOOR, _RATE_FLOOR = 1e-30, 1e-10
_PEAK_DECAY, _PEAK_GROWTH, _NO_PEAK = 0.999, 1.5, 1e-20


@compiled(types.void(matrix, short_matrix, longs, int64))
def round_rows(weights, copy, rows, count):
    """Write the first `count` of these rows to the copy in bfloat16."""
    for row in rows[:count]:
        source, target = weights[row], copy[row]
        for n in range(source.size):
            target[n] = rounded(source[n])


@njit(inline="always")
def above(row, cut):
    """Count the values above a cut."""
    count = np.int32(0)
    for k in range(row.size):
        count += np.int32(row[k] > cut)
    return count


@njit(inline="always")
def cut_for(row, most, low, high, guess):
    """Return a cut that leaves the `most` largest values, or fewer where others tie with the least of them.

    More are above `low`, none above `high`. Bisection, from a guess: counting is one pass of vectors.
    """
    middle = guess if low < guess < high else low + (high - low) * np.float32(0.5)
    while low < middle < high:
        count = above(row, middle)
        if count == most:
            return middle
        if count > most:
            low = middle
        else:
            high = middle
        middle = low + (high - low) * np.float32(0.5)
    return high


@njit(inline="always")
def compete_at(row, temperature, least, most, depth, powers):
    """Compete at one position: return the winner, the sum of all `powers`, and the cut above which values are events.

    `depth` is how far below the top the cut of the position before was.
    """
    highest = ordered(row[0])
    for k in range(row.size):
        highest = max(highest, ordered(row[k]))
    top = number(highest)
    winner = 0
    for begin in range(0, row.size, MARKED):
        marks = marks_equal(row.ctypes.data + 4 * begin, row.size - begin, top)
        if marks:
            winner = begin + lowest(marks)
            break
    total = np.float32(0.0)
    for k in range(row.size):
        powers[k] = exp((row[k] - top) * temperature)
    for k in range(row.size):  # alone: beside a store, its order would depend on how close in memory row and powers lie
        total += powers[k]
    cut = top + (least + np.float32(np.log(total))) / temperature
    if cut == top and -np.log(total) > least:
        cut = np.nextafter(top, np.float32(-np.inf))  # rounding must not cut off the winner
    if most < row.size and above(row, cut) > most:
        cut = cut_for(row, most, cut, top, top - depth)
    return winner, total, cut


@compiled(int64(matrix, *[int64] * 3, float64, float64, types.boolean, int64, types.boolean, ints, ints, floats))
def compete(u, first, last, room, temperature, least, hard, most, negate, at, who, activities):
    """Find the events of some positions: signed activities whose logarithm is above `least`, the `most` largest of a position.

    Return how many there are, or −1 as soon as they are more than `room`, or the first eighth of all positions has a sixth of
    that.
    """
    found, neurons, early = 0, u.shape[1], len(u) // 8
    temperature, least, depth = np.float32(temperature), np.float32(least), np.float32(0.0)
    powers = np.empty(neurons, np.float32)
    for p in range(first, last):
        if found > room or (first == 0 and p == early and 6 * found > room):
            return -1
        row = u[p]
        winner, total, cut = compete_at(row, temperature, least, neurons if hard else most, depth, powers)
        depth = row[winner] - cut
        if hard:
            at[found], who[found], activities[found] = p, winner, 1.0
            found += 1
            continue
        scale = np.float32(-1.0 if negate else 1.0) / total
        powers[winner] = -powers[winner] if negate else powers[winner]
        for begin in range(0, neurons, MARKED):
            marks = marks_above(row.ctypes.data + 4 * begin, neurons - begin, cut)
            while marks:
                k = begin + lowest(marks)
                at[found], who[found], activities[found] = p, k, powers[k] * scale
                found, marks = found + 1, marks & (marks - 1)
    return found


@compiled(int64(ints, ints, floats, int64, longs, longs, ints, floats))
def sort(at, who, activities, found, starts, active, places, strengths):
    """Sort events by neuron; return how many neurons are active.

    Those of the neuron ``active[a]`` lie from ``starts[a]`` to ``starts[a + 1]``.
    """
    counts = np.zeros(active.size, np.int64)
    for e in range(found):
        counts[who[e]] += 1
    number, begin = 0, 0
    for k in range(active.size):
        if counts[k]:
            active[number], starts[number] = k, begin
            number += 1
            begin, counts[k] = begin + counts[k], begin
    starts[number] = begin
    for e in range(found):
        place = counts[who[e]]
        counts[who[e]] += 1
        places[place], strengths[place] = at[e], activities[e]
    return number


@njit(inline="always")
def sum_patches(image, vectors, offsets, places, strengths, begin, end, sums):
    """Sum the patches of events, weighted; runs begin at whole vectors of `sums`."""
    for v in range(0, vectors.size, TOGETHER):
        _SUMS(
            image.ctypes.data, vectors.ctypes.data + 8 * v, offsets.ctypes.data, places.ctypes.data,
            strengths.ctypes.data, begin, end, sums.ctypes.data + 4 * _LANES * v,
        )  # fmt: skip


@njit(inline="always")
def magnitude(values):
    """Return the largest magnitude."""
    largest = np.int32(0)
    for n in range(values.size):
        largest = max(largest, ordered(abs(values[n])))
    return number(largest)


@compiled(float32(*_PATCHES, matrix, matrix, *_EVENTS, int64, floats, int64, int64, floats, floats))
def measure(
    image, vectors, offsets, length, u, weights, starts, active, places, strengths, scale, peak, first, last, norms,
    pulls,
):  # fmt: skip
    """Return the largest magnitude of the updates (eq. 2) of some active neurons; give their weights' norms, and Σ s·y·u.

    Only what `rates` needs of it is computed: an update that cannot exceed the running peak is not summed here,
    ``|Σ s·y·(x − u·w)| ≤ Σ |y|·max|x| + |Σ s·y·u|·max|w|``.
    """
    enough = (np.inf, -1.0, peak[0] * _PEAK_DECAY)[scale]
    sums = np.empty(vectors.size * _LANES, np.float32)
    room, widest, largest = -(-length // _LANES) * _LANES, magnitude(image), np.int32(0)
    for a in range(first, last):
        w = weights[active[a]]
        pull, mass, square = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        for e in range(starts[a], starts[a + 1]):
            pull += strengths[e] * u[places[e], active[a]]
            mass += abs(strengths[e])
        for n in range(w.size):
            square += w[n] * w[n]
        norms[a], pulls[a] = np.sqrt(square), pull
        if mass * widest + abs(pull) * norms[a] <= enough:  # no weight is larger than the norm
            continue
        if mass * widest + abs(pull) * magnitude(w) > enough:
            sum_patches(image, vectors, offsets, places, strengths, starts[a], starts[a + 1], sums)
            for run in range(w.size // length):
                row, target = w[run * length : (run + 1) * length], sums[run * room :]
                for n in range(length):
                    largest = max(largest, ordered(abs(target[n] - pull * row[n])))
    return number(largest)


@compiled(types.void(*_PATCHES, matrix, short_matrix, *_EVENTS, floats, floats, int64, int64))
def update(
    image, vectors, offsets, length, weights, copy, starts, active, places, strengths, gains, pulls, first, last
):
    """Sum the updates of some active neurons and add them to the weights, and to their rounded copy if there is one."""
    sums = np.empty(vectors.size * _LANES, np.float32)
    room = -(-length // _LANES) * _LANES
    for a in range(first, last):
        w, gain, pull = weights[active[a]], gains[a], pulls[a]
        sum_patches(image, vectors, offsets, places, strengths, starts[a], starts[a + 1], sums)
        for run in range(w.size // length):
            row, target = w[run * length : (run + 1) * length], sums[run * room :]
            for n in range(length):
                row[n] += gain * (target[n] - pull * row[n])
        if copy.size:
            short = copy[active[a]]
            for n in range(w.size):
                short[n] = rounded(w[n])


@compiled(types.void(floats, int64, float64, float64, float64, float64, int64, int64, floats, floats, longs))
def rates(norms, count, largest, rate, power, decay, scale, samples, peak, opening, learned):
    """Turn norms into rates (eq. 5), divided by the scale of the update; step the layer's counters on.

    `decay` is 0 for none, `scale` 0 for none, 1 for this step's largest magnitude, 2 for the running one.
    """
    if decay > 0:
        rate *= max(0.0, 1.0 - learned[0] / decay)
    if scale:
        largest += _SCALE_FLOOR
        if scale == 2:
            decayed = peak[0] * _PEAK_DECAY
            most = peak[0] * _PEAK_GROWTH if peak[0] > _NO_PEAK else largest
            peak[0] = max(decayed, min(largest, most))
            largest = max(decayed, largest)
        rate /= largest
    for a in range(count):
        norms[a] = rate * max(abs(norms[a] - 1.0) + _RATE_FLOOR, np.float64(opening[0])) ** power
    learned[0] += samples
    opening[0] *= opening[1] ** samples
