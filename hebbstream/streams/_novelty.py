"""`novel`: frames that show something new, from a camera that mostly does not."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hebbstream.errors import ConfigurationError
from hebbstream.network._frames import to_input
from hebbstream.streams._composed import Composed
from hebbstream.streams._item import planes
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream, as_stream


def novel(
    stream: Iterable[Any], threshold: float = 0.02, *, grid: int = 8, at_least_every: int | None = None
) -> Stream[Any]:
    """Skip frames that differ too little from the last one let through.

    A frame is laid out in `grid` × `grid` cells. The brightness of a cell is the mean of its pixels and channels, as a
    share of the full range (255 in uint8, 1 in floating point). The difference between two frames is the mean, over
    the cells, of the absolute difference in brightness. A frame passes if it differs by at least `threshold` from the
    last that passed; the first always does. Slow drift so adds up until it counts, and a change of exposure counts.

    A cell's mean is that many pixels' worth less noisy than a pixel: at 32×32 in colour, noise with a standard
    deviation of 4 of 255 makes two frames differ by 0.0026.

    Parameters
    ----------
    stream
        Frames, pairs (frame, label) or samples; those that pass are handed on as they came. A frame is a NumPy array or
        a tensor on any device, uint8 or floating point, (H, W), (C, H, W) or (H, W, C); sizes may change on the way.
    threshold
        Least difference, in [0, 1].
    grid
        Cells in each direction.
    at_least_every
        One of any so many consecutive frames passes whatever it shows; ``None`` for no such limit.

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
    >>> stream = novel(torch.tensor([0.5, 0.501, 0.6, 0.6]).view(4, 1, 1, 1).expand(4, 3, 32, 32))
    >>> [round(float(frame.mean()), 3) for frame in stream], stream.stats.frames, stream.stats.skipped
    ([0.5, 0.6], 4, 2)
    """
    if not 0 <= threshold <= 1:
        raise ConfigurationError(f"threshold={threshold}: expected a share of the full range, 0 to 1")
    for name, value in (("grid", grid), ("at_least_every", at_least_every)):
        if value is not None and value < 1:
            raise ConfigurationError(f"{name}={value}: expected a positive integer")
    source, stats = as_stream(stream), StreamStats()
    gated = _gated(source, threshold, grid, at_least_every, stats)
    return Composed(gated, source, name=f"novel({source!r}, threshold={threshold})", stats=stats)


def _gated(
    stream: Stream[Any], threshold: float, grid: int, at_least_every: int | None, stats: StreamStats
) -> Iterator[Any]:
    last, silence = None, 0
    for item in stream:
        cells = brightness(Sample.of(item).x, grid)
        silence += 1
        differs = last is None or float((cells - last).abs().mean()) >= threshold
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
