"""Measure features of signals and sound: learned, untrained with the same statistics, and raw values.

Rows *aligned* are of the preset for samples that begin at the same event. Rows *unwhitened* are the control of what whitening patches does: the same but for the normalisation of the first layer.

Offline: ridge on standardised features, its penalty chosen on the training part, of which small sets are shown again
until 1,200 samples have been learned. Prequential: training and test part in one random order, once; each sample is
predicted by a softmax probe, then learned by probe and network. Standing still: the network has learned from the training
part, without labels, and stays as it is, while a probe predicts and learns the test's part in the same way. Nothing is
learned from the test's part before it counts, but for the mean and the deviation of raw values where these come one by one.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hebbstream as hs
from benchmarks.core import data, run, store

Array = np.ndarray[Any, Any]
_SHOWN = 1200
_MAKE = "benchmarks/quality/signals/make.py"
ROWS: dict[str, dict[str, Any]] = {
    "untrained": {"learning_rate": 0.0},
    "learned": {},
    "untrained, aligned": {"learning_rate": 0.0},
    "learned, aligned": {},
    "untrained, unwhitened": {"learning_rate": 0.0, "normalization": "stream"},
    "learned, unwhitened": {"normalization": "stream"},
}


def network(x: Array, row: str, width: int | None, seed: int) -> hs.SoftHebbNet:
    """Return the preset for samples like `x`, its first layer changed; the other does not learn anyway."""
    preset = hs.PRESETS["sound" if x.ndim == 4 else "aligned-signal" if row.endswith("aligned") else "signal"]
    first, second = preset.resolve(width=width)
    specs = [replace(first, **ROWS[row]), second]
    return hs.SoftHebbNet(specs, x.shape[1], input_range=preset.input_range, seed=seed)


def some(arrays: dict[str, Array], most: int | None) -> dict[str, Array]:
    """Return so many samples of each part, at most, chosen at random."""
    found = {}
    for part in ("train", "test"):
        chosen = np.random.default_rng(0).permutation(len(arrays[part]))[:most]
        found |= {name: arrays[name][chosen] for name in (part, f"{part}_y")}
    return found


def offline(train: Array, train_y: Array, test: Array, test_y: Array) -> float:
    """Return the accuracy on the test part, %."""
    return round(100 * float(ridge().fit(train, train_y).score(test, test_y)), 2)


def ridge() -> Any:
    """Return ridge on standardised features, which chooses its penalty on what it is fitted to."""
    return make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 5, 17)))


def prequential(features_of: Callable[[Array], torch.Tensor], x: Array, y: Array, seed: int) -> float:
    """Return the share of samples that were predicted right before they were learned, %."""
    probe, right = hs.SoftmaxProbe(), 0
    for index in np.random.default_rng(seed).permutation(len(x)):
        label, features = y[index].item(), features_of(x[index])
        right += bool(probe.classes) and probe.predict_one(features) == label
        probe.learn_one(features, label)
    return round(100 * right / len(x), 2)


def values(x: Array) -> Callable[[Array], torch.Tensor]:
    """Return what makes features of a sample's raw values, standardised as all of `x` is."""
    mean, deviation = x.mean(), x.std()
    return lambda sample: torch.from_numpy((sample.ravel() - mean) / deviation)


def transformed(net: hs.SoftHebbNet, x: Array) -> Array:
    """Return features of many samples."""
    return torch.cat([net.transform_many(x[i : i + 32]) for i in range(0, len(x), 32)]).numpy()


def measure(arrays: dict[str, Array], names: list[str], width: int | None, seed: int) -> Iterator[store.Result]:
    """Yield a result for each row."""
    train, train_y, test, test_y = (arrays[name] for name in ("train", "train_y", "test", "test_y"))
    whole, whole_y = np.concatenate([train, test]), np.concatenate([train_y, test_y])
    if not seed and "learned" in names:
        found = offline(train.reshape(len(train), -1), train_y, test.reshape(len(test), -1), test_y)
        raw = values(whole)
        ways = {"prequential": prequential(raw, whole, whole_y, 0), "still": prequential(raw, test, test_y, 0)}
        yield {"row": "raw", "seed": 0, "offline": found, **ways}
    for row in names:
        net, order = network(train, row, width, seed), np.random.default_rng(seed)
        drawn = net.layers[0].weight_matrix.clone()
        began = time.process_time()
        # Statistics of all that was seen are those of one pass.
        for _ in range(max(1, round(_SHOWN / len(train))) if net.layers[0].spec.learning_rate else 1):
            for index in order.permutation(len(train)):
                net.learn_one(train[index])
        seconds = time.process_time() - began
        learned, tested = transformed(net, train), transformed(net, test)
        yield {
            "row": row,
            "seed": seed,
            "offline": offline(learned, train_y, tested, test_y),
            "prequential": prequential(network(train, row, width, seed).learn_one, whole, whole_y, seed),
            "still": prequential(net.transform_one, test, test_y, seed),
            "features": learned.shape[1],
            "cpu_seconds": round(seconds, 1),
            "cosine": round(float(torch.cosine_similarity(drawn, net.layers[0].weight_matrix).mean()), 3),
            "r1_fraction": round(net.layers[0].r1_fraction(), 3),
        }


def arguments(result: str, description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a benchmark of all sets."""
    parser = run.arguments(result, description)
    parser.add_argument("folder", type=Path, help="of the files that benchmarks.quality.signals.make wrote")
    parser.add_argument(
        "--sets",
        nargs="+",
        metavar="NAME",
        help="all in the folder, if not given; 'NAME, all' takes all of its samples",
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--most", type=int, metavar="N", help="samples of each part, at most")
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: the preset's)")
    return parser


def sets_of(folder: Path, names: list[str] | None, most: int | None) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield the name and the arrays of each set."""
    for name in names or data.names_in(folder, _MAKE):
        file, _, every = name.partition(", ")
        yield name, some(dict(np.load(data.array_file(folder, file, _MAKE))), None if every else most)


def main() -> None:
    parser = arguments("quality/signals", __doc__)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS)[:2])
    options = run.begin(parser)
    settings = {"width": options.width, "most": options.most}
    rows = store.resume(options.output, settings).get("rows", [])
    for seed in options.seeds:
        for name, arrays in sets_of(options.folder, options.sets, options.most):
            done = {row["row"] for row in rows if (row["set"], row["seed"]) == (name, seed)}
            if names := [row for row in options.rows if row not in done]:
                rows += store.shown({"set": name, **each} for each in measure(arrays, names, options.width, seed))
                store.write(options.output, {"settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
