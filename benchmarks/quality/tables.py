"""The tables of what is learned, from `results/quality`."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import Result, read
from benchmarks.quality.label_tables import TEMPLATES, filled
from benchmarks.quality.readouts import READOUTS
from benchmarks.quality.signals import tables as signals
from benchmarks.quality.worlds.tables import WORLD_TABLES


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


def _killed(results: Path) -> str:
    found = read(results / "quality" / "killed.json")
    samples = " / ".join(f"{count:,}" for count in found["samples"])
    same = "yes" if found["bits_equal"] else "no"
    head = ["ranks", "kills", "samples learned, without and with kills", "the recordings hold", "same bits"]
    return markdown(head, [[found["ranks"], found["kills"], samples, f"{found['expected_samples']:,}", same]])


def _replicas(results: Path) -> str:
    found = read(results / "quality" / "replicas.json")["rows"]
    accuracy = {(row["way"], row["ranks"], row["every"]): f"{100 * row['test_accuracy']:.1f}" for row in found}
    ranks = sorted({row["ranks"] for row in found} - {0})
    apart = sorted({row["every"] for row in found if row["way"] == "apart"})
    rows = [
        ["together, test %", *(accuracy["together", count, None] for count in ranks)],
        *([f"H = {every}", *(accuracy.get(("apart", count, every), "") for count in ranks)] for every in apart),
        ["untrained", accuracy["untrained", 0, None], *[""] * (len(ranks) - 1)],
    ]
    return markdown(["", *(f"N = {count}" for count in ranks)], rows)


def _shortcuts(results: Path) -> str:
    rows, seeds = [], [0, 1, 2]
    for file in ("shortcuts", "shortcuts-half"):
        measured = read(results / "quality" / f"{file}.json")
        for (way,), same in grouped(measured["runs"], "way").items():
            found = {run["seed"]: f"{100 * run['test_accuracy']:.2f} %" for run in same}
            rows.append([measured["settings"]["width"], way, *(found.get(seed, "") for seed in seeds)])
    return markdown(["width", "", *(f"seed {seed}" for seed in seeds)], rows)


def _readouts(results: Path) -> str:
    rows: list[list[object]] = []
    for file in map(read, sorted((results / "quality").glob("readouts*.json"), reverse=True)):
        for (preset,), seeds in grouped(file["rows"], "preset").items():
            cells = [
                f"{100 * np.mean([run[name] for run in seeds]):.1f}" if name in seeds[0] else "" for name in READOUTS
            ]
            seconds = np.mean([run["learning_cpu_seconds"] for run in seeds])
            settings = file["settings"]
            views = 8 if settings.get("shift") else 2
            rows.append([preset, settings["width"], len(seeds), views, *cells, f"{seconds:.0f}"])
    head = ["preset", "width", "seeds", "views", *(f"{name}, %" for name in READOUTS), "CPU seconds to learn"]
    return markdown(head, rows)


def _anomaly(results: Path) -> str:
    """Of each set, the mean over the seeds of what each detector reached; then the mean of each half, and the time of a row."""
    measured = read(results / "quality" / "anomaly.json")
    found = grouped(measured["rows"], "set", "detector")
    names, detectors = (list(dict.fromkeys(key[at] for key in found)) for at in (0, 1))
    reached = {key: np.mean([run["auc"] for run in runs]) for key, runs in found.items()}
    halves = {"choosing": measured["settings"]["chosen_on"]}
    halves["reporting"] = [name for name in names if name not in halves["choosing"]]
    rows: list[list[object]] = []
    for half, some in halves.items():
        rows += [[name, half, *(f"{reached[name, way]:.1f}" for way in detectors)] for name in some]
        means = (np.mean([reached[name, way] for name in some]) for way in detectors)
        rows.append(["**mean**", half, *(f"**{mean:.1f}**" for mean in means)])
    times = (np.median([run["ms_a_row"] for run in measured["rows"] if run["detector"] == way]) for way in detectors)
    rows.append(["ms a row, median", "", *(f"{each:.2f}" for each in times)])
    return markdown(["set", "half", *detectors], rows)


TABLES: Tables = {
    "quality/anomaly": _anomaly,
    "quality/readouts": _readouts,
    "quality/shortcuts": _shortcuts,
    "quality/streams": _streams,
    "quality/drift": _drift,
    "quality/stillness": _stillness,
    **WORLD_TABLES,
    **signals.TABLES,
    **{f"quality/labels-{name}": partial(filled, template) for name, template in TEMPLATES.items()},
    "quality/labels-few-shots": _few_shots,
    "quality/containers": _containers,
    "quality/peers": _peers,
    "quality/killed": _killed,
    "quality/replicas": _replicas,
}
