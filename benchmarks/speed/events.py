"""What event-driven plasticity costs in accuracy: CIFAR-10, one pass of single samples, then a linear probe.

Dense learning and several thresholds start from the same weights and see the same samples in the same order.
"""

import argparse
import time
from functools import partial
from itertools import product

import numpy as np
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.data import Split, cifar10
from benchmarks.core.probe import probe_accuracy


def measure(threshold: float, seed: int, train: Split, test: Split, options: argparse.Namespace) -> store.Result:
    """Learn with one threshold, and probe."""
    order = np.random.default_rng(seed).permutation(len(train))[: options.samples]
    net = hs.SoftHebbNet.from_preset("cifar10", width=options.width, seed=seed, event_threshold=threshold)
    started = time.perf_counter()
    for index in tqdm(order, desc=f"seed {seed}, threshold {threshold:g}"):
        net.learn_one(train.images[index])
    seconds = time.perf_counter() - started
    return {
        "test_accuracy": round(probe_accuracy(net, train, test, options.epochs, seed), 4),
        "r1_fraction": [round(value, 3) for value in net.r1_fraction()],
        "learning_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = run.arguments("speed/events", __doc__)
    parser.add_argument("--width", type=int, default=48, help="neurons of the first layer (default 48: half width)")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.0, 1e-3, 1e-2], help="0 is dense")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--samples", type=int, default=50_000, help="to learn from")
    parser.add_argument("--epochs", type=int, default=20, help="of the probe")
    options = run.begin(parser)
    train, test = cifar10("train"), cifar10("test")
    settings = {"width": options.width, "samples": options.samples, "probe_epochs": options.epochs}
    pairs = product(range(options.seeds), options.thresholds)
    jobs = (({"seed": s, "threshold": t}, partial(measure, t, s, train, test, options)) for s, t in pairs)
    store.complete(options.output, settings, jobs, "runs")


if __name__ == "__main__":
    main()
