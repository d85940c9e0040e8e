"""What the shortcuts of a step cost in accuracy: a budget of events, bfloat16 products, several samples a step.

CIFAR-10, one pass, then ridge regression on the features. All rows of a seed start from the same weights and see the same
samples in the same order.
"""

import time
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.data import Split, cifar10

_CHUNK = 100  # images of one forward pass
_PENALTY = 0.01  # of the squared weights of standardised features, for each sample

WAYS: dict[str, dict[str, Any]] = {
    "all events": {"budget": False},
    "budget": {},
    "budget, auto": {"precision": "auto"},
    "budget, 4 samples a step": {"batch": 4},
    "budget, threshold 0.003": {"threshold": 0.003},
}
"""By what they differ from the preset with a threshold of 0.001."""


def learned(way: str, seed: int, train: Split, options: Any) -> tuple[hs.SoftHebbNet, float]:
    """Return a network that has learned, and the processor time that it took for each sample, in milliseconds."""
    how = WAYS[way]
    net = hs.SoftHebbNet.from_preset("cifar10", width=options.width, seed=seed)
    net.engine = hs.EagerEngine(how.get("precision", "float32"))
    if not how.get("budget", True):
        for layer in net.layers:
            layer.spec = replace(layer.spec, event_budget=None)
    for layer in net.layers:
        layer.spec = replace(layer.spec, event_threshold=how.get("threshold", 0.001))
    order = np.random.default_rng(seed).permutation(len(train))[: options.samples]
    started = time.process_time()
    for _ in net.learn_stream((train.images[index] for index in order), how.get("batch", 1)):
        pass
    return net, 1e3 * (time.process_time() - started) / len(order)


def ridge_accuracy(net: hs.SoftHebbNet, train: Split, test: Split) -> float:
    """Return the accuracy of ridge regression on the features; sums are float32, the solution float64."""

    def features(split: Split, start: int) -> Tensor:
        return net.transform_many(split.images[start : start + _CHUNK])

    size = features(train, 0).shape[1]
    products, answers, total = torch.zeros(size, size), torch.zeros(size, 10), torch.zeros(size)
    targets = torch.eye(10)[torch.from_numpy(train.labels).long()] - 0.1
    for start in range(0, len(train), _CHUNK):
        x = features(train, start)
        products.addmm_(x.t(), x)
        answers.addmm_(x.t(), targets[start : start + _CHUNK])
        total += x.sum(dim=0)
    mean, bias = total.double() / len(train), targets.mean(dim=0)
    covariance = products.double() / len(train) - torch.outer(mean, mean)
    scale = covariance.diagonal().clamp(min=1e-12).rsqrt()
    covariance *= scale[:, None] * scale
    covariance.diagonal().add_(_PENALTY)
    shifted = answers.double() / len(train) - torch.outer(mean, bias.double())
    weight = torch.linalg.solve(covariance, scale[:, None] * shifted) * scale[:, None]
    offset = bias.double() - mean @ weight
    right = 0
    for start in range(0, len(test), _CHUNK):
        found = (features(test, start).double() @ weight + offset).argmax(dim=1)
        right += int((found.numpy() == test.labels[start : start + _CHUNK]).sum())
    return right / len(test)


def measure(way: str, seed: int, train: Split, test: Split, options: Any) -> store.Result:
    net, milliseconds = learned(way, seed, train, options)
    return {
        "test_accuracy": ridge_accuracy(net, train.take(options.train, seed), test),
        "cpu_ms_a_sample": round(milliseconds, 3),
        "r1_fraction": [round(value, 3) for value in net.r1_fraction()],
        "norms": [round(float(layer.norms().mean()), 2) for layer in net.layers],
    }


def main() -> None:
    parser = run.arguments("quality/shortcuts", __doc__)
    parser.add_argument("--width", type=int, default=24, help="neurons of the first layer (default 24: quarter width)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--samples", type=int, default=50_000, help="to learn from")
    parser.add_argument("--train", type=int, default=25_000, help="to fit the ridge regression to")
    options = run.begin(parser)
    train, test = cifar10("train"), cifar10("test")
    settings = {name: getattr(options, name) for name in ("width", "samples", "train")} | {"penalty": _PENALTY}
    pairs = product(range(options.seeds), options.ways)
    jobs = (({"way": way, "seed": seed}, partial(measure, way, seed, train, test, options)) for seed, way in pairs)
    store.complete(options.output, settings, jobs, "runs")


if __name__ == "__main__":
    main()
