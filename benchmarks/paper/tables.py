"""The tables of the experiments, from `results/paper`: measured beside published."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.core.page import Tables, markdown
from benchmarks.paper import store
from benchmarks.paper.experiments import EXPERIMENTS
from benchmarks.paper.published import PUBLISHED


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


def rows_of(path: Path) -> list[Row]:
    """Gather the seeds of each run in an experiment's results, in the order of the experiment."""
    order = [label for label, _ in EXPERIMENTS[path.stem].runs(0, "full")]
    results = [result for result in store.load(path) if result["name"] in order]
    results.sort(key=lambda result: (order.index(result["name"]), result["run"].get("seed", 0)))
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        settings = {key: value for key, value in result["run"].items() if key != "seed"}
        groups.setdefault(f"{result['name']} {settings}", []).append(result)
    return [_row(seeds, layer) for seeds in groups.values() for layer in seeds[0]["test_accuracy"]]


def _row(seeds: list[dict[str, Any]], layer: str) -> Row:
    first = seeds[0]
    r1 = [result["r1_fraction"] for result in seeds if "r1_fraction" in result]
    by_layer = tuple(map(mean, zip(*r1, strict=True)))
    return Row(
        first["name"],
        int(layer),
        first["run"]["width"],
        tuple(100 * result["test_accuracy"][layer] for result in seeds),
        by_layer,
        _weighted(by_layer, first["layers"]) if by_layer else 0.0,
        len(first["test_accuracy"]),
    )


def _weighted(r1: tuple[float, ...], layers: list[str]) -> float:
    channels = [int(layer.partition("channels=")[2].partition(" ")[0]) for layer in layers]
    return sum(value * count for value, count in zip(r1, channels, strict=True)) / sum(channels)


def table(experiment: str, results: Path) -> str:
    """Return an experiment's table in Markdown, or what to run where there are no results."""
    rows = rows_of(results / "paper" / f"{experiment}.json")
    measured = {row.name for row in rows}
    missing = {
        label: PUBLISHED[experiment, label]
        for label, _ in EXPERIMENTS[experiment].runs(0, "full")
        if label not in measured and (experiment, label) in PUBLISHED
    }
    if not rows and not missing:
        return f"Not run: `python -m benchmarks.paper {experiment}`."
    shown = []
    for row in rows:
        spread = f" ± {row.spread:.2f}" if len(row.accuracies) > 1 else ""
        r1 = " / ".join(f"{100 * value:.0f}" for value in row.r1)
        quoted = PUBLISHED.get((experiment, row.label), "")
        shown.append([row.label, row.width, len(row.accuracies), f"{mean(row.accuracies):.2f}{spread}", r1, quoted])
    shown += [[label, "", "", "not run", "", quoted] for label, quoted in missing.items()]
    found = markdown(["", "width", "seeds", "test %", "R1 features by layer, %", "paper %"], shown)
    return found if rows else f"{found}\n\nTo run it: `python -m benchmarks.paper {experiment}`."


TABLES: Tables = {f"paper/{name}": partial(table, name) for name in EXPERIMENTS}
