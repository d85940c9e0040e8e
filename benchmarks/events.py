"""What event-driven plasticity costs in accuracy: CIFAR-10, one pass of single samples, then a linear probe.

Dense learning and several thresholds start from the same weights and see the same samples in the same order.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
from tqdm import tqdm

import hebbstream as hs
from benchmarks.common import machine, output_option, write_result
from benchmarks.data import cifar10
from benchmarks.paper.data import Split
from benchmarks.paper.probe import PROTOCOLS, accuracy, cached_features, extractor_of, train_probe


def probe_accuracy(net: hs.SoftHebbNet, train: Split, test: Split, epochs: int, seed: int) -> float:
    """Train the paper's linear probe on a network's features and return its test accuracy."""
    extract, last = extractor_of(net), len(net.layers)
    features, test_features = (cached_features(extract, split, (last,))[last] for split in (train, test))
    scale = features[:5000].float().std()  # so that Adam's rate suits every set of features
    for values in (features, test_features):
        values.div_(scale)
    model = train_probe(
        features.__getitem__, train.labels, PROTOCOLS["cifar10"], epochs=epochs, seed=seed, progress=True
    )
    return accuracy(model, test_features.__getitem__, test.labels)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--width", type=int, default=48, help="neurons of the first layer (default 48: half width)")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.0, 1e-3, 1e-2], help="0 is dense")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--samples", type=int, default=50_000, help="to learn from")
    parser.add_argument("--epochs", type=int, default=20, help="of the probe")
    output_option(parser, "events")
    options = parser.parse_args()
    train, test = Split(*cifar10("train")), Split(*cifar10("test"))
    settings = {"width": options.width, "samples": options.samples, "probe_epochs": options.epochs}
    runs: list[dict[str, Any]] = []
    if options.output.exists():  # finished runs of the same settings need not be repeated
        earlier = json.loads(options.output.read_text())
        runs = earlier["runs"] if earlier["settings"] == settings else []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(train))[: options.samples]
        for threshold in options.thresholds:
            if any((run["seed"], run["threshold"]) == (seed, threshold) for run in runs):
                continue
            net = hs.SoftHebbNet.from_preset("cifar10", width=options.width, seed=seed, event_threshold=threshold)
            started = time.perf_counter()
            for index in tqdm(order, desc=f"seed {seed}, threshold {threshold:g}"):
                net.learn_one(train.images[index])
            seconds = time.perf_counter() - started
            found = probe_accuracy(net, train, test, options.epochs, seed)
            print(f"seed {seed}, threshold {threshold:g}: {found:.2%}, R1 {net.r1_fraction()}, {seconds:.0f} s")
            runs.append(
                {
                    "seed": seed,
                    "threshold": threshold,
                    "test_accuracy": round(found, 4),
                    "r1_fraction": [round(value, 3) for value in net.r1_fraction()],
                    "learning_seconds": round(seconds, 1),
                    "measured": machine(),
                }
            )
            write_result(options.output, {"settings": settings, "runs": runs})


if __name__ == "__main__":
    main()
