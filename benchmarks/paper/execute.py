"""From a `Run` to its result, as a result file holds it."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hebbstream as hs
from benchmarks.core.data import Split, Task, load_task
from benchmarks.core.probe import (
    PROTOCOLS,
    Extractor,
    Protocol,
    accuracy,
    as_input,
    augmented,
    cached_features,
    extractor_of,
    standardizer,
    train_probe,
)
from benchmarks.core.run import machine
from benchmarks.paper.backprop import backprop_accuracy
from benchmarks.paper.learn import learn, learn_authors
from benchmarks.paper.run import Run
from hebbstream.errors import ConfigurationError

_load = lru_cache(maxsize=1)(load_task)


def execute(run: Run, *, peer: Path | None = None, keep: Path | None = None, progress: bool = True) -> dict[str, Any]:
    """Learn and probe; accuracies are by probed layer. The network goes to the file `keep`.

    Raises
    ------
    ConfigurationError
        If the data are not there, or the run needs a clone of the authors' repository and `peer` names none.
    """
    protocol = PROTOCOLS[run.preset or run.data]
    if run.standardize and protocol.augment:
        raise ConfigurationError(f"standardize=True: features of {run.data} are augmented, never all at hand")
    task = _load(run.data)
    labelled = replace(task, train=task.train.take(run.labels, run.seed), test=task.test.take(run.tested, run.seed))
    epochs = run.epochs or protocol.epochs
    torch.manual_seed(run.seed)
    started = time.perf_counter()
    if run.rule == "authors":
        if peer is None:
            raise ConfigurationError("rule 'authors': expected --peer with a clone of NeuromorphicComputing/SoftHebb")
        extract = learn_authors(run, task.unlabelled, peer, progress=progress)
        return _result(run, started, lambda: _probed(extract, (1,), run, labelled, protocol, epochs, progress))
    net, online = (run.network(), None) if run.rule == "backprop" else learn(run, task.unlabelled, progress=progress)
    last = len(net.layers)
    if keep is not None:
        net.save(keep)

    def measure() -> dict[int, float]:
        if run.rule in ("backprop", "finetune"):
            learned = run.rule == "finetune"
            found = backprop_accuracy(
                net, labelled, protocol, epochs=epochs, seed=run.seed, learned=learned, progress=progress
            )
            if keep is not None:
                net.save(keep)
            return {last: found}
        if online is not None:
            return {last: _online_accuracy(net, online, labelled.test)}
        return _probed(extractor_of(net), run.probes or (last,), run, labelled, protocol, epochs, progress)

    return _result(run, started, measure) | {
        "r1_fraction": [round(value, 4) for value in net.r1_fraction()],
        "median_norm": [round(float(layer.norms().median()), 3) for layer in net.layers],
    }


def _result(run: Run, started: float, measure: Callable[[], dict[int, float]]) -> dict[str, Any]:
    learned = time.perf_counter()
    accuracies = measure()
    return {
        "run": run.described(),
        "layers": run.layers(),
        "test_accuracy": {str(layer): round(value, 4) for layer, value in accuracies.items()},
        "learning_seconds": round(learned - started, 1),
        "probing_seconds": round(time.perf_counter() - learned, 1),
        "measured": machine(),
    }


def _online_accuracy(net: hs.SoftHebbNet, probe: hs.SoftmaxProbe, test: Split) -> float:
    last = len(net.layers)
    rows = cached_features(extractor_of(net), test, (last,))[last]
    return float(
        np.mean([probe.predict_one(row.float()) == label for row, label in zip(rows, test.labels, strict=True)])
    )


def _probed(
    extract: Extractor,
    layers: tuple[int, ...],
    run: Run,
    task: Task,
    protocol: Protocol,
    epochs: int,
    progress: bool,
) -> dict[int, float]:
    """Train a probe on the output of each layer asked for."""
    test = cached_features(extract, task.test, layers, progress=progress)
    train = {} if protocol.augment else cached_features(extract, task.train, layers, progress=progress)
    found = {}
    for layer in layers:
        scale = standardizer(train[layer]) if run.standardize else Tensor.float
        batch_of = (
            _augmented_features(extract, task.train, layer, run.seed)
            if protocol.augment
            else _scaled(train.pop(layer), scale)
        )
        model = train_probe(batch_of, task.train.labels, protocol, epochs=epochs, seed=run.seed, progress=progress)
        found[layer] = accuracy(model, _scaled(test[layer], scale), task.test.labels)
    return found


def _scaled(features: Tensor, scale: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda indices: scale(features[indices])


def _augmented_features(extract: Extractor, split: Split, layer: int, seed: int) -> Callable[[Tensor], Tensor]:
    generator = np.random.default_rng(seed)
    return lambda indices: extract(as_input(augmented(split.images[indices.numpy()], generator)))[layer - 1]
