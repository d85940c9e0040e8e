"""The tables of what is learned, from `results/quality`."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import Result, read
from benchmarks.quality.label_tables import TEMPLATES, filled
from benchmarks.quality.signals.make import CHOOSING


def by_row(runs: list[Result]) -> dict[str, list[Result]]:
    """Gather the seeds of each row that was measured."""
    return {row: seeds for (row,), seeds in grouped(runs, "row").items()}


def streams(runs: list[Result]) -> str:
    """Return the runs of `benchmarks.quality.streams` as Markdown; values are means over the seeds."""

    def average(seeds: list[Result], key: str) -> Any:
        return np.mean([run[key] for run in seeds], axis=0)

    rows = []
    for row, seeds in by_row(runs).items():
        shares = [" / ".join(f"{100 * value:.0f}" for value in average(seeds, key)) for key in ("r1_fraction", "dead")]
        entropy = " / ".join(f"{value:.2f}" for value in average(seeds, "win_entropy"))
        accuracies = ", ".join(f"{100 * run['test_accuracy']:.1f}" for run in seeds)
        rows.append([row, accuracies, f"{average(seeds, 'frames'):,.0f}", *shares, entropy])
    return markdown(["stream", "test %", "frames", "R1 by layer, %", "dead by layer, %", "entropy of wins"], rows)


def _streams(results: Path) -> str:
    return streams(read(results / "quality" / "streams.json")["runs"])


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


def _stillness(results: Path) -> str:
    """Of each preset, means over the seeds: distances, and a probe before and after a stretch of one class."""
    found = read(results / "quality" / "stillness.json")["rows"]
    parts = list(found[0]["distance"])
    rows = []
    for (preset,), seeds in grouped(found, "preset").items():
        distances = [f"{np.mean([run['distance'][part] for run in seeds]):.2f}" for part in parts]
        before = f"{100 * np.mean([run['accuracy'] for run in seeds]):.1f}"
        after = [100 * share for run in seeds for share in run["after_one_class"]]
        rows.append(
            [preset, len(seeds), *distances, before, f"{np.mean(after):.1f} ({min(after):.1f} to {max(after):.1f})"]
        )
    head = [f"distance at {part}" for part in parts]
    return markdown(["preset", "seeds", *head, "probe, %", "after one class, % (least to most)"], rows)


def _signals(results: Path) -> str:
    """Of each set: raw values, untrained and learned features, means over the seeds; and MiniRocket beside."""
    measured = grouped(read(results / "quality" / "signals.json")["rows"], "set", "row")
    peers = {row["set"]: row for row in read(results / "quality" / "signals-peers.json").get("rows", [])}
    order = sorted({name for name, _ in measured}, key=lambda name: (name not in CHOOSING, name))
    rows = []
    for name in order:
        cells = [
            " / ".join(
                f"{np.mean([run[key] for run in measured[name, row]]):.1f}" for key in ("offline", "prequential")
            )
            for row in ("raw", "untrained", "learned")
        ]
        seconds = np.mean([run["cpu_seconds"] for run in measured[name, "learned"]])
        peer = peers.get(name, {})
        rocket = f"{100 * peer['accuracy']:.1f} in {peer['cpu_seconds']:.0f} s" if peer else ""
        half = "choosing" if name in CHOOSING else "reporting"
        rows.append([name, half, len(measured[name, "learned"]), *cells, f"{seconds:.0f}", rocket])
    return markdown(
        ["set", "half", "seeds", "raw", "untrained", "learned", "seconds to learn", "MiniRocket, offline"], rows
    )


_AT_NIGHTFALL = {"before": "(the day alone)", "a new network": "a new network learns the night alone"}


def _drift(results: Path) -> str:
    rows = []
    for (decay, way), seeds in grouped(read(results / "quality" / "drift.json")["rows"], "decay", "way").items():
        cosines = noticed = ""
        if way not in _AT_NIGHTFALL:
            cosines = " / ".join(f"{run['cosine_with_day'][0]:.3f}" for run in seeds)
            noticed = " / ".join(str(run["alarms_by_night"][0]) if run["alarms_by_night"] else "–" for run in seeds)
        worlds = [" / ".join(f"{100 * run['accuracy'][world]:.1f}" for run in seeds) for world in ("day", "night")]
        rate = "decayed" if decay else "as published"
        rows.append([rate, _AT_NIGHTFALL.get(way, way), len(seeds), *worlds, cosines, noticed])
    head = ["rate", "at nightfall", "seeds", "probe by day, %", "probe by night, %"]
    return markdown([*head, "cosine with the day's weights, layer 1", "noticed after"], rows)


def _few_shots(results: Path) -> str:
    few = read(results / "quality" / "online-labels-mnist.json")["data"]["mnist"]["few shots"]
    columns = [few["shots"].index(shots) for shots in (1, 2, 5, 10, 20, 100)]
    rows = []
    for solver in ("slda, 1024 dimensions", "slda, shrinkage 0.5", "gradient, SGD", "ridge, 1024 dimensions"):
        found, right = few[solver]["found"], few[solver]["all"]
        rows.append(
            [
                f"{solver}: found / all",
                *(f"{100 * found[column]:.0f} / {100 * right[column]:.0f}" for column in columns),
            ]
        )
    return markdown(["samples of the new class", *(few["shots"][column] for column in columns)], rows)


def _containers(results: Path) -> str:
    found = read(results / "quality" / "containers.json")
    both = [
        f"{name}: {count['right']} of {count['tried']}"
        for group in ("kinds", "containers")
        for name, count in found[group].items()
    ]
    half = len(found["kinds"])
    columns = [both[:half], both[half:]]
    length = max(map(len, columns))
    rows = zip(*(column + [""] * (length - len(column)) for column in columns), strict=True)
    head = [f"what is odd: right of tried ({found['right']} of {found['tried']} in all)", "container"]
    return markdown(head, rows)


def _peers(results: Path) -> str:
    rows, head = [], []
    for reader in read(results / "quality" / "peers.json")["readers"]:
        kinds = {"all files": reader["files"]} | {
            kind: files for (kind,), files in grouped(reader["files"], "kind").items()
        }
        right = [
            " / ".join(str(sum(file[key] for file in files)) for key in ("frames", "times")) for files in kinds.values()
        ]
        head = ["reader", *(f"{kind} ({len(files)})" for kind, files in kinds.items())]
        rows.append([f"{reader['reader']} {reader['version']}", *right])
    return markdown(head, rows)


def _shortcuts(results: Path) -> str:
    runs = read(results / "quality" / "shortcuts.json")["runs"]
    seeds = [seed for (seed,) in grouped(runs, "seed")]
    rows = []
    for (way,), same in grouped(runs, "way").items():
        found = {run["seed"]: f"{100 * run['test_accuracy']:.2f} %" for run in same}
        rows.append([way, *(found.get(seed, "") for seed in seeds)])
    return markdown(["", *(f"seed {seed}" for seed in seeds)], rows)


TABLES: Tables = {
    "quality/shortcuts": _shortcuts,
    "quality/streams": _streams,
    "quality/drift": _drift,
    "quality/stillness": _stillness,
    "quality/worlds": _worlds,
    "quality/signals": _signals,
    **{f"quality/labels-{name}": partial(filled, template) for name, template in TEMPLATES.items()},
    "quality/labels-few-shots": _few_shots,
    "quality/containers": _containers,
    "quality/peers": _peers,
}
