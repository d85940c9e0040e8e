"""What event-driven plasticity costs in accuracy: CIFAR-10, one pass of single samples, then a linear probe.

Dense learning and several thresholds start from the same weights and see the same samples in the same order.
"""

import argparse
import json
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm

import hebbstream as hs
from benchmarks.common import machine, output_option, write_result
from benchmarks.data import cifar10

_HALVINGS = (0.2, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the epochs: the paper's schedule


def features_of(net: hs.SoftHebbNet, images: Any) -> torch.Tensor:
    """Return the features of many images, (n, F)."""
    rows = [net.transform_many(images[start : start + 100]) for start in range(0, len(images), 100)]
    return torch.cat(rows)


def probe_accuracy(train: Any, train_labels: Any, test: Any, test_labels: Any, epochs: int, seed: int) -> float:
    """Train the paper's linear probe (dropout, Adam, batches of 64) and return its test accuracy."""
    torch.manual_seed(seed)
    scale = train[:5000].std()
    train, test = train.div_(scale), test.div_(scale)  # so that Adam's rate suits every set of features
    labels, expected = torch.from_numpy(train_labels), torch.from_numpy(test_labels)
    model = torch.nn.Linear(train.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [int(part * epochs) for part in _HALVINGS], gamma=0.5)
    for _ in tqdm(range(epochs), desc="probe", leave=False):
        for batch in torch.randperm(len(train)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(F.dropout(train[batch], 0.5)), labels[batch]).backward()
            optimizer.step()
        scheduler.step()
    with torch.no_grad():
        return float((model(test).argmax(dim=1) == expected).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--width", type=int, default=48, help="neurons of the first layer (default 48: half width)")
    parser.add_argument("--thresholds", type=float, nargs="+", default=[0.0, 1e-3, 1e-2], help="0 is dense")
    parser.add_argument("--seeds", type=int, default=2, help="how many")
    parser.add_argument("--samples", type=int, default=50_000, help="to learn from")
    parser.add_argument("--epochs", type=int, default=20, help="of the probe")
    output_option(parser, "events")
    options = parser.parse_args()
    (images, labels), (test_images, test_labels) = cifar10("train"), cifar10("test")
    settings = {"width": options.width, "samples": options.samples, "probe_epochs": options.epochs}
    runs: list[dict[str, Any]] = []
    if options.output.exists():  # finished runs of the same settings need not be repeated
        earlier = json.loads(options.output.read_text())
        runs = earlier["runs"] if earlier["settings"] == settings else []
    for seed in range(options.seeds):
        order = np.random.default_rng(seed).permutation(len(images))[: options.samples]
        for threshold in options.thresholds:
            if any((run["seed"], run["threshold"]) == (seed, threshold) for run in runs):
                continue
            net = hs.SoftHebbNet.from_preset("cifar10", width=options.width, seed=seed, event_threshold=threshold)
            started = time.perf_counter()
            for index in tqdm(order, desc=f"seed {seed}, threshold {threshold:g}"):
                net.learn_one(images[index])
            seconds = time.perf_counter() - started
            found = probe_accuracy(
                features_of(net, images), labels, features_of(net, test_images), test_labels, options.epochs, seed
            )
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
