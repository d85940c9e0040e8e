"""How a benchmark starts: its arguments, the machine that it runs on, and the commit that its result will name.

A result in this folder's `results` is always of committed code, so that what it measured can be found again.
"""

import argparse
import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

from hebbstream import Report, __version__
from hebbstream._files import check_writable
from hebbstream.errors import OutputError

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
_FROM_ZERO = ("hold_out", "seed", "first_seed", "first", "epochs", "apart", "shift")
"""Whole numbers that may be 0, besides several seeds."""


def arguments(result: str, description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a benchmark whose result is `FOLDER/NAME`."""
    parser = argparse.ArgumentParser(prog=f"python -m {_module(Path(sys.argv[0]))}", description=description)
    output_options(parser, RESULTS / f"{result}.json", "FILE", "JSON; a picture goes beside it")
    return parser


def width_arguments(result: str, description: str | None, *, seconds: float) -> argparse.ArgumentParser:
    """Return the parser of a benchmark that measures the CIFAR preset at some widths."""
    parser = arguments(result, description)
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 48, 24], help="neurons of the first layer")
    parser.add_argument("--seconds", type=float, default=seconds, help="of measurement for each")
    return parser


def output_options(parser: argparse.ArgumentParser, default: Path, metavar: str, text: str) -> None:
    """Let a benchmark write elsewhere than to the stored results, or be tried out."""
    parser.add_argument("--output", type=Path, default=default, metavar=metavar, help=text)
    parser.add_argument(
        "--uncommitted",
        action="store_true",
        help="store the result though the code is not committed; the result says so",
    )


def begin(parser: argparse.ArgumentParser, given: list[str] | None = None) -> argparse.Namespace:
    """Parse the arguments, and end here if a number means nothing, or the result could not be stored.

    A result that is stored needs a commit to find its code by.
    """
    options = parser.parse_args(given)
    _check_numbers(parser, options)
    changed = tree()[1]
    if changed and not options.uncommitted and options.output.resolve().is_relative_to(RESULTS.resolve()):
        more = f" and {len(changed) - 1} more" if changed[1:] else ""
        sys.exit(
            f"not committed: {changed[0]}{more}; a result in benchmarks/results names the commit it is of:"
            " commit first, or try it out with --output ELSEWHERE or --uncommitted"
        )
    try:
        check_writable(options.output if options.output.suffix else options.output / "result.json")
    except OutputError as error:
        sys.exit(f"{error}: name another --output")
    return options


def _check_numbers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    for name, value in vars(options).items():
        several = isinstance(value, list)
        from_zero = name in _FROM_ZERO or (several and name == "seeds")
        for number in value if several else [value]:
            whole = isinstance(number, int) and not isinstance(number, bool)
            if (isinstance(number, float) and not number >= 0) or (whole and number < (not from_zero)):
                expected = "a positive integer" + " or 0" * from_zero if whole else "0 or a positive number"
                parser.error(f"argument --{name.replace('_', '-')}: {number}: expected {expected}")


def whole(report: Report) -> Report:
    """Return the report of a run that nobody stopped, or end here: `learn` returns at Ctrl-C, and half a run is no result."""
    if report.stopped == "interrupted":
        sys.exit(f"interrupted after {report.samples:,} samples: what was being measured is left out")
    return report


@cache
def tree() -> tuple[str, list[str]]:
    """Return the commit and the files that differ from it, as they were at the first call; results do not count."""
    try:
        commit = _git("rev-parse", "--short", "HEAD").strip()
        status = _git("status", "--porcelain", "--untracked-files=all")
    except (OSError, subprocess.CalledProcessError):
        return "unknown", ["this folder (no git repository)"]
    changed = [line[3:] for line in status.splitlines()]
    return commit, [name for name in changed if not name.startswith("benchmarks/results/")]


def _git(*command: str) -> str:
    return subprocess.run(["git", *command], capture_output=True, text=True, check=True, cwd=ROOT).stdout  # noqa: S607


def machine() -> dict[str, Any]:
    """Describe where, when and with what a result was measured."""
    commit, changed = tree()
    described: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hebbstream": __version__,
        "commit": commit,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "-m", _module(Path(sys.argv[0])), *map(_anywhere, sys.argv[1:])]),
    }
    if changed:
        described["uncommitted"] = changed
    if torch.cuda.is_available():
        described["gpu"] = torch.cuda.get_device_name()
    return described


def _module(program: Path) -> str:
    """Name a benchmark as `python -m` takes it: a file, or a folder with a __main__."""
    if not program.is_relative_to(ROOT):
        return program.name
    parts = program.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__main__")


def _anywhere(argument: str) -> str:
    """Shorten a path of this machine to one that means something elsewhere."""
    path, data = Path(argument), os.environ.get("HEBBSTREAM_DATA")
    if data and path.is_relative_to(Path(data).absolute()):
        return f"$HEBBSTREAM_DATA/{path.relative_to(Path(data).absolute())}"
    return path.name if path.is_absolute() else argument


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
