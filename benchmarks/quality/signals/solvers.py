"""Measure every solver of a probe on signals and sound: raw values, features as drawn, and learned ones.

Prequential and standing still are those of `benchmarks.quality.signals`, in a random order; all solvers see the same features.
*In runs* is prequential, too, but samples of a label come ten in a row, as in a recording.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.quality.signals.__main__ import Array, network, some, values

SOLVERS: dict[str, Callable[[], Any]] = {"gradient": hs.SoftmaxProbe, "ridge": hs.RidgeProbe, "slda": hs.SldaProbe}
_RUN = 10


def in_runs(y: Array, seed: int) -> Array:
    """Return the order of samples in which those of a label come ten in a row; indices."""
    random = np.random.default_rng(seed)
    runs: list[Array] = []
    for label in np.unique(y):
        of_label = random.permutation(np.flatnonzero(y == label))
        runs += [of_label[at : at + _RUN] for at in range(0, len(of_label), _RUN)]
    return np.concatenate([runs[at] for at in random.permutation(len(runs))])


def prequential(features_of: Callable[[Array], torch.Tensor], x: Array, y: Array) -> dict[str, float]:
    """Return the share of samples that each solver's probe predicted right before it learned them, %."""
    probes, right = {name: probe() for name, probe in SOLVERS.items()}, dict.fromkeys(SOLVERS, 0)
    for sample, label in zip(x, y.tolist(), strict=True):
        features = features_of(sample)
        for name, probe in probes.items():
            right[name] += bool(probe.classes) and probe.predict_one(features) == label
            probe.learn_one(features, label)
    return {name: round(100 * count / len(x), 2) for name, count in right.items()}


def measure(arrays: dict[str, Array], width: int | None, seed: int) -> Iterator[store.Result]:
    """Yield a result for each row and solver."""
    train, test = arrays["train"], arrays["test"]
    whole = np.concatenate([train, test])
    labels = np.concatenate([arrays["train_y"], arrays["test_y"]])
    orders = {"prequential": np.random.default_rng(seed).permutation(len(whole)), "in_runs": in_runs(labels, seed)}
    for row in ("raw", "untrained", "learned"):

        def features_of(row: str = row) -> Callable[[Array], torch.Tensor]:
            return values(whole) if row == "raw" else network(train, row, width, seed).learn_one

        ways = {name: prequential(features_of(), whole[order], labels[order]) for name, order in orders.items()}
        still = values(whole)
        if row != "raw":
            net = network(train, row, width, seed)
            for index in np.random.default_rng(seed).permutation(len(train)):
                net.learn_one(train[index])
            still = net.transform_one
        order = np.random.default_rng(seed).permutation(len(test))
        ways["still"] = prequential(still, test[order], arrays["test_y"][order])
        for solver in SOLVERS:
            yield {"row": row, "solver": solver, "seed": seed, **{way: ways[way][solver] for way in ways}}


def main() -> None:
    parser = run.arguments("quality/signals-solvers", __doc__)
    parser.add_argument("folder", type=Path, help="of the files that benchmarks.quality.signals.make wrote")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="all in the folder, if not given")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--most", type=int, metavar="N", help="samples of each part, at most")
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: the preset's)")
    options = run.begin(parser)
    settings = {"width": options.width, "most": options.most}
    rows = store.resume(options.output, settings).get("rows", [])
    for seed in options.seeds:
        for name in options.sets or sorted(path.stem for path in options.folder.glob("*.npz")):
            if not any((row["set"], row["seed"]) == (name, seed) for row in rows):
                arrays = some(dict(np.load(options.folder / f"{name}.npz")), options.most)
                rows += store.shown({"set": name, **each} for each in measure(arrays, options.width, seed))
                store.write(options.output, {"settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
