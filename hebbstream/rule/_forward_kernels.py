"""Compiled kernels of a layer's forward pass.

Images are padded and channels-last, ``(samples, rows, columns, channels)`` flat; rows of ``u`` are positions.
"""

import numpy as np
from numba import float64, int64, njit, types

from hebbstream.rule._lanes import compiled, floats, longs, matrix, power, rounded, short_matrix, shorts
from hebbstream.rule._tile import FEATURES, broadcast_tile, dot_tile, has_bfloat16, host_shape

BUILT_OF = "47935bd9d5aa"  # _lanes and _tile: what numba kept of this module is wrong if they change
SHAPE = host_shape(FEATURES)
BFLOAT16 = has_bfloat16(FEATURES)

_POSITIONS, _NEURONS = SHAPE.positions, SHAPE.neurons
_TILE = dot_tile(SHAPE)
_ONE, _TWO, _THREE = (broadcast_tile(SHAPE, vectors) for vectors in (1, 2, 3))
_FACTORS = [(floats, matrix), (shorts, short_matrix)][: 1 + BFLOAT16]
_TOGETHER = 4096  # pixels of which products are summed at a time, so that a large image needs no more memory
_LEAST_LENGTH = np.float32(1e-12)
_FLAT = 1e-6  # of `StreamNorm`
_GOLDEN = 0.6180339887498949  # of `rounded_in_turn`
_CHUNK = 16384  # bytes of weights that a tile goes through at a time: half of a first-level cache


@njit(inline="always")
def _weight(count, begin, var, momentum, samples):
    """Count a step, anew where nothing has varied before; return its weight."""
    if begin.any() and (var < _FLAT).all():
        count[0] = 0
    count[0] += samples
    return max(samples / count[0], 1.0 - (1.0 - momentum) ** samples)


@njit(inline="always")
def _rounded_in_turn(exact, turn):
    """Round to float32 as the function of that name does."""
    near = np.float32(exact)
    beyond = np.nextafter(near, np.float32(np.inf) if near < exact else np.float32(-np.inf))
    return beyond if (turn * _GOLDEN) % 1.0 < (exact - near) / np.float64(beyond - near) else near


@compiled(types.void(matrix, floats, floats, longs, float64, int64))
def follow(pixels, mean, var, count, momentum, samples):
    """Let running statistics take in a step, as `StreamNorm` does; `pixels` has shape (pixels, channels)."""
    own, spread = np.zeros(mean.size), np.zeros(mean.size)
    for pixel in pixels:
        for c in range(mean.size):
            own[c] += pixel[c]
    own /= len(pixels)
    for pixel in pixels:
        for c in range(mean.size):
            spread[c] += (pixel[c] - own[c]) ** 2
    begin = (var < _FLAT) & (spread > 10 * _FLAT * len(pixels))
    weight = _weight(count, begin, var, momentum, samples)
    for c in range(mean.size):
        if begin[c]:
            mean[c], var[c] = own[c], spread[c] / len(pixels)
            continue
        shift = own[c] - mean[c]
        pooled = var[c] + weight * shift * shift
        var[c] = pooled + weight * (spread[c] / len(pixels) - pooled)
        mean[c] = _rounded_in_turn(mean[c] + weight * shift, count[0])


@compiled(types.void(matrix, floats, floats, float64, int64, int64, int64, int64, int64, floats, shorts))
def pad(pixels, mean, var, eps, samples, height, width, above, left, image, copy):
    """Standardise, reflect at the edges, and round a copy if `copy` has room; no `mean`, no standardising."""
    channels = pixels.shape[1]
    scale, shift = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    for c in range(mean.size):
        scale[c], shift[c] = 1.0 / np.sqrt(var[c] + eps), mean[c]
    to = 0
    for sample in range(samples):
        for row in range(-above, height + above):
            y = abs(row)
            y = y if y < height else 2 * height - 2 - y
            for column in range(-left, width + left):
                x = abs(column)
                x = x if x < width else 2 * width - 2 - x
                pixel, target = pixels[(sample * height + y) * width + x], image[to : to + channels]
                for c in range(channels):
                    target[c] = (pixel[c] - shift[c]) * scale[c]
                if copy.size:
                    short = copy[to : to + channels]
                    for c in range(channels):
                        short[c] = rounded(target[c])
                to += channels


