"""From a `Run` to its result, as a result file holds it."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hebbstream as hs
from benchmarks.common import machine
from benchmarks.paper.backprop import backprop_accuracy
from benchmarks.paper.data import Split, Task, load_task
from benchmarks.paper.learn import learn
from benchmarks.paper.probe import PROTOCOLS, Protocol, accuracy, augmented, cached_features, outputs, train_probe
from benchmarks.paper.run import Run

_load = lru_cache(maxsize=1)(load_task)


def execute(run: Run, *, progress: bool = True) -> dict[str, Any]:
    """Learn and probe; accuracies are those on the whole test set, by probed layer."""
    task = _load(run.data)
    labelled = replace(task, train=task.train.take(run.labels, run.seed))
    protocol = PROTOCOLS[run.preset or run.data]
    epochs = run.epochs or protocol.epochs
    started = time.perf_counter()
    torch.manual_seed(run.seed)
    if run.rule == "backprop":
        net, probe = run.network(), None
    else:
        net, probe = learn(run, task.unlabelled, progress=progress)
    learned = time.perf_counter()
    if run.rule in ("backprop", "finetune"):
        found = backprop_accuracy(
            net, labelled, protocol, epochs=epochs, seed=run.seed, learned=run.rule == "finetune", progress=progress
        )
        accuracies = {str(len(net.layers)): found}
    elif probe is not None:
        accuracies = {str(len(net.layers)): _online_accuracy(net, probe, task.test)}
    else:
        accuracies = _probed(run, net, labelled, protocol, epochs, progress)
    return {
        "run": run.described(),
        "test_accuracy": {layer: round(value, 4) for layer, value in accuracies.items()},
        "r1_fraction": [round(value, 4) for value in net.r1_fraction()],
        "median_norm": [round(float(layer.norms().median()), 3) for layer in net.layers],
        "learning_seconds": round(learned - started, 1),
        "probing_seconds": round(time.perf_counter() - learned, 1),
        "measured": machine(),
    }


def _online_accuracy(net: hs.SoftHebbNet, probe: hs.SoftmaxProbe, test: Split) -> float:
    rows = cached_features(net, test, (len(net.layers),), progress=False)[len(net.layers)]
    hits = [probe.predict_one(row.float()) == label for row, label in zip(rows, test.labels, strict=True)]
    return sum(hits) / len(hits)


def _probed(
    run: Run, net: hs.SoftHebbNet, task: Task, protocol: Protocol, epochs: int, progress: bool
) -> dict[str, float]:
    """Train a probe on the output of each layer asked for."""
    layers = run.probes or (len(net.layers),)
    test = cached_features(net, task.test, layers, progress)
    train = {} if protocol.augment else cached_features(net, task.train, layers, progress)
    found = {}
    for layer in layers:
        batch_of = (
            _augmented_features(net, task.train, layer, run.seed) if protocol.augment else train[layer].__getitem__
        )
        model = train_probe(batch_of, task.train.labels, protocol, epochs=epochs, seed=run.seed, progress=progress)
        found[str(layer)] = accuracy(model, test[layer].__getitem__, task.test.labels)
    return found


def _augmented_features(net: hs.SoftHebbNet, split: Split, layer: int, seed: int) -> Callable[[Tensor], Tensor]:
    generator = np.random.default_rng(seed)
    return lambda indices: outputs(net, augmented(split.images[indices.numpy()], generator))[layer - 1]
