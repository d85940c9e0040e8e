"""Activity from an accelerometer in a river pipeline: rest, walking, running, by people who move at once.

Rows come one at a time, those of all people mixed, and each is predicted before it is learned. Prints the accuracy of a
linear classifier on the standardised rows, of the same classifier on features of the last two seconds of each person,
that learn as they come, and on those of the same network as it is drawn.

The rows are made up here: gravity along an axis that differs from person to person, a step's up and down with its
harmonics, and noise. With a CSV file of your own, name its columns: ``accelerometer.py walk.csv --columns x y z --label
activity``, with ``--group user`` where column user tells people apart.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from river import metrics, preprocessing

import hebbstream as hs
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.adapters.tables import open_table

RATE = 25  # rows a second of each person
STEPS = {"rest": (0.0, 0.0), "walk": (1.8, 2.5), "run": (2.7, 7.0)}  # steps a second, and how hard


def people(count: int, seed: int = 0) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield (row, activity) of so many people, each doing something else every ten seconds."""
    generator = np.random.default_rng(seed)
    gravity = generator.standard_normal((count, 3))
    gravity *= 9.81 / np.linalg.norm(gravity, axis=1, keepdims=True)
    activity = [str(generator.choice(list(STEPS))) for _ in range(count)]
    phase = generator.random(count)
    for moment in range(10**9):
        for who in range(count):
            if (moment + 37 * who) % (10 * RATE) == 0:
                activity[who] = str(generator.choice(list(STEPS)))
            pace, force = STEPS[activity[who]]
            phase[who] += pace * generator.normal(1.0, 0.1) / RATE
            turn = 2 * math.pi * phase[who]
            bounce = force * (math.sin(turn) + 0.4 * math.sin(2 * turn) + 0.2 * math.sin(3 * turn + who))
            x = gravity[who] * (1 + bounce / 9.81) + generator.normal(0, 0.8, 3)
            yield {"who": who, "x": x[0], "y": x[1], "z": x[2]}, activity[who]


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("file", nargs="?", help="a CSV or Parquet file (default: rows that are made up)")
parser.add_argument("--columns", nargs="+", default=["x", "y", "z"], help="its columns (default: x y z)")
parser.add_argument("--label", default="activity", help="its column of activities (default: activity)")
parser.add_argument("--group", help="its column of people (default: all rows are of one)")
parser.add_argument("--limit", type=int, default=6000, metavar="N", help="stop after N rows (default: 6000)")
options = parser.parse_args()

if options.file:
    names = [*options.columns, *([options.group] if options.group else [])]
    with open_table(options.file, [*dict.fromkeys([*names, options.label])]) as table:
        found = [row.x for row in islice(table, options.limit)]
    rows = [
        ({name: x[name] if name == options.group else float(x[name]) for name in names}, x[options.label])
        for x in found
    ]
else:
    options.group = "who"
    rows = list(islice(people(4), options.limit))


def features(learn: bool) -> SoftHebbTransformer:
    """Return those of the last two seconds of each person, learned from every fifth row."""
    layers = hs.PRESETS["signal"].resolve(width=16)
    if not learn:  # the statistics of what comes in are followed all the same
        layers = [replace(spec, learning_rate=0.0) for spec in layers]
    return SoftHebbTransformer(layers=layers, window=2 * RATE, hop=5, group=options.group)


models = {
    "single rows": preprocessing.StandardScaler() | LinearProbe(),
    "windows, features that learn": features(learn=True) | LinearProbe(),
    "windows, features as drawn": features(learn=False) | LinearProbe(),
}
for name, model in models.items():
    accuracy = metrics.Accuracy()
    for row, label in rows:
        x = {key: value for key, value in row.items() if key != options.group} if name == "single rows" else row
        accuracy.update(label, model.predict_one(x))
        model.learn_one(x, label)
    print(f"{name:30} {accuracy}", flush=True)
