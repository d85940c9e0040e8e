"""The tables of what features are worth in the worlds, from `results/quality`."""

from pathlib import Path

import numpy as np

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import read


def _worlds(results: Path) -> str:
    """Of each world and row: ridge and ridge of five labels, means over the seeds and half the range."""
    found = grouped(read(results / "quality" / "worlds.json")["rows"], "world", "row")
    columns = list(dict.fromkeys(row for _, row in found))
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        cells = []
        for column in columns:
            seeds = [[100 * run[key] for key in ("ridge", "ridge_of_5")] for run in found[world, column]]
            spread = (np.max(seeds, axis=0) - np.min(seeds, axis=0)) / 2
            cells.append(" / ".join(f"{a:.1f} ± {b:.1f}" for a, b in zip(np.mean(seeds, axis=0), spread, strict=True)))
        rows.append([world, len(found[world, columns[-1]]), *cells])
    return markdown(["world", "seeds", *columns], rows)


def _orders(results: Path) -> str:
    """Of each world and rule: ridge and ridge of five labels, means over the seeds, of each order, and the seconds."""
    rows = []
    found = read(results / "quality" / "orders.json")["rows"]
    for (world, row), runs in grouped(found, "world", "row").items():
        orders = grouped(runs, "order")
        cells = [
            " / ".join(f"{100 * np.mean([run[key] for run in seeds]):.1f}" for key in ("ridge", "ridge_of_5"))
            for seeds in orders.values()
        ]
        cells += [""] * (2 - len(cells))
        seconds = "" if len(orders) == 1 else f"{np.mean([run['cpu_seconds'] for run in runs]):.0f}"
        rows.append([world, len(orders["in order",]), row, *cells, seconds])
    return markdown(["world", "seeds", "what learned", "in order, %", "shuffled, %", "CPU seconds to learn"], rows)


WORLD_TABLES: Tables = {
    "quality/worlds": _worlds,
    "quality/orders": _orders,
}
