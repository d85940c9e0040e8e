"""Learning as each rule, protocol, mode and order of the experiments has it."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core.contenders import PeerStep
from benchmarks.core.data import Split, videos
from benchmarks.core.probe import Extractor, as_input
from benchmarks.paper.run import Run
from hebbstream.adapters.video import open_video
from hebbstream.streams import shuffle

SHUFFLE_BUFFER = 2_000


def learn(run: Run, split: Split, *, progress: bool) -> tuple[hs.SoftHebbNet, hs.SoftmaxProbe | None]:
    """Learn features from a split's images, and with mode "simultaneous" the classifier beside them."""
    net = run.network()
    probe = hs.SoftmaxProbe() if run.mode == "simultaneous" else None
    samples = run.samples or len(split)
    if run.rule == "random":  # only the statistics of the normalisation learn
        samples = min(samples, 2_000)
    passes = len(net.layers) if run.mode == "successive" else 1
    with tqdm(total=passes * samples, desc="learn", unit=" samples", leave=False, disable=not progress) as bar:
        for number in range(passes):
            for x, labels in steps(run, split, samples):
                if run.mode == "successive":
                    _learn_layer(net, number, x)
                else:
                    features = net.learn_many(x)
                    if probe is not None:
                        for row, label in zip(features, labels, strict=True):
                            probe.learn_one(row, int(label))
                bar.update(len(x))
    return net, probe


def learn_authors(run: Run, split: Split, clone: Path, *, progress: bool) -> Extractor:
    """Drive the layers of the authors' demo through the same samples, and return what computes their features."""
    step = PeerStep(clone, split.images[:1].shape[-1])
    for x, _ in tqdm(steps(run, split, run.samples or len(split)), desc="learn", leave=False, disable=not progress):
        step(x)
    step.model.eval()
    return lambda x: [step.model(x)]


@torch.no_grad()
def _learn_layer(net: hs.SoftHebbNet, number: int, x: Tensor) -> None:
    for layer in net.layers[:number]:
        x = layer.forward(x).output
    net.layers[number].learn(x)


def steps(run: Run, split: Split, samples: int) -> Iterator[tuple[Tensor, Any]]:
    """Yield (B, C, H, W) inputs and the labels of their samples."""
    if run.order == "video":
        for crop in _crops(split.images[:1].shape[1], samples, run.seed):
            yield as_input(crop[None]), [-1]
        return
    indices = sample_order(run, split, samples)
    while len(step := list(islice(indices, run.batch))) == run.batch:
        yield as_input(split.images[step]), split.labels[step]


def sample_order(run: Run, split: Split, samples: int) -> Iterator[int]:
    """Yield the index of each sample in turn."""
    order = np.random.default_rng(run.seed).permutation(len(split))[:samples]
    if run.order != "shuffled":
        order = order[np.argsort(split.labels[order], kind="stable")]
    yield from shuffle(order, SHUFFLE_BUFFER, seed=run.seed) if run.order == "sorted+shuffle" else order


def _crops(side: int, samples: int, seed: int) -> Iterator[Any]:
    """Yield square crops of the clips: a camera that stays on a spot for 10 frames, then looks elsewhere."""
    generator = np.random.default_rng(seed)
    drawn = 0
    while True:
        for clip in videos():
            with open_video(clip, size=(4 * side, 4 * side), prefetch=0) as frames:
                for index, sample in enumerate(frames):
                    if index % 10 == 0:
                        corners = generator.integers(0, 3 * side, (20, 2))
                    for top, left in corners:
                        if drawn == samples:
                            return
                        yield sample.x[top : top + side, left : left + side]
                        drawn += 1
