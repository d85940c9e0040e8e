"""What readouts make of one pass over CIFAR-10, one picture at a time.

Features are averages of those of a picture and of its mirror image: the last layer's, or those of all layers, pooled to 4×4
positions. Each is standardised; the penalty of ridge regression is chosen on a tenth of the training pictures.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core import data, run, store
from benchmarks.core.probe import as_input

PENALTIES = (0.03, 0.1, 0.3, 1.0)  # times the number of pictures
READOUTS = ("last layer", "all layers")
_CHUNK, _HELD = 500, 0.1


@dataclass(slots=True)
class Sums:
    """What ridge regression needs to know of all pictures: products of features, and of features and classes."""

    products: Tensor
    targets: Tensor
    mean: Tensor
    share: Tensor
    count: int = 0

    @classmethod
    def nothing(cls, features: int, classes: int) -> "Sums":
        """Return those of no pictures."""
        shapes = (features, features), (features, classes), (features,), (classes,)
        return cls(*(torch.zeros(shape) for shape in shapes))

    def add(self, x: Tensor, y: Tensor) -> None:
        """Take in the features (B, F) and classes (B, C) of pictures."""
        self.products.addmm_(x.t(), x)
        self.targets.addmm_(x.t(), y)
        self.count += len(x)
        self.mean += (x.sum(dim=0) - len(x) * self.mean) / self.count
        self.share += (y.sum(dim=0) - len(x) * self.share) / self.count

    def fitted(self, first: int, penalty: float) -> tuple[Tensor, Tensor]:
        """Return weights (F, C) and bias (C,) for the features from one on."""
        mean = self.mean[first:]
        products = self.products[first:, first:].addr(mean, mean, alpha=-self.count)
        products.diagonal().add_(penalty * self.count)
        targets = self.targets[first:].addr(mean, self.share, alpha=-self.count)
        weights = torch.cholesky_solve(targets, torch.linalg.cholesky(products))
        return weights, self.share - mean @ weights


@torch.no_grad()
def pooled(net: hs.SoftHebbNet, pictures: np.ndarray) -> list[Tensor]:
    """Return each layer's features of pictures, at 4×4 positions, averages with those of the mirror images."""
    x, found = as_input(pictures), []
    x = torch.cat([x, x.flip(3)])
    for layer in net.layers:
        x = layer.forward(x).output
        found.append(F.adaptive_avg_pool2d(x, 4).flatten(1).unflatten(0, (2, -1)).mean(0))
    return found


def accuracies(net: hs.SoftHebbNet, train: data.Split, test: data.Split) -> dict[str, float]:
    """Return the share of test pictures that each readout gets right."""
    first = torch.cat(pooled(net, train.images[:_CHUNK]), 1)
    mean, scale = first.mean(0), 1 / (first.std(0) + 0.05 * first.std(0).mean())
    *_, last = (part.shape[1] for part in pooled(net, train.images[:1]))
    starts = dict(zip(READOUTS, (first.shape[1] - last, 0), strict=True))
    classes = torch.eye(int(train.labels.max()) + 1)

    def parts(split: data.Split) -> Iterator[tuple[Tensor, Tensor]]:
        for at in tqdm(range(0, len(split), _CHUNK), desc="features", leave=False):
            x = torch.cat(pooled(net, split.images[at : at + _CHUNK]), 1)
            yield (x - mean) * scale, classes[torch.from_numpy(split.labels[at : at + _CHUNK])]

    def right(shown: list[tuple[Tensor, Tensor]], start: int, penalty: float) -> float:
        weights, bias = sums.fitted(start, penalty)
        hits = [(x[:, start:] @ weights + bias).argmax(1) == y.argmax(1) for x, y in shown]
        return float(torch.cat(hits).float().mean())

    cut = round((1 - _HELD) * len(train))
    sums = Sums.nothing(first.shape[1], len(classes))
    for x, y in parts(train.at(slice(cut))):
        sums.add(x, y)
    held = list(parts(train.at(slice(cut, None))))
    best = {name: max(PENALTIES, key=lambda p: right(held, start, p)) for name, start in starts.items()}
    for x, y in held:
        sums.add(x, y)
    tested = list(parts(test))
    return {name: round(right(tested, start, best[name]), 4) for name, start in starts.items()} | {
        f"penalty, {name}": penalty for name, penalty in best.items()
    }


def measure(preset: str, seed: int, *, width: int, pictures: int | None, tested: int | None) -> store.Result:
    """Learn once from each training picture, in an order of the seed, and read out."""
    task = data.load_task("cifar10")
    train = task.train.at(np.random.default_rng(seed).permutation(len(task.train))[:pictures])
    net = hs.SoftHebbNet.from_preset(preset, width=width, seed=seed)
    began = time.process_time()
    for picture in tqdm(train.images, desc=f"{preset}, seed {seed}", unit=" pictures"):
        net.learn_one(picture)
    learned = time.process_time()
    found = accuracies(net, train, task.test.take(tested, seed))
    seconds = {"learning_cpu_seconds": learned - began, "reading_cpu_seconds": time.process_time() - learned}
    return {"preset": preset, "seed": seed, **found, **{name: round(value, 1) for name, value in seconds.items()}}


def main() -> None:
    parser = run.arguments("quality/readouts", __doc__)
    parser.add_argument("--presets", nargs="+", default=["pictures", "cifar10"], choices=hs.PRESETS, metavar="PRESET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--width", type=int, default=48, help="neurons of the first layer (default 48: half width)")
    parser.add_argument("--pictures", type=int, help="to learn from, with labels for the readout; all if not given")
    parser.add_argument("--tested", type=int, help="test pictures; all if not given")
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in ("width", "pictures", "tested")}
    rows = store.resume(options.output, settings).get("rows", [])
    for seed in options.seeds:
        for preset in options.presets:
            if not any((row["preset"], row["seed"]) == (preset, seed) for row in rows):
                rows += store.shown([measure(preset, seed, **settings)])
                store.write(options.output, {"settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
