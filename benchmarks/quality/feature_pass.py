"""The features that a network gives on one pass over a data set: at the time, and in the end."""

from collections.abc import Hashable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hebbstream as hs
from benchmarks.core import run
from benchmarks.core.data import Split
from benchmarks.core.probe import cached_features, extractor_of
from hebbstream.network._presets import get_preset
from hebbstream.probe import OnlineProbe, SoftmaxProbe

CLASSES_PER_TASK = 2


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a network over the training samples in some order, (N, F) each in half precision.

    `seen` are the features at the time of each sample, `train` and `test` those of the network as it ended.
    """

    labels: Any
    seen: Tensor
    train: Tensor
    test: Tensor


class Listener(SoftmaxProbe):
    """Keeps the features of new samples in half precision, and hands on what there is to learn to other probes.

    They learn of the first `samples` new ones, and of what a replay shows again until then; `after_task` holds a copy of
    each after every number of new samples in `marks`.
    """

    def __init__(self, total: int, probes: dict[str, OnlineProbe], samples: int = 0, marks: Sequence[int] = ()) -> None:
        super().__init__()
        self.total, self.samples, self.marks = total, samples, marks
        self.probes = probes
        self.after_task: dict[str, list[OnlineProbe]] = {name: [] for name in probes}
        self.seen = torch.empty(0)
        self.came = 0

    def _take(self, rows: Tensor, labels: list[Hashable], weights: list[float]) -> None:
        new = len(rows) == 1
        if self.came < self.samples or (self.came == self.samples and not new):
            for probe in self.probes.values():
                probe.learn_many(rows.half().float(), labels, weights)
        if new:
            if not self.came:
                self.seen = torch.empty(self.total, rows.shape[1], dtype=torch.float16)
            self.seen[self.came] = rows[0]
            self.came += 1
            if self.came in self.marks:
                for name, probe in self.probes.items():
                    self.after_task[name].append(deepcopy(probe))


def by_task(labels: Any, order: Any) -> Any:
    """Sort an order of samples by the pair of classes that they belong to."""
    return order[np.argsort(labels[order] // CLASSES_PER_TASK, kind="stable")]


def one_pass(
    data: str,
    width: int,
    train: Split,
    test: Split,
    order: Any,
    *,
    seed: int,
    decay: bool,
    cache: Path | None,
    replay: hs.Replay | None = None,
    learning: Listener | None = None,
) -> Pass:
    """Learn every sample once, all layers at once; without probes `learning`, take what an earlier run left in a file."""
    labels = train.labels[order]
    if cache is not None and cache.exists() and learning is None:
        with np.load(cache) as kept:
            return Pass(labels, **{name: torch.from_numpy(kept[name]) for name in ("seen", "train", "test")})
    preset = get_preset(data)
    specs = [replace(spec, decay_samples=len(order) if decay else None) for spec in preset.resolve(width=width)]
    net = hs.SoftHebbNet(specs, preset.in_channels, input_size=preset.input_size, seed=seed)
    listener = learning or Listener(len(order), {})
    frames = ((train.images[index], int(train.labels[index])) for index in order)
    run.whole(hs.learn(net, frames, listener, replay=replay))
    last, extract = len(net.layers), extractor_of(net)
    now, later = (cached_features(extract, split, (last,))[last] for split in (train.at(order), test))
    found = Pass(labels, listener.seen, now, later)
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, seen=found.seen.numpy(), train=found.train.numpy(), test=found.test.numpy())
    return found


def held_out(features: Pass, number: int) -> tuple[Pass, Any]:
    """Let the last training samples, as the network ended, take the place of the test, to choose settings by."""
    labels, seen, train = (rows[:-number] for rows in (features.labels, features.seen, features.train))
    tested, truth = features.train[-number:], features.labels[-number:]
    return replace(features, labels=labels, seen=seen, train=train, test=tested), truth
