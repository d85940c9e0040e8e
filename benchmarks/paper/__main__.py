"""Run the paper's experiments, with mini-batches as published and with single samples from a stream.

Each experiment writes benchmarks/results/paper/NAME.json after each of its runs, and goes on from there when it is
started again; `python -m benchmarks.page` puts the results into the tables of the documentation.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

from benchmarks.core import run as core
from benchmarks.paper import store
from benchmarks.paper.execute import execute
from benchmarks.paper.experiments import EXPERIMENTS, WIDTHS
from benchmarks.paper.plots import plot
from benchmarks.paper.run import Protocol, Run
from hebbstream.errors import ConfigurationError, HebbstreamError


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = core.begin(parser, arguments)
    if options.reduced and options.output.resolve().is_relative_to(core.RESULTS.resolve()):
        parser.error(
            f"--reduced: its figures mean nothing; expected an --output outside benchmarks/results, not {options.output}"
        )
    names = [name for name in EXPERIMENTS if name in options.experiments or "all" in options.experiments]
    try:
        for name in names:
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                for label, run in _chosen(name, seed, options):
                    _run(options.output / f"{name}.json", label, _reduced(run) if options.reduced else run, options)
            if not options.reduced:
                plot(options.output / f"{name}.json")
    except HebbstreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _chosen(experiment: str, seed: int, options: argparse.Namespace) -> list[tuple[str, Run]]:
    runs = EXPERIMENTS[experiment].runs(seed, options.width)
    chosen = [
        (label, run)
        for label, run in runs
        if options.protocol in (None, run.protocol) and options.only in (None, label)
    ]
    if not chosen:
        names = ", ".join(repr(label) for label, _ in runs)
        raise ConfigurationError(f"{experiment}: no run of that name or protocol; expected --only one of {names}")
    return chosen


def _run(path: Path, label: str, run: Run, options: argparse.Namespace) -> None:
    result = store.find(store.load(path), run)
    if result is None:
        result = store.find_elsewhere(options.output, run)
        if result is None:
            if any(earlier["run"] == run.described() for earlier in store.load(path)):
                print(
                    f"{path}: {label}, width {run.width}, seed {run.seed} is of other layers, and is measured anew",
                    flush=True,
                )
            keep = None
            if options.keep is not None:
                options.keep.mkdir(parents=True, exist_ok=True)
                keep = options.keep / f"{path.stem}-{label}-{options.width}-{run.seed}.safetensors"
            result = execute(run, peer=options.peer, keep=keep, progress=not options.quiet)
        store.add(path, result | {"name": label})
    accuracies = ", ".join(f"layer {layer} {value:.2%}" for layer, value in result["test_accuracy"].items())
    seconds = result["learning_seconds"], result["probing_seconds"]
    print(
        f"{path.stem}, {label}, width {run.width}, seed {run.seed}: {accuracies} ({seconds[0]:.0f} + {seconds[1]:.0f} s)"
    )


def _reduced(run: Run) -> Run:
    """Shrink a run to seconds: every path, no meaning."""
    samples = 40 if run.samples is None else min(40, run.samples)
    return replace(run, width=max(2, (run.width or 8) // 8), samples=samples, labels=40, tested=40, epochs=1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument(
        "experiments",
        nargs="+",
        choices=["all", *EXPERIMENTS],
        metavar="EXPERIMENT",
        help="; ".join([*EXPERIMENTS, "or all of these"]),
    )
    parser.add_argument("--protocol", choices=get_args(Protocol), help="only the runs of this protocol")
    parser.add_argument("--only", metavar="NAME", help="only the runs of this name")
    parser.add_argument("--width", choices=WIDTHS, default="half", help="of the paper's networks (default half)")
    parser.add_argument("--seeds", type=int, default=1, help="how many (default 1)")
    parser.add_argument("--first-seed", type=int, default=0, help="default 0")
    parser.add_argument("--peer", type=Path, metavar="CLONE", help="of NeuromorphicComputing/SoftHebb, for 'authors'")
    parser.add_argument(
        "--reduced", action="store_true", help="seconds instead of hours, to another --output: width 8, 40 samples"
    )
    core.output_options(parser, store.FOLDER, "FOLDER", "for the results and plots")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="for the networks, which are else forgotten")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    return parser


if __name__ == "__main__":
    sys.exit(main())
