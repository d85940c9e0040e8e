"""Measure detectors of unusual rows: `SoftHebbAnomaly` beside river's own, each row scored, then learned.

In some sets a class is made rare, in others one row in twenty is spoiled. The figure is the area under the ROC curve, over
the rows after the first third. The score was chosen on the sets of `CHOOSING` alone.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import sklearn.datasets
import sklearn.metrics
from river import anomaly, base, datasets, preprocessing
from river.datasets import synth

from benchmarks.core import run, store
from hebbstream.adapters.river import SoftHebbAnomaly, SoftHebbTransformer
from hebbstream.adapters.river._rows import row_layer
from hebbstream.inspection._explained import unexplained_share

Table = tuple[np.ndarray, np.ndarray]
"""Rows (n, columns), and which of them are unusual, bool (n,)."""

ROWS = 1500
ODD = 0.05  # share of the rows that are unusual


def table(rows: Any) -> Table:
    """Return a river data set as arrays, with its labels."""
    x, y = zip(*rows, strict=True)
    return np.array([list(row.values()) for row in x], float), np.array(y)


def rare(load: Callable[[], Table], odd: Any, seed: int) -> Table:
    """Take one row of the class `odd` to every nineteen of the others, in an order of the seed's."""
    random, (x, y) = np.random.default_rng(seed), load()
    usual, unusual = (random.permutation(np.flatnonzero(found)) for found in (y != odd, y == odd))
    usual = usual[: round(ROWS * (1 - ODD))]
    order = random.permutation([*usual, *unusual[: round(len(usual) * ODD / (1 - ODD))]])
    return x[order], y[order] == odd


