"""`MomentProbe`: a classifier solved from sums over the stream, which no order of the samples changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor

from hebbstream._turns import in_turn
from hebbstream.probe._base import OnlineProbe
from hebbstream.probe._fading import FadingSums
from hebbstream.probe._state import fitted, ordinary
from hebbstream.probe._sums import Moments
from hebbstream.probe._tensors import Shapes

_HALVINGS = 30  # samples that fade further are not learned in one go: a class would fade below that without being held
FADED = 1e-9  # weight below which no class's sums fade: they say where it lay, and would underflow


class MomentOptions(TypedDict, total=False):
    """The options of `MomentProbe`, where they are explained."""

    dimensions: int
    seed: int
    solve_every: int | None
    half_life: float | None
    calibrate: bool
    min_confidence: float


class MomentProbe(FadingSums, OnlineProbe):
    """A probe that keeps Σ w x xᵀ, and Σ w x for each class, in float64, and solves when it is asked.

    The sums of a stream are those of its samples in any order, but for rounding: nothing is forgotten, unless `half_life`
    is given. More than `dimensions` features are first brought to that number by a `Projection`.

    Parameters
    ----------
    dimensions
        Most features to keep products of. d of them take 8 d² bytes, and solving for them of the order of d³ steps.
        What it costs in accuracy, with 12,288 features and 8,000 samples of CIFAR-10: ridge is right for 62.6 % of the
        test at 1,024, 66.3 % at 4,096, and 68.5 % without a projection.
    seed
        What the projection is drawn by; the same seed gives the same.
    solve_every
        Labelled samples after which predictions are made with a new solution; 1 is exact. ``None``: 1 up to 256 features.
        With more, to solve takes many times as long as to learn: then it is a hundredth of the labels since the newest
        class came, 32 at most. A class is known from its first sample on, whatever this is.
    half_life
        Labelled samples after which one counts half, for features that change as they learn; ``None``: all count alike.
    calibrate, min_confidence
        See `OnlineProbe`.
    """

    sequential: ClassVar[bool] = False
    _one: ClassVar[int] = -1
    option_names: ClassVar[tuple[str, ...]] = (
        "dimensions",
        "seed",
        "solve_every",
        "half_life",
        *OnlineProbe.option_names,
    )

    def __init__(
        self,
        *,
        dimensions: int = 1024,
        seed: int = 0,
        solve_every: int | None = None,
        half_life: float | None = None,
        calibrate: bool = False,
        min_confidence: float = 0.0,
    ) -> None:
        super().__init__(calibrate=calibrate, min_confidence=min_confidence)
        self._set_options(dimensions, seed, solve_every, half_life)

    @in_turn
    def state_dict(self) -> dict[str, Any]:
        """Return the state that `OnlineProbe.state_dict` describes."""
        state = super().state_dict()
        if not self.steps or self.solve_every == 1 or (self.solve_every is None and self._is_quick()):
            return state
        state["tensors"]["newest"] = torch.tensor(self._newest, device="cpu")
        if self._solution is not None:  # may be in use for some more samples
            weight, bias = self._solution
            pending = torch.tensor(self._pending, device="cpu")
            state["tensors"] |= {"solution": torch.cat([weight, bias.unsqueeze(1)], dim=1), "pending": pending}
        return state

    def _shapes(self, features: int) -> tuple[Shapes, Shapes]:
        # Every vector has a 1 at its end, so that the last row and column are sums and counts.
        d = min(features, self.dimensions) + 1
        rows: Shapes = {"sums": (d,)} if self.half_life is None else {"sums": (d,), "squares": ()}
        return {"origin": (features,), "gram": (d, d)}, rows

    def _restore(self, tensors: dict[str, Tensor], classes: int) -> None:
        solution = tensors.pop("solution", None)
        super()._restore(tensors, classes)
        if solution is not None:
            solution = fitted("solution", solution, self._per_class["sums"])
            self._solution = solution[:, :-1].contiguous(), solution[:, -1].contiguous()
            self._pending = int(tensors.pop("pending"))
        self._newest = int(tensors.pop("newest", 0))  # earlier files have none

    @contextmanager
    def of_one_time(self) -> Iterator[None]:
        """Let no sample fade while others are learned: their features are all of now, in whatever order they come."""
        keeps, self._keeps = self._keeps, 1.0
        try:
            yield
        finally:
            self._keeps = keeps

    def _at_once(self, samples: int) -> int:
        most = samples if self.half_life is None else max(1, int(min(samples, _HALVINGS * self.half_life)))
        return super()._at_once(most)

    def _learn(self, rows: Tensor, classes: list[int], weights: list[float]) -> None:
        if (first := self._next_origin(len(rows))) is not None:
            origin = rows.select(0, first).to(self.dtype, copy=True)
            shift = self._move_origin(origin, after=[origin.new_zeros(1)])
            sums = self._per_class["sums"]
            sums -= torch.outer(sums.select(1, self._one), shift)  # there is room in it for further classes
        x = self._project(rows - self._shared["origin"])
        x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
        gram, sums, squares = self._shared["gram"], self._per_class["sums"], self._per_class.get("squares")
        keeps = self._fade(len(classes))
        if len(classes) == 1:
            x = x.select(0, 0)
            gram.addr_(x, x, beta=keeps, alpha=weights[0])
            sums.select(0, classes[0]).add_(x, alpha=weights[0])
            if squares is not None:
                squares.select(0, classes[0]).add_(weights[0])
        else:
            of_class = torch.tensor(classes, dtype=torch.int64, device=x.device)
            age = torch.arange(len(classes) - 1, -1, -1, dtype=self.dtype, device="cpu")
            faded = torch.tensor(weights, dtype=self.dtype, device="cpu") * self._keeps**age
            weighted = x * faded.to(x.device).unsqueeze(1)
            gram.addmm_(x.T, weighted, beta=keeps)
            _add_rows(sums, of_class, weighted)
            if squares is not None:
                _add_rows(squares, of_class, (faded * self._keeps**age).to(x.device))
        self._pending += len(classes)

    def _fade(self, samples: int) -> float:
        """Let the classes' sums fade by so many samples; return the factor."""
        keeps = self._keeps**samples
        if self.half_life is not None:
            sums, squares = self._per_class["sums"], self._per_class["squares"]
            kept = (FADED / sums.select(1, -1)).clamp(keeps, 1.0)
            sums *= kept.unsqueeze(1)
            squares *= kept.square()
        return keeps

    def _scores(self, rows: Tensor) -> Tensor:
        weight, bias = self._latest()
        return torch.addmm(bias, self._project(rows - self._shared["origin"]), weight.T)

    def _affine(self) -> tuple[Tensor, Tensor]:
        weight, bias = self._solve()
        origin = self._shared["origin"]
        weight = self._project.transposed(weight, len(origin))
        return weight, bias - weight @ origin

    def _moments(self) -> Moments:
        gram, sums = self._shared["gram"], self._per_class["sums"]
        counts = sums[:, -1]
        samples = counts.square() / self._per_class.get("squares", counts)  # equal, where nothing fades
        return Moments(
            self._projected_origin(), gram[:-1, :-1], gram[-1, :-1], gram[-1, -1], sums[:, :-1], counts, samples
        )

    def _widen(self, features: int) -> None:
        before = len(self._shared["origin"])
        if before <= self.dimensions:
            self._per_class["sums"] = self._widened(self._per_class["sums"], before + features)
        super()._widen(features)

    def _widened(self, rows: Tensor, features: int) -> Tensor:
        return torch.cat([self._project(F.pad(rows[:, :-1], (0, features + 1 - rows.shape[1]))), rows[:, -1:]], dim=1)

    @ordinary
    def _merge_rows(self, row: int, into: int) -> None:
        for name, rows in self._per_class.items():
            rows[into] += rows[row]
            self._per_class[name] = torch.cat([rows[:row], rows[row + 1 :]])
        self._replaced()


def _add_rows(total: Tensor, places: Tensor, rows: Tensor) -> None:
    """Add rows, or numbers, to those of a total with these numbers; on a card by a product, as `index_add_` adds in any order."""
    if total.is_cpu:
        total.index_add_(0, places, rows)
    else:
        total += F.one_hot(places, len(total)).to(total.dtype).T @ rows
