"""What it costs in accuracy that N ranks learn together, or H samples each alone and then average: CIFAR-10, in one process.

All rows learn the same images in the same number; with ``--per-rank`` each rank learns so many, as in the same time. "together"
is one update from N samples at a time, which N ranks compute (tests/distributed shows that they do); the others run the ranks'
own code, one replica after the other.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.data import Split, cifar10
from hebbstream.distributed import LocalEngine

_CHUNK = 100


def learn_together(net: hs.SoftHebbNet, images: Any, ranks: int) -> None:
    for start in range(0, len(images), ranks):
        net.learn_many(images[start : start + ranks])


def learn_apart(net: hs.SoftHebbNet, images: Any, ranks: int, every: int) -> None:
    """Let one network be each of the replicas in turn; each round ends as it does on ranks, by their sum."""
    engine = LocalEngine()
    net.engine = engine
    layers = net.layers
    for start in range(0, len(images), ranks * every):
        shares = np.array_split(images[start : start + ranks * every], ranks)
        samples = sum(map(len, shares))
        begun = {name: value.clone() for name, value in net.state_dict().items()}
        summed: list[torch.Tensor] = []
        for share in shares:
            net.load_state_dict(begun)
            engine.begin(layers)
            for image in share:
                net.learn_one(image)
            told = engine.told(layers, samples)
            summed = [a + b for a, b in zip(summed, told, strict=True)] if summed else told
        net.load_state_dict(begun)
        engine.begin(layers)
        engine.take_over(layers, summed, samples)


def test_accuracy(net: hs.SoftHebbNet, train: Split, test: Split) -> float:
    """Return the accuracy of ridge regression on the features."""
    probe = hs.RidgeProbe(dimensions=2048)
    for start in range(0, len(train), _CHUNK):
        part = slice(start, start + _CHUNK)
        probe.learn_many(net.transform_many(train.images[part]), train.labels[part].tolist())
    right = 0
    for start in range(0, len(test), _CHUNK):
        part = slice(start, start + _CHUNK)
        right += int((np.array(probe.predict_many(net.transform_many(test.images[part]))) == test.labels[part]).sum())
    return right / len(test)


def rows(options: Any) -> Iterator[tuple[str, int, int | None]]:
    yield "untrained", 0, None
    for ranks in options.ranks:
        yield "together", ranks, None
    for every in options.every:
        for ranks in options.ranks:
            if ranks > 1 and every <= (options.per_rank or options.samples // ranks):
                yield "apart", ranks, every


def jobs(options: Any) -> Iterator[store.Job]:
    """Yield each row of the table."""
    train, test = cifar10("train"), cifar10("test")
    most = options.per_rank * max(options.ranks) if options.per_rank else options.samples
    learned = train.take(most, 0)
    everything = learned.images[np.random.default_rng(1).permutation(len(learned))]
    train, test = train.take(options.train, 2), test.take(options.test, 3)

    def measure(way: str, ranks: int, every: int | None) -> store.Result:
        step = 1 if way == "untrained" else ranks if way == "together" else ranks**2  # as `learn --distributed` has it
        net = hs.SoftHebbNet.from_preset(options.preset, width=options.width, batch_size=step, seed=0)
        images = everything[: options.per_rank * ranks] if options.per_rank and ranks else everything
        started = time.perf_counter()
        if way == "together":
            learn_together(net, images, ranks)
        elif every is not None:
            learn_apart(net, images, ranks, every)
        else:  # the statistics of the normalisation, without which nothing can be told
            for layer in net.layers:
                layer.opening.zero_()
            net.load_state_dict(_statistics(net, images[:500]))
        return {
            "samples": len(images) if ranks else 0,
            "test_accuracy": test_accuracy(net, train, test),
            "norms": [round(float(layer.norms().mean()), 3) for layer in net.layers],
            "seconds": round(time.perf_counter() - started, 1),
        }

    for way, ranks, every in rows(options):
        yield {"way": way, "ranks": ranks, "every": every}, partial(measure, way, ranks, every)


def _statistics(net: hs.SoftHebbNet, images: Any) -> dict[str, Any]:
    """Return the state of a network that has seen images, with the weights that it had before."""
    before = {name: value.clone() for name, value in net.state_dict().items() if name.endswith("weight_matrix")}
    for image in images:
        net.learn_one(image)
    return net.state_dict() | before


def main() -> None:
    parser = run.arguments("quality/replicas", __doc__)
    parser.add_argument("--preset", default="pictures", choices=hs.PRESETS)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4, 8, 16, 64])
    parser.add_argument("--every", type=int, nargs="*", default=[10, 100, 500, 1])
    parser.add_argument("--samples", type=int, default=8000, help="learned in each row")
    parser.add_argument("--per-rank", type=int, help="learned by each rank, instead")
    parser.add_argument("--train", type=int, default=6000)
    parser.add_argument("--test", type=int, default=5000)
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in ("preset", "width", "samples", "per_rank", "train", "test")}
    store.complete(options.output, settings, jobs(options))


if __name__ == "__main__":
    main()
