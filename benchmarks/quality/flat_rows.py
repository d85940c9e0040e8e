"""Measure features of tables, row by row: the columns themselves, features as drawn, and features that learn.

*Drawn* is the same dense layer with the same statistics, and a rate of 0; *beside the columns*, a classifier sees what was learned and
the columns. Offline: ridge on standardised features; seven
rows of ten, in a random order, are learned once and teach the ridge, the others test. Prequential: all rows in one random
order, once; each is predicted by `LinearProbe`, then learned by probe and layer. Nothing was chosen on sets that report.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
from river import datasets, evaluate, metrics, preprocessing

from benchmarks.core import run, store
from benchmarks.quality.signals.__main__ import offline as ridge
from hebbstream import LayerSpec
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer
from hebbstream.adapters.river._rows import row_layer

Rows = list[tuple[dict[str, float], Any]]

SETS: dict[str, Callable[[], Any]] = {
    "Phishing": datasets.Phishing,
    "Bananas": datasets.Bananas,
    "ImageSegments": datasets.ImageSegments,
    # As MOA has it by default: seven segments, seventeen columns that say nothing, a tenth of the segments wrong.
    "LED": lambda: datasets.synth.LED(seed=1, noise_percentage=0.1, irrelevant_features=True),
}
CHOOSING = ["Phishing", "Bananas"]
# By name: the layer that `SoftHebbTransformer` takes for rows, with so many neurons, and one whose features grow with the row.
LAYERS: dict[str, LayerSpec] = {str(neurons): row_layer(neurons) for neurons in (20, 100, 400)}
LAYERS["100-triangle"] = replace(LAYERS["100"], activation="triangle", power=1.0)


_BESIDE = "learned, beside the columns"


def offline(rows: Rows, spec: LayerSpec | None, seed: int, beside: bool) -> float:
    """Return the accuracy of ridge on rows that nothing was learned from, %."""
    x, y = pd.DataFrame([row for row, _ in rows]).astype(float), np.array([label for _, label in rows])
    cut = len(rows) * 7 // 10
    if spec is not None:
        transformer = SoftHebbTransformer(layers=[spec], seed=seed, standardise=False)
        transformer.learn_many(x[:cut])
        features = transformer.transform_many(x)
        x = pd.concat([x, features], axis=1) if beside else features
    return ridge(x[:cut].to_numpy(), y[:cut], x[cut:].to_numpy(), y[cut:])


def prequential(rows: Rows, spec: LayerSpec | None, seed: int, beside: bool) -> float:
    """Return the share of rows that were predicted right before they were learned, %."""
    columns = preprocessing.StandardScaler()
    features = None if spec is None else SoftHebbTransformer(layers=[spec], seed=seed)
    first = columns if features is None else columns + features if beside else features
    return round(100 * float(evaluate.progressive_val_score(rows, first | LinearProbe(), metrics.Accuracy()).get()), 2)


def measure(rows: Rows, spec: LayerSpec | None, seed: int, beside: bool) -> store.Result:
    """Return both accuracies, on rows in an order of the seed's."""
    rows = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))]
    began = time.process_time()
    found = {way.__name__: way(rows, spec, seed, beside) for way in (offline, prequential)}
    return {**found, "cpu_seconds": round(time.process_time() - began, 1)}


def main() -> None:
    parser = run.arguments("quality/flat-rows", __doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--limit", type=int, default=1500, help="rows of each set, at most (default: %(default)s)")
    options = run.begin(parser)
    settings = {"limit": options.limit, "chosen_on": CHOOSING}
    specs: dict[tuple[str, str], LayerSpec | None] = {("raw", "raw"): None}
    for name in options.layers:
        specs |= {
            (name, "drawn"): replace(LAYERS[name], learning_rate=0.0),
            (name, "learned"): LAYERS[name],
            (name, _BESIDE): LAYERS[name],
        }

    def jobs() -> Iterator[store.Job]:
        for name, seed in itertools.product(options.sets, options.seeds):
            rows = list(islice(SETS[name](), options.limit))
            for (kind, row), spec in specs.items():
                yield (
                    {"set": name, "seed": seed, "layer": kind, "row": row},
                    partial(measure, rows, spec, seed, row == _BESIDE),
                )

    store.complete(options.output, settings, jobs())


if __name__ == "__main__":
    main()
