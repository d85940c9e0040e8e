"""The tables of what features are worth in the worlds, from `results/quality`."""

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import Result, read

OF_ONE = "gradient, with Replay(per_sample=1, weight=1)"  # the end of a row whose probe is fitted anew, too
FORGETS = "slda, half-life 1000, with Replay(per_sample=1, weight=1)"
DRAWN, LEARNED, AFTER_ROOM = "motion, untrained", "motion", "motion, after a still room"
_READOUTS = "refit", "of_five"  # of 2,000 labels, and of five a class


def means(points: list[Result]) -> Any:
    """Return the mean over the worlds at each point of one run."""
    return np.array([np.mean(list(point["accuracy"].values())) for point in points])


def falls(shares: Any) -> float:
    """Return the most by which a share lies below the best before it.

    Examples
    --------
    >>> falls([1, 4, 2, 5, 4])
    2.0
    """
    return float(np.max(np.maximum.accumulate(shares) - shares))


def _readouts(file: str, results: Path) -> str:
    """Of each world and row: ridge and ridge of five labels, means over the seeds and half the range."""
    found = grouped(read(results / "quality" / file)["rows"], "world", "row")
    columns = list(dict.fromkeys(row for _, row in found))
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        runs = [found.get((world, column), []) for column in columns]
        rows.append([world, max(map(len, runs)), *(_with_spread(seeds) if seeds else "" for seeds in runs)])
    return markdown(["world", "seeds", *columns], rows)


def _widths(results: Path) -> str:
    """Of each world and width: random weights and learned ones, and what learning gained, seed by seed."""
    files = [read(file) for file in (results / "quality").glob("worlds*.json")]
    drawn, learned = "untrained, whitened", "video"
    rows = []
    for file in sorted(files, key=lambda file: file["settings"]["width"]):
        found = grouped(file["rows"], "world", "row")
        for world in dict.fromkeys(world for world, row in found if row == learned):
            before, after = ({run["seed"]: run for run in found[world, row]} for row in (drawn, learned))
            pairs = [(before[seed], after[seed]) for seed in after.keys() & before.keys()]
            gains = [[100 * (late[key] - early[key]) for early, late in pairs] for key in ("ridge", "ridge_of_5")]
            gained = " / ".join(map(_gain, gains))
            cells = [_with_spread([pair[side] for pair in pairs]) for side in (0, 1)]
            rows.append([world, file["settings"]["width"], len(pairs), *cells, gained])
    rows.sort(key=lambda row: row[0])
    return markdown(["world", "width", "seeds", drawn, learned, "gained by learning"], rows)


def _layers(results: Path) -> str:
    """Of each world and preset, by what layers learned: ridge and ridge of five labels."""
    found = grouped(read(results / "quality" / "layers.json")["rows"], "world", "preset", "row")
    columns = list(dict.fromkeys(row for _, _, row in found))
    rows = []
    for world, preset in dict.fromkeys((world, preset) for world, preset, _ in found):
        runs = [found[world, preset, column] for column in columns]
        rows.append([world, preset, len(runs[0]), *map(_with_spread, runs)])
    return markdown(["world", "preset", "seeds", *(f"learned: {column}" for column in columns)], rows)


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


def _motion(results: Path) -> str:
    """Of each world and choice of layers that learn: what a network as drawn gives, and what each gained, seed by seed."""
    measured = read(results / "quality" / "motion.json")
    found = grouped(measured["rows"], "world", "row")
    columns = list(dict.fromkeys(row for _, row in found))
    keys = ("ridge", "ridge_of_5", "nearest")
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        drawn = {run["seed"]: run for run in found[world, columns[0]]}
        cells = [" / ".join(f"{100 * np.mean([run[key] for run in drawn.values()]):.1f}" for key in keys)]
        for column in columns[1:]:
            gains = [
                [100 * (run[key] - drawn[run["seed"]][key]) for run in found.get((world, column), ())] for key in keys
            ]
            cells.append(" / ".join(_gain(gain) for gain in gains if gain))
        rows.append([world, len(drawn), *cells])
    return markdown(["world", "seeds", columns[0], *(f"gained: {column}" for column in columns[1:])], rows)


def _later(file: str, results: Path) -> str:
    """Of each world and probe: prequential accuracy and that of a later recording, means over the seeds and half the range."""
    found = grouped(read(results / "quality" / file)["rows"], "world", "row")
    probes = list(dict.fromkeys(row for _, row in found))
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        cells = []
        for probe in probes:
            runs = [[100 * run[way] for run in found.get((world, probe), ())] for way in ("prequential", "later")]
            cells.append(" / ".join(_mean(seeds) for seeds in runs if seeds))
        rows.append([world, len(found[world, probes[0]]), *cells])
    return markdown(["world", "seeds", *probes], rows)


