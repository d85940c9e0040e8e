"""The tables of signals: what learning is worth, on how many sets, and what others do on the same."""

from pathlib import Path

import numpy as np

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import Result, read
from benchmarks.quality.signals.make import CHOOSING

_PRESETS = {"": "signal, sound", ", aligned": "aligned-signal"}  # by what rows are called
_WAYS = ("offline", "prequential", "still")
Rows = dict[tuple[str, str], list[Result]]


def _measured(results: Path) -> tuple[Rows, list[str]]:
    """Return the runs of each set and row, and the sets, those that settings were chosen on first."""
    rows: Rows = {(name, row): runs for (name, row), runs in grouped(_rows(results), "set", "row").items()}
    names = {name for name, row in rows if row == "learned"}
    return rows, sorted(names, key=lambda name: (not _chosen_on(name), name))


def _chosen_on(name: str) -> bool:
    return name.partition(",")[0] in CHOOSING  # "Watch-a, all" is Watch-a with all of its samples


def _rows(results: Path) -> list[Result]:
    found: list[Result] = read(results / "quality" / "signals.json")["rows"]
    return found


def _mean(runs: list[Result], way: str) -> float:
    return float(np.mean([run[way] for run in runs]))


def gains(rows: Rows, name: str, way: str, kind: str = "") -> np.ndarray:
    """Return by how many points learned features are better than those as drawn, seed by seed."""
    drawn = {run["seed"]: run[way] for run in rows[name, f"untrained{kind}"]}
    return np.array([run[way] - drawn[run["seed"]] for run in rows[name, f"learned{kind}"]])


def _signals(results: Path) -> str:
    """Of each set: raw values, untrained and learned features, means over the seeds; what was gained, and half its range."""
    rows, names = _measured(results)
    table = []
    for name, kind in ((name, kind) for name in names for kind in _PRESETS if (name, f"learned{kind}") in rows):
        of = ("raw", f"untrained{kind}", f"learned{kind}")
        cells = [" / ".join(f"{_mean(rows[name, row], way):.1f}" for way in _WAYS) for row in of]
        found = [gains(rows, name, way, kind) for way in _WAYS]
        gained = " / ".join(f"{each.mean():+.1f} ± {np.ptp(each) / 2:.1f}" for each in found)
        half = "choosing" if _chosen_on(name) else "reporting"
        table.append([name, half, len(found[0]), _PRESETS[kind], *cells, gained])
    return markdown(["set", "half", "seeds", "preset", "raw", "untrained", "learned", "gained by learning"], table)


def _counts(results: Path) -> str:
    """On how many sets learned features are above untrained ones, and those above raw values, on average of the seeds."""
    return _counted(*_measured(results), _WAYS)


def _snapshots(results: Path) -> str:
    """The same of a snapshot whose probe learns on, where samples come in a random order: prequential, and of the test part in the end."""
    measured = read(results / "quality" / "signals-solvers.json")["rows"]
    some = [row for row in measured if (row["order"], row["probe"]) == ("random", "snapshots, slda")]
    rows = {(name, row): runs for (name, row), runs in grouped(some, "set", "row").items()}
    return _counted(rows, sorted({name for name, _ in rows}), ("prequential", "later"))


