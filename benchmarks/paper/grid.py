"""Search a network's hyper-parameters layer by layer, as appendix A.4 of the paper does, on any labelled images.

For each layer three stages: the learning rule (batch size, rate, its power, inverse temperature); a finer one over
temperature and kernel; pooling and activation. Each keeps the best of the one before, by the accuracy of a linear
classifier on a fifth of the training images. Learned layers stay as they are. Every measurement is written at once,
and a search that is started again goes on from there.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.data import Split, image_folder, load_task
from benchmarks.core.probe import Protocol, accuracy, as_input, cached_features, extractor_of, train_probe
from hebbstream.errors import HebbstreamError

Values = dict[str, Sequence[Any]]

# The published grids, but for softmax and more than one epoch; "quick" keeps a few values.
STAGES: dict[str, tuple[Values, ...]] = {
    "full": (
        {
            "batch": (10, 100, 1000),
            "learning_rate": (0.001, 0.004, 0.008, 0.01, 0.04, 0.08, 0.12),
            "rate_power": (0.25, 0.5, 0.75),
            "inverse_temperature": (0.25, 0.5, 0.75, 1, 2, 5, 10),
        },
        {
            "inverse_temperature": (0.15, 0.25, 0.35, 0.5, 0.6, 0.75, 0.85, 1, 1.2, 1.5, 2),
            "kernel_size": (3, 5, 7, 9),
        },
        {
            "pool": ("avg", "max"),
            "pool_size": (2, 3, 4),
            "activation": ("repu", "triangle"),
            "power": (0.1, 0.35, 0.7, 1, 1.4, 2, 5, 10),
        },
    ),
    "quick": (
        {"batch": (1, 10), "learning_rate": (0.004, 0.01, 0.04), "inverse_temperature": (0.25, 1, 4)},
        {"kernel_size": (3, 5)},
        {"pool": ("avg", "max"), "pool_size": (2, 4), "power": (0.7, 1, 1.4)},
    ),
}
_START = hs.LayerSpec(channels=1, kernel_size=5, pool="max", pool_size=2, pool_stride=2)


def candidates(best: dict[str, Any], stage: Values) -> Iterator[dict[str, Any]]:
    """Yield every combination of a stage's values, on top of the best settings so far."""
    for values in itertools.product(*stage.values()):
        yield best | dict(zip(stage, values, strict=True))


def spec_of(settings: dict[str, Any], channels: int) -> hs.LayerSpec:
    """Return the layer that some settings stand for; a larger pool is padded so that it still halves the image."""
    fields = {name: value for name, value in settings.items() if name != "batch"}
    batch = settings.get("batch", 10)
    spec = replace(_START, channels=channels, normalization="batch" if batch > 1 else "stream", **fields)
    return replace(spec, pool_padding=(spec.pool_size - 1) // 2)


class Search:
    """A search over one data set, with the file that its measurements go to."""

    def __init__(self, images: Split, path: Path, *, width: int, width_factor: int, seed: int, epochs: int) -> None:
        order = np.random.default_rng(seed).permutation(len(images))
        self.train, self.validation = images.at(order[len(order) // 5 :]), images.at(order[: len(order) // 5])
        self.path, self.width, self.width_factor, self.seed, self.epochs = path, width, width_factor, seed, epochs
        self.measured: list[dict[str, Any]] = store.read(path).get("measured", [])

    def run(self, stages: Sequence[Values], layers: int) -> list[dict[str, Any]]:
        """Search that many layers, and return the best settings of each."""
        chosen: list[dict[str, Any]] = []
        for _ in range(layers):
            best: dict[str, Any] = {}
            for number, stage in enumerate(stages, start=1):
                description = f"layer {len(chosen) + 1}, stage {number}"
                scored = [
                    (self.score([*chosen, settings]), settings)
                    for settings in tqdm(list(candidates(best, stage)), desc=description)
                ]
                score, best = max(scored, key=lambda pair: pair[0])
                print(f"{description}: {score:.2%} with {best}")
            chosen.append(best)
        return chosen

    def score(self, layers: list[dict[str, Any]]) -> float:
        """Return the validation accuracy on top of these layers, from the file if it is there."""
        for earlier in self.measured:
            if earlier["layers"] == layers and earlier["seed"] == self.seed:
                return float(earlier["accuracy"])
        net = self._learned(layers)
        extract, last = extractor_of(net), len(layers)
        train = cached_features(extract, self.train, (last,))[last]
        validation = cached_features(extract, self.validation, (last,))[last]
        model = train_probe(
            train.__getitem__, self.train.labels, Protocol(), epochs=self.epochs, seed=self.seed, progress=False
        )
        found = accuracy(model, validation.__getitem__, self.validation.labels)
        self.measured.append({"layers": layers, "seed": self.seed, "accuracy": round(found, 4)})
        store.save(self.path, {"machine": run.machine(), "measured": self.measured})
        return found

    def _learned(self, layers: list[dict[str, Any]]) -> hs.SoftHebbNet:
        specs = [spec_of(settings, self.width * self.width_factor**index) for index, settings in enumerate(layers)]
        net = hs.SoftHebbNet(specs, self.train.images[:1].shape[-1], seed=self.seed)
        order = np.random.default_rng(self.seed).permutation(len(self.train))
        with torch.no_grad():
            for number, (layer, settings) in enumerate(zip(net.layers, layers, strict=True)):
                for indices in np.array_split(order, -(-len(order) // settings.get("batch", 10))):
                    x = as_input(self.train.images[indices])
                    for earlier in net.layers[:number]:
                        x = earlier.forward(x).output
                    layer.learn(x)
        return net


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper.grid", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--data", help="a data set of HEBBSTREAM_DATA, for instance cifar10")
    source.add_argument("--images", type=Path, metavar="FOLDER", help="images in one folder for each class")
    parser.add_argument("--side", type=int, default=32, help="of the images of a folder, in pixels (default 32)")
    parser.add_argument("--grid", choices=STAGES, default="quick", help="the paper's, or a few values (default quick)")
    parser.add_argument("--layers", type=int, default=1, help="to search (default 1)")
    parser.add_argument("--width", type=int, default=96, help="neurons of the first layer (default 96)")
    parser.add_argument("--width-factor", type=int, default=4, help="from layer to layer (default 4)")
    parser.add_argument("--samples", type=int, help="images to use (default: all)")
    parser.add_argument("--epochs", type=int, default=10, help="of the classifier (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="JSON with every measurement")
    options = parser.parse_args(arguments)
    try:
        images = load_task(options.data).train if options.data else image_folder(options.images, options.side)
        search = Search(
            images.take(options.samples, options.seed),
            options.output,
            width=options.width,
            width_factor=options.width_factor,
            seed=options.seed,
            epochs=options.epochs,
        )
        chosen = search.run(STAGES[options.grid], options.layers)
    except HebbstreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for index, settings in enumerate(chosen):
        print(f"layer {index + 1}: {asdict(spec_of(settings, options.width * options.width_factor**index))}")
    print(f"measurements {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