def of_refit(results: Path, file: str = "refit.json") -> dict[tuple[str, str], list[Result]]:
    """Return the runs whose probe was fitted anew, by world and by what learned, such as `"motion, untrained"`."""
    rows = read(results / "quality" / file)["rows"]
    named = [
        run | {"row": run["row"].removesuffix(OF_ONE).removesuffix(FORGETS).removesuffix(", ") or "video"}
        for run in rows
    ]
    return grouped(named, "world", "row")


def _refit(results: Path) -> str:
    """Of each world, as drawn and learned: a later recording by the probe that learned along, by the refit one, and how sure."""
    columns = "untrained", "video", "motion, untrained", "motion"
    found = of_refit(results)
    lines = []
    for world in dict.fromkeys(world for world, _ in found):
        cells = []
        for column in columns:
            ways = [[100 * run[way] for run in found[world, column]] for way in ("later", "refit", "refit_confidence")]
            cells.append(" / ".join(map(_mean, ways)))
        lines.append([world, len(found[world, "untrained"]), *cells])
    return markdown(["world", "seeds", *columns], lines)


def _meanwhile(results: Path) -> str:
    """Of each world: means over the fifths of a stream of what is known of a later recording, as drawn and learned."""
    found = grouped(read(results / "quality" / "meanwhile.json")["rows"], "world", "row")
    ways = {
        "gradient": (OF_ONE, "along"),
        "slda": (FORGETS, "along"),
        "snapshots": (OF_ONE, "snapshot"),
        "snapshots, slda": (FORGETS, "snapshot"),
    }
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        cells = []
        for (probe, way), net in product(ways.values(), (DRAWN, LEARNED)):
            seeds = [100 * np.mean(run[way]) for run in found[world, f"{net}, {probe}"]]
            cells.append(_mean(seeds))
        rows.append([world, len(seeds), *cells])
    head = (f"{way}, {net}" for way, net in product(ways, ("as drawn", "learned")))
    return markdown(["world", "seeds", *head], rows)


def _scikit(results: Path) -> str:
    """Of each world and classifier: what features as drawn tell of a later recording, and what was gained, seed by seed."""
    runs = read(results / "quality" / "scikit.json")["rows"]
    names = list(runs[0]["accuracy"])
    found = grouped([run | run["accuracy"] for run in runs], "world", "row")
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        drawn, learned = found[world, DRAWN], found[world, LEARNED]
        rows.append([world, *(_gained(drawn, learned, name) for name in names)])
    return markdown(["world", *names], rows)


def _depth(results: Path) -> str:
    """Of each world: what three layers and two make of 2,000 labels, what two make of five a class, and seconds to learn."""
    found = of_refit(results)

    def means(world: str, rows: tuple[str, str], way: str, digits: int, scale: int) -> str:
        return " / ".join(f"{scale * np.mean([run[way] for run in found[world, row]]):.{digits}f}" for row in rows)

    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        three = means(world, ("untrained", "motion, three layers"), "refit", 1, 100)
        seconds = means(world, ("motion, three layers", "motion"), "cpu_seconds", 0, 1)
        rows.append([world, len(found[world, "motion"]), three, *_by_learning(found, world), seconds])
    head = ["three layers: untrained / learned", "two: untrained, gained by learning", "likewise, five labels"]
    return markdown(["world", "seeds", *head, "CPU seconds to learn, three / two"], rows)


def _motion_layers(results: Path) -> str:
    """Of each world: what `"motion"` as drawn makes of 2,000 labels and of five a class, and what each layer's learning gains."""
    found = of_refit(results)
    ways = {
        "first layer": f"{LEARNED}, first layer alone",
        "second layer": f"{LEARNED}, second layer alone",
        "both": LEARNED,
    }
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        drawn = found[world, DRAWN]
        before = " / ".join(f"{100 * np.mean([run[way] for run in drawn]):.1f}" for way in _READOUTS)
        gains = [" / ".join(_gain_of(drawn, found[world, row], way) for way in _READOUTS) for row in ways.values()]
        rows.append([world, len(drawn), before, *gains])
    return markdown(["world", "seeds", "untrained", *(f"gained: {name}" for name in ways)], rows)


def _still_room(results: Path) -> str:
    """Of each world of video: what learning gains, from its first frame on and after a still room."""
    found = of_refit(results)
    rows = []
    for world in (world for world, row in found if row == AFTER_ROOM):
        runs = [found[world, row] for row in (DRAWN, LEARNED, AFTER_ROOM)]
        gains = [" / ".join(_gain_of(runs[0], learned, way) for way in _READOUTS) for learned in runs[1:]]
        rows.append([world, len(runs[-1]), *gains])
    return markdown(["world", "seeds", "gained by learning", "after a still room"], rows)