def _counted(rows: Rows, names: list[str], ways: tuple[str, ...]) -> str:
    """Both presets for signals have the same sets, so that their means can be compared; sounds have a line of their own."""

    def above(name: str, way: str, kind: str) -> bool:
        of = ("raw", f"untrained{kind}", f"learned{kind}")
        raw, untrained, learned = (_mean(rows[name, row], way) for row in of)
        return learned > untrained > raw

    table = []
    for half, chosen in (("choosing", True), ("reporting", False)):
        for preset, kind in (("signal", ""), ("aligned-signal", ", aligned"), ("sound", "")):
            some = [
                name
                for name in names
                if (_chosen_on(name), (name, "learned, aligned") in rows) == (chosen, preset != "sound")
                and "," not in name
            ]
            if not some:
                continue
            better = [sum(gains(rows, name, way, kind).mean() > 0 for name in some) for way in ways]
            each = [sum(above(name, way, kind) for name in some) for way in ways]
            gained = [f"{np.mean([gains(rows, name, way, kind).mean() for name in some]):+.1f}" for way in ways]
            means = [f"{np.mean([_mean(rows[name, f'learned{kind}'], way) for name in some]):.1f}" for way in ways]
            table.append(
                [half, preset, len(some), *(" / ".join(map(str, cell)) for cell in (means, better, each, gained))]
            )
    head = ["half", "preset", "sets", "learned, mean", "learned above untrained", "and that above raw", "gained, mean"]
    return markdown(head, table)


def _whitening(results: Path) -> str:
    """What whitening patches does, on the sets and seeds where the same was measured without it."""
    rows, names = _measured(results)
    table = []
    for name in names:
        without = rows.get((name, "learned, unwhitened"), [])
        if not without:
            continue
        seeds = {run["seed"] for run in without}
        cells: list[str | int] = [len(seeds)]
        for kind in (", unwhitened", ""):
            for row in ("untrained", "learned"):
                runs = [run for run in rows[name, f"{row}{kind}"] if run["seed"] in seeds]
                cells.append(" / ".join(f"{_mean(runs, way):.1f}" for way in _WAYS))
            cells.append(f"{_mean(runs, 'cosine'):.2f}")
        table.append([name, *cells])
    head = ["set", "seeds", "as it comes: untrained", "learned", "cosine", "whitened: untrained", "learned", "cosine"]
    return markdown(head, table)


def _solvers(results: Path) -> str:
    """Of each half, order and probe, means of the sets: prequential and later, of raw values and features; and what learning gave."""
    ways = ("prequential", "later")
    found = grouped(read(results / "quality" / "signals-solvers.json")["rows"], "order", "probe", "row", "set")
    orders, probes, names = (list(dict.fromkeys(key[at] for key in found)) for at in (0, 1, 3))
    table = []
    for half, chosen in (("choosing", True), ("reporting", False)):
        some = [name for name in names if _chosen_on(name) == chosen]
        for order, probe in ((order, probe) for order in orders for probe in probes):
            raw, untrained, learned = (
                np.array([[_mean(found[order, probe, row, name], way) for way in ways] for name in some])
                for row in ("raw", "untrained", "learned")
            )
            means = [[f"{value:.1f}" for value in row.mean(0)] for row in (raw, untrained, learned)]
            counts = ((learned > untrained) & (untrained > raw)).sum(0)
            table.append([half, order, probe, len(some), *(" / ".join(map(str, cell)) for cell in (*means, counts))])
    head = ["half", "order", "probe", "sets", "raw", "untrained", "learned", "learned above untrained above raw"]
    return markdown(head, table)


def _peers(results: Path) -> str:
    """Of each set and contender: accuracy, seconds to learn, and memory above that of a process that has imported it."""
    found = grouped(read(results / "quality" / "signals-peers.json")["rows"], "set", "contender")
    names, contenders = (list(dict.fromkeys(key[i] for key in found)) for i in (0, 1))
    table = []
    for name in sorted(names, key=lambda name: (name not in CHOOSING, name)):
        cells = []
        for contender in contenders:
            (row,) = found.get((name, contender), [None])
            cells.append(
                ""
                if row is None or "refused" in row
                else f"{row['accuracy']:.1f} / {row['cpu_seconds']:.1f} / {row['grown_megabytes']:.0f}"
            )
        table.append([name, *cells])
    return markdown(["set", *contenders], table)


TABLES: Tables = {
    "quality/signals": _signals,
    "quality/signals-counts": _counts,
    "quality/signals-whitening": _whitening,
    "quality/signals-peers": _peers,
    "quality/signals-solvers": _solvers,
    "quality/signals-snapshots": _snapshots,
}
