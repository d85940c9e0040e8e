"""`Novelty`: how unusual each frame is, over the last minutes, with pictures of the peaks."""

import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hebbstream.studio._picture import Picture

_HALF_LIFE = 300  # frames
_SETTLING = 60  # frames before which everything is new
_BIN_SECONDS = 0.5
_BINS = 480  # four minutes
_PEAKS = 16
_APART_SECONDS = 4.0
_MOST = 4.0  # the strip's height, in typical distances


@dataclass(frozen=True, slots=True)
class Peak:
    """A frame that was more unusual than those around it."""

    number: int
    at: float
    score: float
    picture: Picture


class Novelty:
    """Scores features by their distance from the mean of those before, in standard deviations of each feature.

    Mean and deviations fade with a half-life of 300 frames, so that what stays becomes usual. 1 is a typical frame.

    Examples
    --------
    >>> novelty = Novelty()
    >>> usual = [novelty.score(torch.tensor([1.0, 2.0]) + 0.1 * torch.randn(2)) for _ in range(200)]
    >>> novelty.score(torch.tensor([3.0, 2.0])) > 3
    True
    """

    def __init__(self) -> None:
        self._mean: Tensor | None = None
        self._variance: Tensor | None = None
        self._frames = 0
        self._bins: deque[float] = deque([0.0], maxlen=_BINS)
        self._bin = int(time.monotonic() / _BIN_SECONDS)
        self._peaks: OrderedDict[int, Peak] = OrderedDict()
        self._count = 0

    def score(self, features: Tensor) -> float:
        """Return how unusual features are, and take them in."""
        if self._mean is None or self._variance is None or len(self._mean) != len(features):
            self._mean, self._variance, self._frames = features.clone(), torch.ones_like(features), 0
        away = (features - self._mean).square()
        found = float((away / self._variance.clamp(min=1e-6)).mean().sqrt()) if self._frames else 1.0
        weight = max(1 - 0.5 ** (1 / _HALF_LIFE), 1 / (self._frames + 1))
        self._mean.lerp_(features, weight)
        self._variance.lerp_(away, weight)
        self._frames += 1
        return min(found, _MOST) if self._frames > _SETTLING else min(found, 1.0)

    def take(self, score: float, picture: Picture) -> None:
        """Take a frame's score into the strip, and its picture if it is a peak."""
        now = time.monotonic()
        self._advance(now)
        self._bins[-1] = max(self._bins[-1], score)
        if score < self._threshold():
            return
        last = next(reversed(self._peaks.values())) if self._peaks else None
        if last is not None and now - last.at < _APART_SECONDS:
            if score <= last.score:
                return
            self._peaks.popitem()
        self._count += 1
        self._peaks[self._count] = Peak(self._count, now, score, picture)
        if len(self._peaks) > _PEAKS:
            self._peaks.popitem(last=False)

    def peak(self, number: int) -> Peak | None:
        """Return a peak by its number."""
        return self._peaks.get(number)

    def told(self) -> dict[str, Any]:
        """Return the strip, in percent of its height, and the peaks, in JSON terms."""
        now = time.monotonic()
        self._advance(now)
        shown = [
            {"id": peak.number, "age": round(now - peak.at), "score": round(peak.score, 2)}
            for peak in list(self._peaks.values())
            if now - peak.at < _BINS * _BIN_SECONDS
        ]
        strip = [round(100 * score / _MOST) for score in self._bins]
        return {"strip": strip, "seconds": _BIN_SECONDS, "bins": _BINS, "peaks": shown}

    def _threshold(self) -> float:
        """Half again as unusual as most of what the strip shows."""
        seen = sorted(score for score in self._bins if score)
        return max(1.3, 1.25 * seen[int(0.8 * len(seen))]) if len(seen) > 10 else 1.6

    def _advance(self, now: float) -> None:
        reached = int(now / _BIN_SECONDS)
        for _ in range(min(reached - self._bin, _BINS)):
            self._bins.append(0.0)
        self._bin = max(self._bin, reached)
