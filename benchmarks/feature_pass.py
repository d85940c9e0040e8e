"""The features that a network gives on one pass over a data set: at the time, on looking again, and in the end."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hebbstream as hs
from benchmarks.paper.data import Split
from benchmarks.paper.probe import cached_features, extractor_of
from hebbstream.presets import get_preset
from hebbstream.probe import SoftmaxProbe

CLASSES_PER_TASK = 2
EVERY = 32  # labelled samples between replays, the default


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a network over the training samples in some order, (N, F) each in half precision.

    `seen` are the features at the time of each sample, `train` and `test` those of the network as it ended; `again` those
    of a replay: after every 32 samples, of `per_sample` for each, labelled `again_labels`.
    """

    labels: Any
    seen: Tensor
    train: Tensor
    test: Tensor
    again: Tensor
    again_labels: Any
    per_sample: int


class Recorder(SoftmaxProbe):
    """Learns nothing: keeps the features that it is to learn from, in half precision."""

    def __init__(self, samples: int, replayed: int) -> None:
        super().__init__()
        self.room = {"seen": samples, "again": replayed}
        self.labels: list[Hashable] = []
        self.kept: dict[str, Tensor] = {}
        self.filled = {"seen": 0, "again": 0}

    def _take(self, rows: Tensor, labels: list[Hashable], weights: list[float]) -> None:  # noqa: ARG002
        name = "seen" if len(rows) == 1 else "again"
        if name == "again":
            self.labels += labels
        if name not in self.kept:
            self.kept[name] = torch.empty(self.room[name], rows.shape[1], dtype=torch.float16)
        self.kept[name][self.filled[name] : self.filled[name] + len(rows)] = rows
        self.filled[name] += len(rows)


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
    capacity: int,
    per_sample: int,
    decay: bool,
    cache: Path | None,
) -> Pass:
    """Learn every sample once, all layers at once, or take what an earlier run left in a file; replay if `capacity`."""
    if cache is not None and cache.exists():
        with np.load(cache) as kept:
            rows = {name: torch.from_numpy(kept[name]) for name in ("seen", "train", "test")}
            again = torch.from_numpy(kept["again"]) if capacity else torch.empty(0)
            again_labels = kept["again_labels"] if capacity else []
            return Pass(train.labels[order], **rows, again=again, again_labels=again_labels, per_sample=per_sample)
    preset = get_preset(data)
    specs = [replace(spec, decay_samples=len(order) if decay else None) for spec in preset.resolve(width=width)]
    net = hs.SoftHebbNet(specs, preset.in_channels, input_size=preset.input_size, seed=seed)
    recorder = Recorder(len(order), len(order) // EVERY * EVERY * per_sample)
    replay = hs.Replay(capacity, per_sample=per_sample, every=EVERY, seed=seed) if capacity else None
    hs.learn(net, ((train.images[index], int(train.labels[index])) for index in order), recorder, replay=replay)
    last, extract = len(net.layers), extractor_of(net)
    found = Pass(
        train.labels[order],
        recorder.kept["seen"],
        cached_features(extract, train.at(order), (last,))[last],
        cached_features(extract, test, (last,))[last],
        recorder.kept.get("again", torch.empty(0)),
        np.array(recorder.labels),
        per_sample,
    )
    if cache is not None:
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            cache,
            seen=found.seen.numpy(),
            train=found.train.numpy(),
            test=found.test.numpy(),
            again=found.again.numpy(),
            again_labels=found.again_labels,
        )
    return found


def held_out(features: Pass, number: int) -> tuple[Pass, Any]:
    """Let the last training samples, as the network ended, take the place of the test, to choose settings by."""
    labels, seen, train = (rows[:-number] for rows in (features.labels, features.seen, features.train))
    tested, truth = features.train[-number:], features.labels[-number:]
    return replace(features, labels=labels, seen=seen, train=train, test=tested), truth