def _full_width(results: Path) -> str:
    """Of each world: what two layers as wide as the preset has them make of 2,000 labels, and of five a class.

    What the first one adds is told of the seeds with which the second was measured alone, too.
    """
    found = of_refit(results, "refit-full-width.json")
    rows = []
    for world in dict.fromkeys(world for world, _ in found):
        without, both = (found[world, row] for row in (f"{LEARNED}, second layer alone", LEARNED))
        seeds = {run["seed"] for run in without}
        compared = [run for run in both if run["seed"] in seeds]
        added = " / ".join(_gain_of(without, compared, way) for way in _READOUTS)
        rows.append([world, len(both), *_by_learning(found, world), added])
    head = ["untrained, gained by learning", "likewise, five labels", "of that, by the first layer beside the second"]
    return markdown(["world", "seeds", *head], rows)


def _by_learning(found: dict[tuple[str, str], list[Result]], world: str) -> list[str]:
    """Return what `"motion"` gives as drawn and what it gains, with 2,000 labels and with five a class."""
    return [_gained(found[world, DRAWN], found[world, LEARNED], way) for way in _READOUTS]


def _gained(drawn: list[Result], learned: list[Result], way: str) -> str:
    """Return what networks as drawn give, and what learning gained, seed by seed."""
    return f"{100 * np.mean([run[way] for run in drawn]):.1f} {_gain_of(drawn, learned, way)}"


def _gain_of(drawn: list[Result], learned: list[Result], way: str) -> str:
    """Return what learning gained, seed by seed."""
    before = {run["seed"]: run[way] for run in drawn}
    return _gain([100 * (run[way] - before[run["seed"]]) for run in learned])


def _with_spread(runs: list[Result]) -> str:
    """Return ridge and ridge of five labels, means over the seeds and, where there are several, half the range, %."""
    found = [[100 * run[key] for run in runs] for key in ("ridge", "ridge_of_5")]
    return " / ".join(map(_mean, found))


def _mean(seeds: list[float]) -> str:
    return f"{np.mean(seeds):.1f}{_half_range(seeds)}"


def _gain(seeds: list[float]) -> str:
    return f"{np.mean(seeds):+.1f}{_half_range(seeds)}"


def _half_range(seeds: list[float]) -> str:
    return f" ± {np.ptp(seeds) / 2:.1f}" if len(seeds) > 1 else ""


def _flat_rows(results: Path) -> str:
    """Of each set and layer: the columns, features as drawn and learned; offline and prequential, and what was gained."""
    measured = read(results / "quality" / "flat-rows.json")
    found = grouped(measured["rows"], "set", "layer", "row")
    ways = ("offline", "prequential")

    def cell(runs: list[Result]) -> str:
        return " / ".join(f"{np.mean([run[way] for run in runs]):.1f}" for way in ways)

    rows = []
    for name, layer in ((name, layer) for name, layer, row in found if row == "learned"):
        drawn, learned = found[name, layer, "drawn"], found[name, layer, "learned"]
        gains = [[b[way] - a[way] for a, b in zip(drawn, learned, strict=True)] for way in ways]
        gained = " / ".join(map(_gain, gains))
        half = "choosing" if name in measured["settings"]["chosen_on"] else "reporting"
        raw = cell(found[name, "raw", "raw"])
        beside = cell(found[name, layer, "learned, beside the columns"])
        rows.append([name, half, len(learned), raw, layer, cell(drawn), cell(learned), gained, beside])
    head = ["set", "half", "seeds", "raw", "layer", "drawn", "learned", "gained by learning", "beside the columns"]
    return markdown(head, rows)


def _endless(results: Path) -> str:
    """Of each run, the mean over the worlds at first, at best, in the end, and its greatest fall; each world in the end, and its fall."""
    rows, names = [], []
    for file in map(read, sorted((results / "quality").glob("endless*.json"), reverse=True)):
        for (row, _), points in grouped(file["rows"], "row", "seed").items():
            mean, names = means(points), list(points[0]["accuracy"])
            along = [np.array([point["accuracy"][name] for point in points]) for name in names]
            cells = [f"{100 * value:.1f}" for value in (mean[0], mean.max(), mean[-1], falls(mean))]
            cells += [f"{100 * shares[-1]:.1f} ({100 * falls(shares):.1f})" for shares in along]
            rows.append([row, file["settings"]["width"], file["settings"]["readout"], *cells])
    head = ["mean at the first point, %", "best, %", "at the end, %", "greatest fall from the best before, points"]
    return markdown(["what learned", "width", "readout", *head, *names], rows)


WORLD_TABLES: Tables = {
    "quality/worlds": partial(_readouts, "worlds.json"),
    "quality/widths": _widths,
    "quality/motion": _motion,
    "quality/later": partial(_later, "later.json"),
    "quality/refit": _refit,
    "quality/meanwhile": _meanwhile,
    "quality/scikit": _scikit,
    "quality/depth": _depth,
    "quality/motion-layers": _motion_layers,
    "quality/still-room": _still_room,
    "quality/refit-full-width": _full_width,
    "quality/later-every-frame": partial(_later, "later-every-frame.json"),
    "quality/layers": _layers,
    "quality/orders": _orders,
    "quality/crops": partial(_readouts, "crops.json"),
    "quality/flat-rows": _flat_rows,
    "quality/endless": _endless,
}
