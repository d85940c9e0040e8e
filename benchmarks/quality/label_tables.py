"""The tables of `benchmarks.quality.online_labels`, whose columns come from several of its results.

In a template `{FILE; SOLVER; MEASURE}` stands for an accuracy, % of one decimal, of `online-labels-FILE.json`.
"""

import re
from pathlib import Path
from typing import Any

from benchmarks.core.store import read

_MEASURES = {
    "learning": ("single pass, features learning",),
    "replay": ("single pass, features learning, replay",),
    "learned": ("features learned before", "shuffled"),
    "turns, learned": ("features learned before", "two classes at a time", "average accuracy"),
    "turns, learning": ("two classes at a time, features learning", "average accuracy"),
    "turns, replay": ("two classes at a time, features learning, replay", "average accuracy"),
}

TEMPLATES = {
    "single-pass": """\
| | CIFAR-10, learning | learned | MNIST, learning | learned |
|---|---|---|---|---|
| gradient, SGD | {cifar10; gradient, SGD; learning} | {cifar10; gradient, SGD; learned} | {mnist; gradient, SGD; learning} | {mnist; gradient, SGD; learned} |
| gradient, SGD, with `Replay()` | {replay; gradient, SGD; replay} | | | |
| gradient, SGD, with `Replay(50_000, per_sample=8)`, which keeps every frame | {replay-all; gradient, SGD; replay} | | | |
| the same, `average_over=9000` | {replay-all; gradient, SGD, average over 9000; replay} | | | |
| gradient, Adam | {cifar10; gradient, Adam; learning} | {cifar10; gradient, Adam; learned} | {mnist; gradient, Adam; learning} | {mnist; gradient, Adam; learned} |
| ridge, 1,024 dimensions | {cifar10; ridge, 1024 dimensions; learning} | {cifar10; ridge, 1024 dimensions; learned} | {mnist; ridge, 1024 dimensions; learning} | {mnist; ridge, 1024 dimensions; learned} |
| slda, 1,024 dimensions | {cifar10; slda, 1024 dimensions; learning} | {cifar10; slda, 1024 dimensions; learned} | {mnist; slda, 1024 dimensions; learning} | {mnist; slda, 1024 dimensions; learned} |
| ridge, 4,096 dimensions | {cifar10; ridge, 4096 dimensions; learning} | {cifar10; ridge, 4096 dimensions; learned} | | |
| slda, 4,096 dimensions | {cifar10; slda, 4096 dimensions; learning} | {cifar10; slda, 4096 dimensions; learned} | | |
| ridge, 1,024 dimensions, half-life 10,000 | {half-life-1024; ridge, 1024 dimensions, half-life 10000; learning} | | | |
| slda, 1,024 dimensions, half-life 10,000 | {half-life-1024; slda, 1024 dimensions, half-life 10000; learning} | | | |
| slda, 4,096 dimensions, half-life 10,000 | {half-life-4096; slda, 4096 dimensions, half-life 10000; learning} | | | |
| the paper's probe, offline, 50 epochs | | {cifar10; offline probe} | | {mnist; offline probe} |""",
    "replay": """\
| CIFAR-10, two classes at a time, features learning, all ten in the end | without | with `Replay()` |
|---|---|---|
| SGD | {replay-tasks; gradient, SGD; turns, learning} | {replay-tasks; gradient, SGD; turns, replay} |
| ridge, 1,024 dimensions | {replay-tasks; ridge, 1024 dimensions; turns, learning} | {replay-tasks; ridge, 1024 dimensions; turns, replay} |
| slda, 1,024 dimensions | {replay-tasks; slda, 1024 dimensions; turns, learning} | {replay-tasks; slda, 1024 dimensions; turns, replay} |
| slda, 1,024 dimensions, half-life of 10,000 labels, those seen again included | {replay-tasks; slda, 1024 dimensions, half-life 10000; turns, learning} | {replay-tasks; slda, 1024 dimensions, half-life 10000; turns, replay} |""",
    "frames-kept": """\
| frames kept | seen again for each new one | rates as they are: average over 3,000 | 9,000 | 27,000 | rates that fall: 3,000 | 9,000 | 27,000 |
|---|---|---|---|---|---|---|---|
| none | | {replay-all; gradient, SGD; learning} | {replay-all; gradient, SGD, average over 9000; learning} | {replay-all; gradient, SGD, average over 27000; learning} | {replay-all-decay; gradient, SGD; learning} | {replay-all-decay; gradient, SGD, average over 9000; learning} | {replay-all-decay; gradient, SGD, average over 27000; learning} |
| 10,000 | 3 (`Replay()`) | {replay; gradient, SGD; replay} | | | {replay-decay; gradient, SGD; replay} | | |
| 10,000 | 8 | | | | {replay-decay-8; gradient, SGD; replay} | | |
| 20,000 | 8 | | | | {replay-20000-decay; gradient, SGD; replay} | {replay-20000-decay; gradient, SGD, average over 9000; replay} | {replay-20000-decay; gradient, SGD, average over 27000; replay} |
| 50,000: all | 3 | {replay-all-3; gradient, SGD; replay} | {replay-all-3; gradient, SGD, average over 9000; replay} | {replay-all-3; gradient, SGD, average over 27000; replay} | | | |
| 50,000: all | 8 | {replay-all; gradient, SGD; replay} | {replay-all; gradient, SGD, average over 9000; replay} | {replay-all; gradient, SGD, average over 27000; replay} | {replay-all-decay; gradient, SGD; replay} | {replay-all-decay; gradient, SGD, average over 9000; replay} | {replay-all-decay; gradient, SGD, average over 27000; replay} |
| learned before, without replay | | {replay-all; gradient, SGD; learned} | {replay-all; gradient, SGD, average over 9000; learned} | {replay-all; gradient, SGD, average over 27000; learned} | {replay-all-decay; gradient, SGD; learned} | {replay-all-decay; gradient, SGD, average over 9000; learned} | {replay-all-decay; gradient, SGD, average over 27000; learned} |
| the paper's probe, offline, 50 epochs | | {replay; offline probe} | | | {replay-decay; offline probe} | | |""",
    "in-turn": """\
| | CIFAR-10, features learned before | learning | MNIST, features learned before | learning |
|---|---|---|---|---|
| slda, 4,096 dimensions (MNIST: 1,024) | {cifar10; slda, 4096 dimensions; turns, learned} | {cifar10; slda, 4096 dimensions; turns, learning} | {mnist; slda, 1024 dimensions; turns, learned} | {mnist; slda, 1024 dimensions; turns, learning} |
| ridge, 4,096 dimensions (MNIST: 1,024) | {cifar10; ridge, 4096 dimensions; turns, learned} | {cifar10; ridge, 4096 dimensions; turns, learning} | {mnist; ridge, 1024 dimensions; turns, learned} | {mnist; ridge, 1024 dimensions; turns, learning} |
| gradient, SGD | {sgd; gradient, SGD; turns, learned} | {replay-tasks; gradient, SGD; turns, learning} | {mnist; gradient, SGD; turns, learned} | {mnist; gradient, SGD; turns, learning} |
| gradient, Adam | {cifar10; gradient, Adam; turns, learned} | {cifar10; gradient, Adam; turns, learning} | {mnist; gradient, Adam; turns, learned} | {mnist; gradient, Adam; turns, learning} |""",
}


def filled(template: str, results: Path) -> str:
    """Return a template with its accuracies."""

    def accuracy(cell: re.Match[str]) -> str:
        file, row, *measure = cell[1].split("; ")
        (found,) = read(results / "quality" / f"online-labels-{file}.json")["data"].values()
        value: Any = found[row]
        for key in _MEASURES[measure[0]] if measure else ():
            value = value[key]
        return f"{100 * value + 1e-9:.1f}"  # of the four digits stored, a half goes up

    return re.sub(r"\{(.+?)\}", accuracy, template)
