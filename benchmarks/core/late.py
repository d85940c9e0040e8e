"""A network that has learned from a whole data set, made once and kept: what a step costs by then is another question."""

from pathlib import Path

import numpy as np
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core.data import cifar10


def late_network(path: Path, width: int | None, samples: int) -> hs.SoftHebbNet:
    """Read the network, or let one of the CIFAR preset learn from that many images, and keep it.

    It has the preset of today, whatever it was made with.
    """
    if not path.exists():
        train = cifar10("train")
        net = hs.SoftHebbNet.from_preset("cifar10", width=width, seed=0)
        order = np.resize(np.random.default_rng(0).permutation(len(train)), samples)
        for index in tqdm(order, desc=f"learn from {samples:,} images"):
            net.learn_one(train.images[index])
        net.save(path)
    net = hs.load(path)
    specs = hs.PRESETS["cifar10"].resolve(width=width)
    for layer, spec in zip(net.layers, specs, strict=True):
        layer.spec = spec
    return net