@compiled(
    [types.void(*factors[:1], longs, int64, int64, int64, *factors[1:], matrix, int64, int64) for factors in _FACTORS]
)
def convolve(image, offsets, runs, length, step, weights, out, first, last):
    """Multiply patches by the weights of neurons `first` to `last`; `offsets` are of whole tiles, and in bytes.

    Factors are float32, or bfloat16 as their bits; sums are float32.
    """
    neurons, synapses = weights.shape
    size = weights.itemsize
    most = _CHUNK // (size * _NEURONS)
    together = max(1, min(runs, most // length))
    part = length if length <= most else most // 64 * 64
    for start in range(first, last, _NEURONS):
        k = min(start, last - _NEURONS)
        for run in range(0, runs, together):
            for along in range(0, length, part):
                w = size * (run * length + along)
                for p in range(0, offsets.size, _POSITIONS):
                    soon = min(k + _NEURONS + p // _POSITIONS, neurons - 1) if p < _POSITIONS * _NEURONS else k
                    _TILE(
                        weights, image.ctypes.data + size * (run * step + along), offsets.ctypes.data + 8 * p, size * step,
                        weights.ctypes.data + size * k * synapses + w, size * synapses, size * length,
                        min(together, runs - run), min(part, length - along),
                        out.ctypes.data + 4 * (p * neurons + k), 4 * neurons, w,
                        weights.ctypes.data + size * soon * synapses + w,
                    )  # fmt: skip


@compiled(types.void(floats, longs, int64, int64, int64, matrix, matrix, int64, int64))
def convolve_short(image, offsets, runs, length, step, weights, out, first, last):
    """Multiply the patches of tiles `first` to `last` by all weights, as `convolve` does; for short runs of values."""
    neurons, synapses = weights.shape
    lanes = SHAPE.lanes
    turned = np.empty((synapses, -(-neurons // lanes) * lanes), np.float32)
    turned[:, :neurons] = weights.T
    turned[:, neurons:] = 0.0
    across = turned.shape[1] * 4
    for p in range(first * _POSITIONS, last * _POSITIONS, _POSITIONS):
        for k in range(0, neurons, 3 * lanes):
            left = neurons - k
            patch, row, target = (
                offsets.ctypes.data + 8 * p,
                turned.ctypes.data + 4 * k,
                out.ctypes.data + 4 * (p * neurons + k),
            )
            if left > 2 * lanes:
                left = min(left, 3 * lanes) - 2 * lanes
                _THREE(image.ctypes.data, patch, 4 * step, row, across, runs, length, target, 4 * neurons, left)
            elif left > lanes:
                _TWO(image.ctypes.data, patch, 4 * step, row, across, runs, length, target, 4 * neurons, left - lanes)
            else:
                _ONE(image.ctypes.data, patch, 4 * step, row, across, runs, length, target, 4 * neurons, left)


@njit(inline="always")
def product(left, right, out):
    """Multiply a matrix by the transpose of another; `out` has room for whole tiles of rows."""
    offsets = np.empty(-(-len(left) // _POSITIONS) * _POSITIONS, np.int64)
    for row in range(offsets.size):
        offsets[row] = 4 * left.shape[1] * min(row, len(left) - 1)
    convolve_short(left.reshape(-1), offsets, 1, left.shape[1], 0, right, out, 0, offsets.size // _POSITIONS)


@compiled(types.boolean(matrix, floats, floats, longs, matrix, float64, int64))
def follow_together(pixels, mean, var, count, covariance, momentum, samples):
    """Let running means and covariances take in a step, as `StreamWhitening` does; `pixels` has shape (pixels, channels).

    Returns whether a channel has begun anew.
    """
    channels = mean.size
    own, shift = np.zeros(channels), np.empty(channels, np.float32)
    for pixel in pixels:
        for c in range(channels):
            own[c] += pixel[c]
    own /= len(pixels)
    spread, part = np.zeros((channels, channels), np.float32), np.empty((channels + _POSITIONS, channels), np.float32)
    for first in range(0, len(pixels), _TOGETHER):
        some = pixels[first : first + _TOGETHER]
        centred = np.empty((channels, len(some)), np.float32)
        for p in range(len(some)):
            for c in range(channels):
                centred[c, p] = some[p, c] - own[c]
        product(centred, centred, part)
        spread += part[:channels]
    begin = (var < _FLAT) & (np.diag(spread) > 10 * _FLAT * len(pixels))
    weight = np.float32(_weight(count, begin, var, momentum, samples))
    begin |= (
        weight == 1.0
    )  # a weight of nothing for what was before may still be rounded, beside the square of a large mean
    for c in range(channels):
        shift[c] = own[c] - mean[c]
        mean[c] = _rounded_in_turn(np.float64(mean[c]) + np.float64(weight) * shift[c], count[0])
        if begin[c]:
            mean[c], shift[c] = own[c], 0.0
    share = np.float32(1.0) / np.float32(len(pixels))
    for c in range(channels):
        row, ours, moved = covariance[c], spread[c], weight * shift[c]
        for other in range(channels):
            pooled = row[other] + moved * shift[other]
            row[other] = pooled + weight * (ours[other] * share - pooled)
        var[c] = row[c]
    for c in np.flatnonzero(begin):
        for other in np.flatnonzero(begin):
            covariance[c, other] = spread[c, other] * share
        var[c] = covariance[c, c]
    return begin.any()


@compiled(types.void(matrix, floats, matrix, matrix))
def whiten(pixels, mean, together, out):
    """Multiply the channels of each pixel, less their means, by a map of all channels; `out` has room for whole tiles of rows."""
    centred = np.empty(pixels.shape, np.float32)
    for p in range(len(pixels)):
        for c in range(mean.size):
            centred[p, c] = pixels[p, c] - mean[c]
    product(centred, together, out)


@compiled(types.void(matrix, types.boolean, float64, *[int64] * 9, *[types.boolean] * 2, int64, matrix))
def pool(u, centre, exponent, samples, height, width, tall, wide, down, right, above, left, average, unit, rows, out):
    """Take off each position's mean if `centre`, rectify, pool, and raise to a power; bring a position's outputs to length 1 if `unit`.

    Pooling takes the greatest, or the average with the border. Comparisons let NaN pass: a layer that has diverged must not
    seem to see nothing.
    """
    neurons, exponent = u.shape[1], np.float32(exponent)
    means = np.zeros(samples * height * width, np.float32)
    if centre:
        for p in range(means.size):
            total = np.float32(0.0)
            row = u[p]
            for k in range(neurons):
                total += row[k]
            means[p] = total / np.float32(neurons)
    columns = out.shape[0] // (samples * rows)
    for place in range(out.shape[0]):
        sample, row, column = place // (rows * columns), place // columns % rows, place % columns
        target = out[place]
        target[:] = 0.0
        for y in range(max(0, row * down - above), min(height, row * down - above + tall)):
            for x in range(max(0, column * right - left), min(width, column * right - left + wide)):
                p = (sample * height + y) * width + x
                source, mean = u[p], means[p]
                if average:
                    for k in range(neurons):
                        value = source[k] - mean
                        target[k] += np.float32(0.0) if value < np.float32(0.0) else value
                else:
                    for k in range(neurons):
                        value = source[k] - mean
                        target[k] = target[k] if value < target[k] else value
        if average:
            for k in range(neurons):
                target[k] *= np.float32(1.0 / (tall * wide))
        if exponent != np.float32(1.0):
            for k in range(neurons):
                target[k] = power(target[k], exponent)
        if unit:
            square = np.float32(0.0)
            for k in range(neurons):
                square += target[k] * target[k]
            length = np.sqrt(square)
            scale = np.float32(1.0) / (_LEAST_LENGTH if length < _LEAST_LENGTH else length)
            for k in range(neurons):
                target[k] *= scale
