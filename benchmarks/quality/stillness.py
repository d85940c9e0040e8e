"""Measure how much features still move while a network learns, and what a stretch of a single class does to a probe.

A network learns from pictures of CIFAR-10, one at a time. *Distance*: of the features of test pictures part of the way from
those at the end, squared, as a share of the latter's squares. Then a ridge probe learns labelled pictures once, and the network
goes on from pictures of a single class; the probe does not.
"""

import tempfile
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core import data, run, store
from benchmarks.quality.worlds.__main__ import features
from benchmarks.quality.worlds.readout import Array

PRESETS = ("cifar10", "pictures", "video", "motion")
CLASSES = (0, 3, 6, 8)
_PARTS = (0.3, 0.6, 0.8)


def measure(
    preset: str, seed: int, *, width: int, samples: int, labelled: int, tested: int, stretch: int
) -> store.Result:
    """Return what one network shows."""
    task = data.load_task("cifar10")
    order = np.random.default_rng(seed).permutation(len(task.train))
    train, test = task.train.at(order), task.test.take(tested, seed)
    net = hs.SoftHebbNet.from_preset(preset, width=width, seed=seed)
    at, moving = {round(part * samples): part for part in _PARTS}, {}
    for seen, picture in enumerate(
        tqdm(train.images[:samples], desc=f"{preset}, seed {seed}", unit=" pictures"), start=1
    ):
        net.learn_one(picture)
        if seen in at:
            moving[at[seen]] = features(net, test.images)
    final = features(net, test.images)
    probe, known = hs.RidgeProbe(), train.at(slice(samples, samples + labelled))
    for row, label in zip(features(net, known.images), known.labels.tolist(), strict=True):
        probe.learn_one(row, label)
    later = train.at(slice(samples + labelled, None))
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "net.safetensors"
        net.save(saved)
        after = []
        for label in CLASSES:
            net = hs.load(saved)
            for picture in later.images[later.labels == label][:stretch]:
                net.learn_one(picture)
            after.append(_accuracy(probe, features(net, test.images), test.labels))
    return {
        "distance": {
            f"{part:.0%}": float(((early - final) ** 2).sum() / (final**2).sum()) for part, early in moving.items()
        },
        "accuracy": _accuracy(probe, final, test.labels),
        "after_one_class": after,
    }


def _accuracy(probe: hs.RidgeProbe, x: Array, labels: Array) -> float:
    return float(np.mean(np.array(probe.predict_many(x)) == labels))


def main() -> None:
    parser = run.arguments("quality/stillness", __doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    for name, default in (("width", 16), ("samples", 8000), ("labelled", 3000), ("tested", 1000), ("stretch", 150)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = run.begin(parser)
    settings = {name: getattr(options, name) for name in ("width", "samples", "labelled", "tested", "stretch")}
    pairs = product(options.seeds, PRESETS)
    jobs = (({"preset": preset, "seed": seed}, partial(measure, preset, seed, **settings)) for seed, preset in pairs)
    store.complete(options.output, settings, jobs)


if __name__ == "__main__":
    main()
