"""The tables and plots of docs/paper.md, from the result files."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.common import new_figure, save_figure
from benchmarks.paper import store
from benchmarks.paper.experiments import EXPERIMENTS
from benchmarks.paper.published import PUBLISHED
from hebbstream._files import atomic_write

PAGE = Path(__file__).parents[2] / "docs" / "paper.md"
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # safe for the colour-blind

_NUMBERS = {
    "temperature": "inverse temperature",
    "temperature-of-all": "inverse temperature of all layers",
    "radius": "radius",
    "width": "neurons of the first layer",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The runs that differ only in the seed, and one layer they were probed at."""

    name: str
    layer: int
    width: int
    accuracies: tuple[float, ...]
    r1: tuple[float, ...]
    """By layer."""
    r1_of_all: float
    """Of the neurons of all layers."""
    probed_layers: int

    @property
    def label(self) -> str:
        return f"{self.name}, layer {self.layer}" if self.probed_layers > 1 else self.name

    @property
    def spread(self) -> float:
        return stdev(self.accuracies) if len(self.accuracies) > 1 else 0.0


def rows_of(experiment: str) -> list[Row]:
    """Gather the seeds of each run, in the order of the experiment."""
    order = [label for label, _ in EXPERIMENTS[experiment].runs(0, "full")]
    results = [result for result in store.load(store.FOLDER / f"{experiment}.json") if result["name"] in order]
    results.sort(key=lambda result: (order.index(result["name"]), result["run"].get("seed", 0)))
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        settings = {key: value for key, value in result["run"].items() if key != "seed"}
        groups.setdefault(f"{result['name']} {settings}", []).append(result)
    rows = []
    for seeds in groups.values():
        first = seeds[0]
        for layer in first["test_accuracy"]:
            r1 = [result["r1_fraction"] for result in seeds if "r1_fraction" in result]
            by_layer = tuple(map(mean, zip(*r1, strict=True)))
            rows.append(
                Row(
                    first["name"],
                    int(layer),
                    first["run"]["width"],
                    tuple(100 * result["test_accuracy"][layer] for result in seeds),
                    by_layer,
                    _weighted(by_layer, first["layers"]) if by_layer else 0.0,
                    len(first["test_accuracy"]),
                )
            )
    return rows


def _weighted(r1: tuple[float, ...], layers: list[str]) -> float:
    channels = [int(layer.partition("channels=")[2].partition(" ")[0]) for layer in layers]
    return sum(value * count for value, count in zip(r1, channels, strict=True)) / sum(channels)


def table(experiment: str) -> str:
    """Return an experiment's table in Markdown, or what to run where there are no results."""
    rows = rows_of(experiment)
    measured = {row.name for row in rows}
    missing = {
        label: PUBLISHED[experiment, label]
        for label, _ in EXPERIMENTS[experiment].runs(0, "full")
        if label not in measured and (experiment, label) in PUBLISHED
    }
    if not rows and not missing:
        return f"Not run: `python -m benchmarks.paper {experiment}`."
    lines = ["| | width | seeds | test % | R1 features by layer, % | paper % |", "|---|---|---|---|---|---|"]
    for row in rows:
        spread = f" ± {row.spread:.2f}" if len(row.accuracies) > 1 else ""
        r1 = " / ".join(f"{100 * value:.0f}" for value in row.r1)
        quoted = PUBLISHED.get((experiment, row.label), "")
        lines.append(
            f"| {row.label} | {row.width} | {len(row.accuracies)} | {mean(row.accuracies):.2f}{spread} | {r1} | {quoted} |"
        )
    lines += [f"| {label} | | | not run | | {quoted} |" for label, quoted in missing.items()]
    if not rows:
        lines += ["", f"To run it: `python -m benchmarks.paper {experiment}`."]
    return "\n".join(lines)


def plot(experiment: str) -> Path | None:
    """Draw an experiment: curves over depth or over a number, else points; beside its results."""
    rows = rows_of(experiment)
    if not rows:
        return None
    if any(row.probed_layers > 1 for row in rows):
        draw = _depth_curves
    elif sum(_number(row.name) is not None for row in rows) > 2:
        draw = _number_curve
    elif all(_number(row.name.rpartition(", ")[2]) is not None for row in rows):
        draw = _sample_curves
    else:
        draw = _points
    figure, (axis,) = new_figure(1, (7.0, 1.2 + 0.36 * len(rows)) if draw is _points else (6.0, 3.6))
    if draw is not _points:
        axis.set_ylabel("test accuracy, %")
    draw(axis, rows)
    if draw is _number_curve:
        axis.set_xlabel(_NUMBERS.get(experiment, ""))
        axis.set_xticks([number for row in rows if (number := _number(row.name)) is not None])
        axis.xaxis.set_major_formatter("{x:g}")
        axis.minorticks_off()
    axis.set_title(EXPERIMENTS[experiment].title)
    axis.spines[["top", "right"]].set_visible(False)
    return save_figure(figure, store.FOLDER / f"{experiment}.png")


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


def write_page(path: Path = PAGE) -> list[Path]:
    """Put the current tables between the page's markers and draw the plots; return what was written."""
    text = path.read_text(encoding="utf-8")
    written = []
    for name in EXPERIMENTS:
        opening, closing = f"<!-- {name} -->", "<!-- end -->"
        picture = plot(name)
        shown = table(name)
        if picture is not None:
            written.append(picture)
            shown += f"\n\n![{EXPERIMENTS[name].title}](../benchmarks/results/paper/{picture.name})"
        before, found, rest = text.partition(opening)
        if found:
            text = before + opening + "\n" + shown + "\n" + closing + rest.partition(closing)[2]
    with atomic_write(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
    return [*written, path]