def spoiled(make: Callable[[int], Any], way: str, seed: int) -> Table:
    """Spoil one row in twenty, in one of the ways of `WAYS`."""
    x = table(islice(make(seed), ROWS))[0]
    random, deviation, columns = np.random.default_rng(seed), x.std(axis=0), np.arange(x.shape[1])
    at = random.permutation(len(x))[: round(len(x) * ODD)]
    if way == "stuck":
        first = random.choice(np.arange(50, len(x) - 50, 50), len(at) // 15, replace=False)
        at = (first[:, None] + np.arange(15)).ravel()
        column = random.choice(columns, len(first)).repeat(15)
        x[at, column] = x[first.repeat(15) - 1, column]
    elif way == "far":
        column = random.choice(columns, len(at))
        x[at, column] += 6 * random.choice([-1, 1], len(at)) * deviation[column]
    elif way == "mixed":
        x[at] = x[random.integers(len(x), size=(len(at), len(columns))), columns]
    else:
        x[at] += 1.5 * random.choice([-1, 1], (len(at), 1)) * deviation
    odd = np.zeros(len(x), bool)
    odd[at] = True
    return x, odd


WAYS = (
    "far",  # one value lies six deviations further out
    "mixed",  # each value is of another row
    "stuck",  # one value stays what it was, fifteen rows long
    "shifted",  # all values are a deviation and a half higher, or lower
)


def standing(columns: int, seed: int) -> Table:
    """Return 400 rows of noise and then one row again and again, with spikes in one column."""
    random = np.random.default_rng(seed)
    x, odd = random.normal(size=(ROWS, columns)), np.zeros(ROWS, bool)
    x[400:] = x[399]
    at = random.choice(np.arange(ROWS // 3, ROWS), 50, replace=False)
    x[at, random.choice(columns, len(at))] += 50
    odd[at] = True
    return x, odd


def machine(seed: int) -> Table:
    """Return six waves that run and stand still in turn, with spikes in one of them."""
    random, t = np.random.default_rng(seed), np.arange(ROWS)
    running = t // 150 % 2 == 0
    x = running[:, None] * np.sin(0.3 * t[:, None] + np.arange(6)) + 0.05 * random.normal(size=(ROWS, 6))
    at, odd = random.choice(ROWS, round(ROWS * ODD), replace=False), np.zeros(ROWS, bool)
    x[at, random.choice(6, len(at))] += 1.5 * random.choice([-1, 1], len(at))
    odd[at] = True
    return x, odd


def _waves(seed: int) -> Any:
    return synth.Waveform(seed=seed)


def _clusters(seed: int) -> Any:
    return synth.RandomRBF(seed_model=seed, seed_sample=seed, n_features=12, n_centroids=8)


def _sine(seed: int) -> Table:
    return table(synth.AnomalySine(n_samples=ROWS, n_anomalies=round(ROWS * ODD), seed=seed))


def _of(load: Callable[..., Table]) -> Callable[[], Table]:
    return partial(load, return_X_y=True)


CHOOSING: dict[str, Callable[[int], Table]] = {
    "breast cancer": partial(rare, _of(sklearn.datasets.load_breast_cancer), 0),
    "Shuttle": partial(rare, lambda: table(islice(datasets.Shuttle(), 12_000)), 1),
    "Bananas": partial(rare, lambda: table(datasets.Bananas()), True),
    "standing still": partial(standing, 5),
    **{f"Waveform, {way}": partial(spoiled, _waves, way) for way in WAYS},
}
SETS: dict[str, Callable[[int], Table]] = CHOOSING | {
    "digits": partial(rare, _of(sklearn.datasets.load_digits), 9),
    "wine": partial(rare, _of(sklearn.datasets.load_wine), 2),
    "ImageSegments": partial(rare, lambda: table(datasets.ImageSegments()), "grass"),
    "Phishing": partial(rare, lambda: table(datasets.Phishing()), True),
    "AnomalySine": _sine,
    "machine": machine,
    **{f"RandomRBF, {way}": partial(spoiled, _clusters, way) for way in WAYS},
}


class Share(SoftHebbAnomaly):
    """Scores the share of a row that is not explained, however far out the row lies."""

    def score_one(self, x: Any) -> float:
        """Return the share; 0 before the first row."""
        passes, net = self.transformer.forward_one(x), self.transformer.net
        return 0.0 if passes is None or net is None else unexplained_share(net.layers[0], passes.layers[0][1])


class Distance(base.AnomalyDetector):
    """Scores a standardised row by its squared length alone."""

    def learn_one(self, x: dict[str, float]) -> None:
        """Learn nothing."""

    def score_one(self, x: dict[str, float]) -> float:
        """Return the squared length."""
        return sum(value * value for value in x.values())


def _layer(learning_rate: float, seed: int) -> SoftHebbTransformer:
    return SoftHebbTransformer(layers=[replace(row_layer(20), learning_rate=learning_rate)], seed=seed)


DETECTORS: dict[str, Callable[[int], Any]] = {
    "SoftHebbAnomaly": lambda seed: SoftHebbAnomaly(SoftHebbTransformer(neurons=20, seed=seed)),
    "untrained": lambda seed: SoftHebbAnomaly(_layer(0.0, seed)),
    "share alone": lambda seed: Share(SoftHebbTransformer(neurons=20, seed=seed)),
    "distance": lambda _: Distance(),
    "HalfSpaceTrees": lambda seed: anomaly.HalfSpaceTrees(seed=seed),
    "LODA": lambda seed: anomaly.LODA(seed=seed),
    "OneClassSVM": lambda _: anomaly.OneClassSVM(),
    "LocalOutlierFactor": lambda _: anomaly.LocalOutlierFactor(),
}


def measure(x: np.ndarray, odd: np.ndarray, detector: str, seed: int) -> store.Result:
    """Return the area under the ROC curve over the last two thirds of the rows, %, and the time that a row took."""
    scaler = preprocessing.MinMaxScaler() if detector == "HalfSpaceTrees" else preprocessing.StandardScaler()
    model = scaler | DETECTORS[detector](seed)
    scores, began = [], time.process_time()
    for values in x.tolist():
        row = {f"c{column:02}": value for column, value in enumerate(values)}
        scores.append(model.score_one(row))
        model.learn_one(row)
    spent = time.process_time() - began
    auc = sklearn.metrics.roc_auc_score(odd[len(x) // 3 :], scores[len(x) // 3 :])
    return {"auc": round(100 * float(auc), 2), "ms_a_row": round(1000 * spent / len(x), 3)}


def main() -> None:
    parser = run.arguments("quality/anomaly", __doc__)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="NAME")
    parser.add_argument("--detectors", nargs="+", choices=DETECTORS, default=list(DETECTORS), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = run.begin(parser)

    def jobs() -> Iterator[store.Job]:
        for name, seed in itertools.product(options.sets, options.seeds):
            x, odd = SETS[name](seed)
            for detector in options.detectors:
                yield {"set": name, "detector": detector, "seed": seed}, partial(measure, x, odd, detector, seed)

    store.complete(options.output, {"chosen_on": list(CHOOSING)}, jobs())


if __name__ == "__main__":
    main()
