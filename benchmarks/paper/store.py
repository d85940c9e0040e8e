"""The result files: one for each experiment, a list of runs, each with what it took and gave."""

from pathlib import Path
from typing import Any

from benchmarks.core.run import RESULTS
from benchmarks.core.store import read, save
from benchmarks.paper.run import Run

FOLDER = RESULTS / "paper"


def load(path: Path) -> list[dict[str, Any]]:
    """Return the runs of a result file; none if there is no such file."""
    found: list[dict[str, Any]] = read(path).get("runs", [])
    return found


def find(results: list[dict[str, Any]], run: Run) -> dict[str, Any] | None:
    """Return the result of a run, if it is there and the layers that its settings stand for are still the same."""
    wanted = run.described(), run.layers()
    return next((result for result in results if (result["run"], result["layers"]) == wanted), None)


def find_elsewhere(folder: Path, run: Run) -> dict[str, Any] | None:
    """Return the result of a run that another experiment has in common with this one."""
    return next((result for path in sorted(folder.glob("*.json")) if (result := find(load(path), run))), None)


def add(path: Path, result: dict[str, Any]) -> None:
    """Add a result to a file, or put it in the place of an earlier one of the same run."""
    results = [earlier for earlier in load(path) if earlier["run"] != result["run"]]
    save(path, {"runs": [*results, result]})
