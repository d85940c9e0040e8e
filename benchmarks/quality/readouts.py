"""What readouts make of one pass over CIFAR-10, one picture at a time.

Features are averages of those of a picture and of its mirror image, and with `--shift` of both moved up or down and left or
right: the last layer's, or those of all layers, pooled to 4×4 positions. Each is standardised. The penalty of ridge regression
is chosen on a tenth of the training pictures. The kernel is one of the features' roots; that, its width and its penalty were
chosen by hand at quarter width, on 5,000 training pictures that the network had not seen.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core import data, run, store
from benchmarks.core.probe import as_input
from hebbstream.rule import _precision

PENALTIES = (0.03, 0.1, 0.3, 1.0)  # times the number of pictures
KERNEL_PENALTY = 1e-6  # likewise
READOUTS = ("last layer", "all layers", "all layers, kernel")
UNTRAINED = "pictures, untrained"
_AT_ONCE, _CHUNK, _HELD = 10, 500, 0.1  # a forward pass of more pictures leaves the processor's cache
_MULTIPLY = _precision.product("auto")  # rounds to bfloat16 where the processor does: nearly twice as fast


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


def moved(x: Tensor, shift: int) -> list[Tensor]:
    """Return pictures and their mirror images: where they are, or moved by so many pixels to each of the four corners.

    The border is reflected.
    """
    pad = F.pad(x, [shift] * 4, mode="reflect")
    height, width = x.shape[2:]
    views = [
        pad[:, :, down : down + height, right : right + width] for down, right in product({0, 2 * shift}, repeat=2)
    ]
    return [mirrored for view in views for mirrored in (view, view.flip(3))]


@torch.no_grad()
def pooled(net: hs.SoftHebbNet, pictures: np.ndarray, shift: int) -> list[Tensor]:
    """Return each layer's features of pictures, at 4×4 positions, averages over their views."""
    views = moved(as_input(pictures), shift)
    found = [torch.zeros(())] * len(net.layers)
    for view in views:
        x = view.contiguous()
        for at, layer in enumerate(net.layers):
            x = layer.forward(x, multiply=_MULTIPLY).output
            found[at] = found[at] + F.adaptive_avg_pool2d(x, 4).flatten(1) / len(views)
    return found


def features(net: hs.SoftHebbNet, pictures: np.ndarray, shift: int) -> Tensor:
    """Return those of all layers, the last at the end; shape (pictures, F)."""
    parts = tqdm(range(0, len(pictures), _AT_ONCE), desc="features", leave=False)
    return torch.cat([torch.cat(pooled(net, pictures[at : at + _AT_ONCE], shift), 1) for at in parts])


def kernel_scores(x: Tensor, y: Tensor, test: Tensor) -> Tensor:
    """Return the scores (T, C) of test pictures by kernel ridge regression on features (n, F) and classes (n, C).

    The kernel is exp(−|a − b|²/D), with D the mean squared distance of two pictures. It is solved in two halves: LAPACK counts
    the entries of a matrix by 32 bits, of which all training pictures would take more.
    """
    distance = 2 * float(x.var(0, correction=0).sum())
    share, half = y.mean(0), len(x) // 2

    def kernel(rows: Tensor, known: Tensor) -> Tensor:
        squares = torch.linalg.vector_norm(known, dim=1).square_()
        found = torch.empty(len(rows), len(known))
        for part, out in zip(rows.split(_CHUNK), found.split(_CHUNK), strict=True):
            apart = squares + torch.linalg.vector_norm(part, dim=1, keepdim=True).square_()
            out.copy_(apart.addmm_(part, known.t(), alpha=-2).div_(-distance).exp_())
        return found

    def penalised(rows: Tensor) -> Tensor:
        found = kernel(rows, rows)
        found.diagonal().add_(KERNEL_PENALTY * len(x))
        return found

    (first, second), (first_y, second_y) = ((part[:half], part[half:]) for part in (x, y - share))
    factor, across = torch.linalg.cholesky(penalised(first)), kernel(first, second)
    for part in across.split(_CHUNK, dim=1):  # at full width, twice as much memory would be too much
        part.copy_(torch.linalg.solve_triangular(factor, part, upper=False))
    solved = torch.linalg.solve_triangular(factor, first_y, upper=False)
    rest = torch.linalg.cholesky(penalised(second).addmm_(across.t(), across, alpha=-1))
    second_dual = torch.cholesky_solve(second_y - across.t() @ solved, rest)
    first_dual = torch.linalg.solve_triangular(factor.t(), solved - across @ second_dual, upper=True)
    dual = torch.cat([first_dual, second_dual])
    return torch.cat([kernel(rows, x) @ dual + share for rows in test.split(_CHUNK)])


