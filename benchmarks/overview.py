"""The tables about all results together: what to expect, and when each was measured."""

from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import read
from benchmarks.quality.worlds.tables import of_refit


def _expect(results: Path) -> str:
    """One line each for what a newcomer asks, beside what it should be compared with."""
    runs = read(results / "paper" / "cifar10.json")["runs"]
    images = {
        protocol: 100 * mean(run["test_accuracy"]["3"] for run in runs if _is_full(run) and run["name"] == protocol)
        for protocol in ("stream", "paper")
    }
    pixels = grouped(read(results / "quality" / "worlds.json")["rows"], "world", "row")
    taught = {where: 100 * mean(run["refit"] for run in runs) for where, runs in of_refit(results).items()}

    def video(row: str, *worlds: str) -> str:
        return f"{mean(taught[world, row] for world in worlds):.1f} %"

    def from_pixels(world: str) -> str:
        return f"{100 * mean(run['ridge'] for run in pixels[world, 'pixels']):.1f} % from pixels"

    steps = read(results / "speed" / "step.json")["steps"]
    full = [step for step in steps if (step["preset"], step["batch"], step["width"]) == ("cifar10", 1, None)]
    step = max(full, key=lambda step: step.get("threads", 0))
    cores = {1: "one core"}.get(step.get("threads"), "two cores")
    ms = {name: found["median_ms"] for name, found in step["ms_per_step"].items()}
    games = "breakout", "ms_pacman", "pong", "space_invaders"
    rows = [
        [
            "turning objects, 2,000 frames taught (`motion`, half width): frames of a later video named rightly",
            video("motion", "turning-objects"),
            f"{video('motion, untrained', 'turning-objects')} untrained, {from_pixels('turning-objects')}",
        ],
        [
            "other objects likewise",
            video("motion", "other-objects"),
            f"{video('motion, untrained', 'other-objects')} untrained, {from_pixels('other-objects')}",
        ],
        ["four games likewise", video("motion", *games), f"{video('motion, untrained', *games)} untrained"],
        [
            "CIFAR-10, one pass, one image at a time",
            f"{images['stream']:.1f} %",
            f"{images['paper']:.1f} % in mini-batches",
        ],
        [
            f"a learning step at full width, on {cores}",
            f"{ms['learn']:.0f} ms",
            f"{ms['backprop']:.0f} ms by backpropagation",
        ],
    ]
    return markdown(["what", "hebbstream", "compare with"], rows)


def _is_full(run: dict[str, Any]) -> bool:
    return bool(run["run"]["width"] == 96)


def measured(found: Any) -> Iterator[dict[str, str]]:
    """Yield every description of a measurement in a result."""
    if isinstance(found, dict):
        if {"date", "commit"} <= found.keys():
            yield found
        for value in found.values():
            yield from measured(value)
    elif isinstance(found, list):
        for value in found:
            yield from measured(value)


def _dates(results: Path) -> str:
    rows = []
    for path in sorted(results.rglob("*.json")):
        each = list(measured(read(path)))
        dates = sorted({one["date"] for one in each})
        commits = dict.fromkeys(one["commit"] for one in each)
        if dates:
            name = path.relative_to(results).with_suffix("").as_posix()
            when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
            shown = list(commits)[:2]
            rows.append([name, when, ", ".join(shown) + (" …" if len(commits) > len(shown) else "")])
    return markdown(["result", "measured", "at commit"], rows)


TABLES: Tables = {"overview/expect": _expect, "overview/dates": _dates}
