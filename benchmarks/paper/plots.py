"""The plots of the experiments, each beside its results."""

import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.core import draw
from benchmarks.paper.experiments import EXPERIMENTS
from benchmarks.paper.tables import Row, rows_of

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # safe for the colour-blind

_NUMBERS = {
    "temperature": "inverse temperature",
    "temperature-of-all": "inverse temperature of all layers",
    "radius": "radius",
    "width": "neurons of the first layer",
}


def plot(path: Path) -> None:
    """Draw an experiment's results, beside them: curves over depth or over a number, else points."""
    rows = rows_of(path)
    if any(row.probed_layers > 1 for row in rows):
        form = _depth_curves
    elif sum(_number(row.name) is not None for row in rows) > 2:
        form = _number_curve
    elif all(_number(row.name.rpartition(", ")[2]) is not None for row in rows):
        form = _sample_curves
    else:
        form = _points
    figure, (axis,) = draw.new_figure(1, (7.0, 1.2 + 0.36 * len(rows)) if form is _points else (6.0, 3.6))
    if form is not _points:
        axis.set_ylabel("test accuracy, %")
    form(axis, rows)
    if form is _number_curve:
        axis.set_xlabel(_NUMBERS.get(path.stem, ""))
        axis.set_xticks([number for row in rows if (number := _number(row.name)) is not None])
        axis.xaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
    axis.set_title(EXPERIMENTS[path.stem].title)
    axis.spines[["top", "right"]].set_visible(False)
    draw.save(figure, path)


def _number(name: str) -> float | None:
    match = re.fullmatch(r"\d+(\.\d+)?", name)
    return float(name) if match else None


def _points(axis: Any, rows: list[Row]) -> None:
    """Dots rather than bars, whose foot would have to be at 0; one below the other, as names are long."""
    places = range(len(rows))
    means = [mean(row.accuracies) for row in rows]
    axis.errorbar(means, places, xerr=[row.spread for row in rows], fmt="o", capsize=4, color=_COLORS[0])
    for place, value in zip(places, means, strict=True):
        axis.annotate(
            f"{value:.1f}", (value, place), xytext=(0, 6), textcoords="offset points", fontsize=9, ha="center"
        )
    axis.set_yticks(places, [f"{row.name} (width {row.width})" for row in rows], fontsize=9)
    axis.invert_yaxis()
    axis.margins(x=0.2, y=0.5 / len(rows))
    axis.grid(axis="x", alpha=0.3)
    axis.set_xlabel("test accuracy, %")


def _depth_curves(axis: Any, rows: list[Row]) -> None:
    _curves(axis, rows, lambda row: row.layer)
    axis.set_xticks(sorted({row.layer for row in rows}))
    axis.set_xlabel("layers")


def _sample_curves(axis: Any, rows: list[Row]) -> None:
    _curves(axis, rows, lambda row: float(row.name.rpartition(", ")[2]))
    axis.set_xscale("log")
    axis.set_xlabel("samples")


def _curves(axis: Any, rows: list[Row], x: Callable[[Row], float]) -> None:
    """Draw a curve for all whose names begin alike."""
    curves: dict[str, list[Row]] = {}
    for row in rows:
        curves.setdefault(row.name.partition(", ")[0], []).append(row)
    for color, (name, points) in zip(_COLORS * 2, curves.items(), strict=False):
        points = sorted(points, key=x)
        axis.errorbar(
            [x(row) for row in points],
            [mean(row.accuracies) for row in points],
            yerr=[row.spread for row in points],
            marker="o",
            capsize=3,
            color=color,
            label=name,
        )
    axis.legend(frameon=False)


def _number_curve(axis: Any, rows: list[Row]) -> None:
    points = sorted((row for row in rows if _number(row.name) is not None), key=lambda row: float(row.name))
    axis.errorbar(
        [float(row.name) for row in points],
        [mean(row.accuracies) for row in points],
        yerr=[row.spread for row in points],
        marker="o",
        capsize=3,
        color=_COLORS[0],
    )
    for color, row in zip(_COLORS[2:], (row for row in rows if _number(row.name) is None), strict=False):
        axis.axhline(mean(row.accuracies), color=color, linestyle=":")
        place = (points[len(points) // 4].name, mean(row.accuracies))
        axis.annotate(row.name, (float(place[0]), place[1]), xytext=(0, 4), textcoords="offset points", color=color)
    axis.set_xscale("log")
    other = axis.twinx()
    other.plot(
        [float(row.name) for row in points],
        [100 * row.r1_of_all for row in points],
        color=_COLORS[1],
        marker="s",
    )
    other.set_ylabel("R1 features, %", color=_COLORS[1])
    other.spines["top"].set_visible(False)
