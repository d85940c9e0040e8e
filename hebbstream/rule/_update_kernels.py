"""Compiled kernels of a layer's update: compete, find the events, sum their patches, write the weights."""

import numpy as np
from numba import float32, float64, int64, njit, types

from hebbstream.rule._lanes import compiled, exp, floats, ints, longs, matrix, number, ordered, rounded, short_matrix

_SCALE_FLOOR, _RATE_FLOOR, _PEAK_DECAY = 1e-30, 1e-10, 0.999


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
def compete_at(row, temperature, least, most, depth):
    """Compete at one position: return the winner, the log of the softmax's sum, and the cut above which values are events.

    `depth` is how far below the top the cut of the position before was.
    """
    highest = ordered(row[0])
    for k in range(row.size):
        highest = max(highest, ordered(row[k]))
    top = number(highest)
    winner = 0
    while row[winner] != top:
        winner += 1
    total = np.float32(0.0)
    for k in range(row.size):
        total += exp((row[k] - top) * temperature)
    spread = np.float32(np.log(total))
    cut = top + (least + spread) / temperature
    if most < row.size and above(row, cut) > most:
        cut = cut_for(row, most, cut, top, top - depth)
    return winner, spread, cut


@compiled(int64(matrix, int64, float64, float64, types.boolean, int64, ints, ints, floats, ints))
def compete(u, positions, temperature, least, hard, most, at, who, logs, winners):
    """Find the events of a step: activities whose logarithm is above `least`, the `most` largest of a position.

    Return how many there are, or −1 as soon as there might be no room for those of the next position, or an eighth of the
    positions has a quarter of what there is room for.
    """
    found, neurons = 0, u.shape[1]
    temperature, least, depth = np.float32(temperature), np.float32(least), np.float32(0.0)
    for p in range(positions):
        if found + (1 if hard else min(most, neurons)) > at.size or (p == positions // 8 and 4 * found > at.size):
            return -1
        row = u[p]
        winner, spread, cut = compete_at(row, temperature, least, neurons if hard else most, depth)
        winners[p], top = winner, row[winner]
        depth = top - cut
        if hard:
            at[found], who[found], logs[found] = p, winner, 0.0
            found += 1
            continue
        for k in range(neurons):
            if row[k] > cut:
                at[found], who[found], logs[found] = p, k, (row[k] - top) * temperature - spread
                found += 1
    return found


@compiled(types.void(matrix, int64, float64, float64, types.boolean, int64, types.boolean, matrix, floats))
def compete_densely(u, positions, temperature, least, hard, most, negate, activity, pull):
    """Do what `compete` and `sort` do where most activities are events: give all of them, with signs, and Σ s·y·u."""
    temperature, least, depth = np.float32(temperature), np.float32(least), np.float32(0.0)
    pull[:] = 0.0
    for p in range(positions):
        row, y = u[p], activity[p]
        winner, spread, cut = compete_at(row, temperature, least, row.size if hard else most, depth)
        top = row[winner]
        depth, sign = top - cut, np.float32(-1.0 if negate else 1.0)
        for k in range(row.size):
            value = sign * exp((row[k] - top) * temperature - spread)
            y[k] = value if row[k] > cut else np.float32(0.0)
        if hard:
            y[:] = 0.0
            y[winner] = 1.0
        y[winner] = abs(y[winner])
        for k in range(row.size):
            pull[k] += y[k] * row[k]


@compiled(int64(ints, ints, floats, int64, ints, types.boolean, longs, longs, ints, floats))
def sort(at, who, logs, found, winners, negate, starts, active, places, strengths):
    """Sort events by neuron, and give them their signs; return how many neurons are active.

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
        k = who[e]
        place = counts[k]
        counts[k] += 1
        y = np.exp(logs[e])
        places[place], strengths[place] = at[e], -y if negate and winners[at[e]] != k else y
    return number


@compiled(
    float32(
        floats, longs, int64, int64, int64, matrix, matrix, longs, longs, ints, floats, int64, int64, matrix, floats
    )
)
def accumulate(
    image, offsets, runs, length, step, u, weights, starts, active, places, strengths, first, last, change, norms
):
    """Sum the updates (eq. 2) of some of the active neurons, and their weights' norms; return the largest magnitude."""
    largest = np.int32(0)
    for a in range(first, last):
        k, row, begin, end = active[a], change[a], starts[a], starts[a + 1]
        pull = np.float32(0.0)
        for e in range(begin, end):
            pull += strengths[e] * u[places[e], k]
        w = weights[k]
        square = np.float32(0.0)
        for n in range(w.size):
            square += w[n] * w[n]
            row[n] = -pull * w[n]
        norms[a] = np.sqrt(square)
        for run in range(runs):
            target, base = row[run * length : (run + 1) * length], run * step
            e = begin
            while e + 4 <= end:
                s0, s1, s2, s3 = strengths[e], strengths[e + 1], strengths[e + 2], strengths[e + 3]
                x0 = image[base + offsets[places[e]] // 4 :]
                x1 = image[base + offsets[places[e + 1]] // 4 :]
                x2 = image[base + offsets[places[e + 2]] // 4 :]
                x3 = image[base + offsets[places[e + 3]] // 4 :]
                for n in range(length):
                    target[n] += s0 * x0[n] + s1 * x1[n] + s2 * x2[n] + s3 * x3[n]
                e += 4
            while e < end:
                s0, x0 = strengths[e], image[base + offsets[places[e]] // 4 :]
                for n in range(length):
                    target[n] += s0 * x0[n]
                e += 1
        for n in range(row.size):
            largest = max(largest, ordered(abs(row[n])))
    return number(largest)


@compiled(float32(matrix, floats, int64, int64, matrix, floats))
def finish(weights, pull, first, last, change, norms):
    """Do what `accumulate` does for neurons whose weighted patches are in `change`; return the largest magnitude."""
    largest = np.int32(0)
    for k in range(first, last):
        w, row, square = weights[k], change[k], np.float32(0.0)
        for n in range(w.size):
            square += w[n] * w[n]
            row[n] -= pull[k] * w[n]
        norms[k] = np.sqrt(square)
        for n in range(row.size):
            largest = max(largest, ordered(abs(row[n])))
    return number(largest)


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
            largest = max(peak[0] * _PEAK_DECAY, largest)
            peak[0] = largest
        rate /= largest
    for a in range(count):
        norms[a] = rate * max(abs(norms[a] - 1.0) + _RATE_FLOOR, np.float64(opening[0])) ** power
    learned[0] += samples
    opening[0] *= opening[1] ** samples


@compiled(types.void(matrix, short_matrix, longs, matrix, floats, int64, int64))
def apply(weights, copy, active, change, gains, first, last):
    """Add the updates to the weights of the active neurons, and to their rounded copy if there is one."""
    for a in range(first, last):
        row, w, gain = change[a], weights[active[a]], gains[a]
        for n in range(w.size):
            w[n] += gain * row[n]
        if copy.size:
            short = copy[active[a]]
            for n in range(w.size):
                short[n] = rounded(w[n])
