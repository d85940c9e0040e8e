"""The result files: JSON, each with the machine, commit, date and command that it is of."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmarks.core.run import machine
from hebbstream._files import atomic_write

Result = dict[str, Any]
Job = tuple[Result, Callable[[], Result]]
"""What tells a row from the others, and what measures the rest of it."""

_HELD: dict[Path, FileLock] = {}
"""Of each file that rows are added to, until the process ends."""


def read(path: Path) -> Result:
    """Return what a result file holds, nothing if there is none.

    Raises
    ------
    SystemExit
        If it holds something else, which would be lost.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise SystemExit(f"{path} is no result: expected JSON ({error}): name another --output, or remove it") from None
    if not isinstance(found, dict):
        raise SystemExit(f"{path} is no result: expected an object of JSON: name another --output, or remove it")
    return found


def resume(path: Path, settings: Result) -> Result:
    """Return what a file holds, whose finished rows need not be repeated; each names the machine, commit and command it is of.

    Raises
    ------
    SystemExit
        If the file holds what was measured with other settings, which would be lost, or another process adds rows to it.
    """
    _hold(path)
    found = read(path)
    if not found:
        return {}
    earlier = found.get("settings", {})
    if other := [
        f"{name} {earlier.get(name)}, not {value}" for name, value in settings.items() if earlier.get(name) != value
    ]:
        raise SystemExit(f"{path} is of other settings ({'; '.join(other)}): name another --output, or remove it")
    rows = [row for kept in found.values() if isinstance(kept, list) for row in kept]
    for row in rows:
        row.setdefault("measured", found["machine"])
    print(
        f"{path} has finished rows ({len(rows)}), which are kept: name another --output to measure them again",
        flush=True,
    )
    return found


def _hold(path: Path) -> None:
    """Refuse a second process until this one ends: each would write the file without the other's rows."""
    path = path.resolve()
    name = f"hebbstream-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.lock"
    lock = _HELD.setdefault(path, FileLock(Path(tempfile.gettempdir()) / name, timeout=0))
    try:
        lock.acquire()
    except Timeout:
        raise SystemExit(f"another process adds rows to {path}: name another --output, or wait for its end") from None


def complete(path: Path, settings: Result, jobs: Iterable[Job], name: str = "rows") -> list[Result]:
    """Do the jobs whose rows a file of the same settings lacks, write it after each, and return all rows."""
    rows: list[Result] = resume(path, settings).get(name, [])
    for key, job in jobs:
        if not any(key.items() <= row.items() for row in rows):
            rows += shown([key | job()])
            write(path, {"settings": settings, name: rows})
    return rows


def gather(path: Path, rows: Iterable[Result], settings: Result, name: str = "rows") -> list[Result]:
    """Gather rows that are all measured anew, print each as it comes, and write the file after each."""
    found: list[Result] = []
    for row in rows:
        found += shown([row])
        write(path, settings | {name: found})
    return found


def write(path: Path, result: Result) -> None:
    """Write a result with the machine that gave it, atomically."""
    save(path, {"machine": machine()} | result)
    print(f"result {path}")


def save(path: Path, content: Result) -> None:
    """Write a file atomically, as `read` takes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        Path(temporary).write_text(text, encoding="utf-8")


def shown(rows: Iterable[Result]) -> list[Result]:
    """Gather rows, and print each as it comes."""
    found = []
    for row in rows:
        found.append(row)
        print(row, flush=True)
    return found