def standardised(x: Tensor, like: Tensor, *, in_place: bool = False) -> Tensor:
    """Return features of the mean 0 and the deviation 1, as `like` has them; those that hardly vary stay small."""
    mean, deviation = like.mean(0), like.std(0)
    return (x.sub_(mean) if in_place else x - mean).div_(deviation + 0.05 * deviation.mean())


def right(scores: Tensor, labels: Tensor) -> float:
    """Return the share of rows whose greatest score is their label's."""
    return round(float((scores.argmax(1) == labels).float().mean()), 4)


def ridge(x: Tensor, y: Tensor, test: Tensor, truth: Tensor, last: int) -> dict[str, float]:
    """Return what ridge regression gets right from the last features, so many, and from all, and the penalties."""
    cut, targets = round((1 - _HELD) * len(x)), y.argmax(1)
    sums, held, found = Sums.nothing(x.shape[1], y.shape[1]), standardised(x[cut:], x[:_CHUNK]), {}
    for rows, classes in zip(x[:cut].split(_CHUNK), y[:cut].split(_CHUNK), strict=True):
        sums.add(standardised(rows, x[:_CHUNK]), classes)

    def scores(features: Tensor, first: int, penalty: float) -> Tensor:
        weights, bias = sums.fitted(first, penalty)
        return features[:, first:] @ weights + bias

    starts = {READOUTS[0]: x.shape[1] - last, READOUTS[1]: 0}
    best = {
        name: max(PENALTIES, key=lambda penalty: right(scores(held, first, penalty), targets[cut:]))
        for name, first in starts.items()
    }
    sums.add(held, y[cut:])
    for name, first in starts.items():
        found[name] = right(scores(standardised(test, x[:_CHUNK]), first, best[name]), truth)
    return found | {f"penalty, {name}": penalty for name, penalty in best.items()}


def accuracies(
    net: hs.SoftHebbNet, train: data.Split, test: data.Split, shift: int, *, kernel_alone: bool
) -> dict[str, float]:
    """Return the share of test pictures that each readout gets right."""
    x, tested = (features(net, split.images, shift) for split in (train, test))
    y, truth = F.one_hot(torch.from_numpy(train.labels)).float(), torch.from_numpy(test.labels)
    found = {} if kernel_alone else ridge(x, y, tested, truth, last=16 * net.layers[-1].spec.channels)
    first = x[:_CHUNK].sqrt()
    x, tested = (standardised(part.sqrt_(), first, in_place=True) for part in (x, tested))
    return found | {READOUTS[2]: right(kernel_scores(x, y, tested), truth)}


def network(preset: str, width: int, seed: int) -> hs.SoftHebbNet:
    """Return a preset's network, or the control: `"pictures"` of which nothing but the statistics learns."""
    if preset != UNTRAINED:
        return hs.SoftHebbNet.from_preset(preset, width=width, seed=seed)
    specs = [replace(spec, learning_rate=0.0) for spec in hs.PRESETS["pictures"].resolve(width=width)]
    return hs.SoftHebbNet(specs, in_channels=3, seed=seed)


def measure(
    preset: str, seed: int, *, width: int, pictures: int | None, tested: int | None, shift: int, kernel_alone: bool
) -> store.Result:
    """Learn once from each training picture, in an order of the seed, and read out."""
    task = data.load_task("cifar10")
    train = task.train.at(np.random.default_rng(seed).permutation(len(task.train))[:pictures])
    net = network(preset, width, seed)
    began = time.process_time()
    for picture in tqdm(train.images, desc=f"{preset}, seed {seed}", unit=" pictures"):
        net.learn_one(picture)
    learned = time.process_time()
    found = accuracies(net, train, task.test.take(tested, seed), shift, kernel_alone=kernel_alone)
    seconds = {"learning_cpu_seconds": learned - began, "reading_cpu_seconds": time.process_time() - learned}
    return found | {name: round(value, 1) for name, value in seconds.items()}


def main() -> None:
    parser = run.arguments("quality/readouts", __doc__)
    parser.add_argument("--presets", nargs="+", default=["pictures", "cifar10"], choices=[*hs.PRESETS, UNTRAINED])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--width", type=int, default=48, help="neurons of the first layer (default 48: half width)")
    parser.add_argument("--pictures", type=int, help="to learn from, with labels for the readout; all if not given")
    parser.add_argument("--tested", type=int, help="test pictures; all if not given")
    parser.add_argument(
        "--shift", type=int, default=0, help="average over pictures moved by so many pixels (default 0)"
    )
    parser.add_argument(
        "--kernel-alone", action="store_true", help="no ridge regression: at full width the two take more than 24 GB"
    )
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in ("width", "pictures", "tested", "shift", "kernel_alone")}
    pairs = product(options.seeds, options.presets)
    jobs = (({"preset": preset, "seed": seed}, partial(measure, preset, seed, **settings)) for seed, preset in pairs)
    store.complete(options.output, settings, jobs)


if __name__ == "__main__":
    main()
