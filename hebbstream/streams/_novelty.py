"""`novel`: frames that show something new, from a camera that mostly does not."""

import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import le
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hebbstream._numbers import as_index, check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.network._frames import to_input
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import planes
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Item, Stream, as_stream

SHARE = 0.25
_FINEST = 4096  # cells a side: as many as a camera has pixels
_MOST, _LEAST = 0.02, 1e-4  # more is news to anybody; less is the noise of a codec
_GAIN = 0.2


def novel(
    stream: Iterable[Item],
    threshold: float | None = None,
    *,
    share: float = SHARE,
    grid: int = 8,
    at_least_every: int | None = None,
) -> Stream[Item]:
    """Skip frames that differ too little from the last one let through.

    A frame is laid out in `grid` × `grid` cells. The brightness of a cell is the mean of its pixels and channels, as a
    share of the full range (255 in uint8, 1 in floating point). The difference between two frames is the mean, over
    the cells, of the absolute difference in brightness. A frame passes if it differs by at least the threshold from the
    last that passed; the first always does. So slow changes add up until they count; a change of exposure counts, too.

    The threshold follows the stream: each frame that passes raises it, each other one lowers it, so that `share` of the
    frames pass in the long run. It stays above 0.0001, so that a still picture does not pass again, and below 0.02, so
    that more frames pass where much happens.

    A cell's mean is that many pixels' worth less noisy than a pixel: at 32×32 in colour, noise with a standard
    deviation of 4 of 255 makes two frames differ by 0.0026.

    Parameters
    ----------
    stream
        Frames, pairs (frame, label) or samples; those that pass are handed on as they came. A frame is a NumPy array or
        a tensor on any device, uint8 or floating point, (H, W), (C, H, W) or (H, W, C); sizes may change on the way.
    threshold
        A fixed least difference, in [0, 1]; ``None`` for one that adapts.
    share
        Of the frames that are to pass at least, above 0 and at most 1; not used with a fixed threshold.
    grid
        Cells in each direction.
    at_least_every
        Of so many frames, let at least one pass, whatever it shows; ``None`` for no such limit.

    Returns
    -------
    Stream
        Its `stats` count the frames that were left out as ``skipped``.

    Raises
    ------
    ConfigurationError
        If an option cannot work.
    InputError
        While iterating, if a frame cannot be read.

    Examples
    --------
    A light that flickers: about a quarter of its frames passes.

    >>> stream = novel(torch.tensor([0.5, 0.501, 0.5, 0.51] * 100).view(-1, 1, 1, 1).expand(-1, 3, 32, 32))
    >>> len(list(stream)), stream.stats.skipped
    (98, 302)

    With a fixed threshold:

    >>> stream = novel(torch.tensor([0.5, 0.501, 0.6, 0.6]).view(4, 1, 1, 1).expand(4, 3, 32, 32), 0.02)
    >>> [round(float(frame.mean()), 3) for frame in stream], stream.stats.frames, stream.stats.skipped
    ([0.5, 0.6], 4, 2)
    """
    if threshold is not None and not 0 <= quantity(threshold) <= 1:
        raise ConfigurationError(f"threshold={quote(threshold)}: expected a share of the full range, 0 to 1")
    if not 0 < quantity(share) <= 1:
        expected = "the share of frames that are to pass, above 0 and at most 1"
        raise ConfigurationError(f"share={quote(share)}: expected {expected}")
    if not 1 <= as_index(grid) <= _FINEST:
        raise ConfigurationError(f"grid={quote(grid)}: expected 1 to {_FINEST} cells a side")
    check_number("at_least_every", at_least_every, optional=True)
    source, stats = as_stream(stream), StreamStats()
    passes = _Adaptive(share).passes if threshold is None else partial(le, threshold)
    gated = _gated(source, passes, grid, at_least_every, stats)
    chosen = f"share={share}" if threshold is None else f"threshold={threshold}"
    chosen += f", grid={grid}" if grid != 8 else ""
    chosen += f", at_least_every={at_least_every}" if at_least_every else ""
    return Composed(gated, source, name=f"novel({source!r}, {chosen})", stats=stats)


class _Adaptive:
    """A threshold that follows a running quantile, on the scale of logarithms."""

    def __init__(self, share: float) -> None:
        self._share, self._level = share, math.log(_MOST)

    def passes(self, difference: float) -> bool:
        passed = difference >= math.exp(self._level)
        self._level += _GAIN * (passed - self._share)
        self._level = min(max(self._level, math.log(_LEAST)), math.log(_MOST))
        return passed


def _gated(
    stream: Stream[Item], passes: Callable[[float], bool], grid: int, at_least_every: int | None, stats: StreamStats
) -> Iterator[Item]:
    last, silence = None, 0
    for item in stream:
        cells = brightness(Sample.of(item).x, as_index(grid))
        silence += 1
        differs = last is None or passes(float((cells - last).abs().mean()))
        if differs or silence == at_least_every:
            last, silence = cells, 0
            yield item
        else:
            stats.skipped += 1


def brightness(frame: Any, grid: int) -> Tensor:
    """Return the mean brightness of each cell of a frame, shape (grid, grid), in units of the full range.

    Examples
    --------
    >>> brightness(torch.eye(4), 2)
    tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]])
    """
    x = planes(frame)
    return F.adaptive_avg_pool2d(to_input(x[None], x.device).mean(dim=1), grid)[0]
