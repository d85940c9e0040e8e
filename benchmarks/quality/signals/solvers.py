"""Measure probes that learn along, on signals and sound: raw values, features as drawn, and features that learn.

Samples of the training part come once, in a random order, or with all samples of a label in two runs, as in a recording.
*Prequential* is the share that was predicted right before it was learned; *later* is that of the test part, once all is learned.
Of *snapshots*, the latest predicts, as `hebbstream.Snapshot` does it: a copy of what makes features, with a probe fitted to it, or
one of sums that has learned what is kept and learns on.
"""

import copy
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.quality.signals.__main__ import Array, arguments, network, sets_of, values
from hebbstream.learning._refit import refit_probe

PROBES: dict[str, tuple[Callable[[], hs.OnlineProbe], bool]] = {
    "gradient": (hs.SoftmaxProbe, False),
    "gradient, with Replay()": (hs.SoftmaxProbe, True),
    "slda": (hs.SldaProbe, False),
    "slda, with Replay()": (hs.SldaProbe, True),
}
SNAPSHOTS = {"snapshots": None, "snapshots, slda": hs.SldaProbe}
ROWS = ("raw", "untrained", "learned", "untrained, aligned", "learned, aligned")
_FIRST, _GROWTH = (
    32,
    1.25,
)  # labels before the first copy, and how many times as many there are at the next: those of `Snapshot`
Look = Callable[[Array], torch.Tensor]


def in_runs(y: Array, seed: int) -> Array:
    """Return an order of samples in which those of each label come in two runs; indices."""
    random = np.random.default_rng(seed)
    halves = [
        half for label in np.unique(y) for half in np.array_split(random.permutation(np.flatnonzero(y == label)), 2)
    ]
    return np.concatenate([halves[at] for at in random.permutation(len(halves))])


class Contender:
    """A probe, and what it looks at again."""

    def __init__(self, name: str) -> None:
        make, again = PROBES[name]
        self.probe, self.replay, self.right = make(), hs.Replay() if again else None, 0

    def learn(self, sample: Array, features: torch.Tensor, label: int, look: Look) -> None:
        """Predict a sample, learn it, and now and then learn some of before again, as they look by now."""
        self.right += bool(self.probe.classes) and self.probe.predict_one(features) == label
        self.probe.learn_one(features, label)
        if self.replay is None:
            return
        self.replay.add(torch.from_numpy(sample), label)
        if self.replay.waiting >= self.replay.every_samples:
            frames, labels = self.replay.draw(self.replay.per_sample * self.replay.every_samples)
            self.probe.learn_many(torch.stack([look(frame.numpy()) for frame in frames]), labels, self.replay.weight)
            self.replay.waiting = 0

    def predict_many(self, samples: Array, look: Look) -> list[object]:
        """Return what it takes samples for, once all is learned."""
        return list(self.probe.predict_many(torch.stack([look(sample) for sample in samples])))


class Snapshots(Contender):
    """The latest copy with its probe; before the first, one that learns along."""

    def __init__(self, name: str) -> None:
        self.make = SNAPSHOTS[name]
        self.probe, self.replay, self.right = (self.make or hs.SoftmaxProbe)(), hs.Replay(), 0
        self.held: tuple[Look, hs.OnlineProbe] | None = None
        self.due = _FIRST

    def learn(self, sample: Array, features: torch.Tensor, label: int, look: Look) -> None:
        """Predict a sample and keep it; where labels have grown enough, make the next copy."""
        probe, seen = (self.probe, features) if self.held is None else (self.held[1], self.held[0](sample))
        self.right += bool(probe.classes) and probe.predict_one(seen) == label
        self.probe.learn_one(features, label)
        if self.held is not None and self.make is not None:
            probe.learn_one(seen, label)
        self.replay.add(torch.from_numpy(sample), label)
        if self.probe.steps >= self.due:
            self.due = int(self.probe.steps * _GROWTH) + 1
            self.held = copy.deepcopy(look), self._fitted(look)

    def predict_many(self, samples: Array, look: Look) -> list[object]:
        """Return what a last one takes samples for."""
        return list(self._fitted(look).predict_many(torch.stack([look(sample) for sample in samples])))

    def _fitted(self, look: Look) -> hs.OnlineProbe:
        net = _Looking(look)
        if self.make is None:
            return refit_probe(cast("hs.SoftHebbNet", net), self.probe, self.replay, progress=False)
        (frames, labels), probe = self.replay.kept(), self.make()
        probe.learn_many(net.transform_many(frames), labels)
        return probe


class _Looking:
    """Stands for a network, where features are raw values."""

    def __init__(self, look: Look) -> None:
        self.look = look

    def transform_many(self, samples: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.look(sample.numpy()) for sample in samples]).float()


def measure(arrays: dict[str, Array], probes: list[str], width: int | None, seed: int) -> Iterator[store.Result]:
    """Yield a result for each order, row and probe."""
    train, y, test, test_y = (arrays[name] for name in ("train", "train_y", "test", "test_y"))
    orders = {"random": np.random.default_rng(seed).permutation(len(train)), "in runs": in_runs(y, seed)}
    for order, indices in orders.items():
        for row in ROWS if train.ndim == 3 else ROWS[:3]:  # pictures of sound have one preset
            learn = look = values(train)
            if row != "raw":
                net = network(train, row, width, seed)
                learn, look = net.learn_one, net.transform_one
            contenders = {name: Contender(name) if name in PROBES else Snapshots(name) for name in probes}
            for index in indices:
                features = learn(train[index])
                for contender in contenders.values():
                    contender.learn(train[index], features, y[index].item(), look)
            for name, contender in contenders.items():
                later = float(np.mean(np.array(contender.predict_many(test, look)) == test_y))
                found = {"prequential": contender.right / len(train), "later": later}
                percent = {way: round(100 * share, 2) for way, share in found.items()}
                yield {"order": order, "row": row, "probe": name, "seed": seed, **percent}


def main() -> None:
    parser = arguments("quality/signals-solvers", __doc__)
    names = [*PROBES, *SNAPSHOTS]
    parser.add_argument("--probes", nargs="+", choices=names, default=names)
    options = run.begin(parser)
    settings = {"width": options.width, "most": options.most}
    rows = store.resume(options.output, settings).get("rows", [])
    for seed in options.seeds:
        for name, arrays in sets_of(options.folder, options.sets, options.most):
            done = {row["probe"] for row in rows if (row["set"], row["seed"]) == (name, seed)}
            if probes := [probe for probe in options.probes if probe not in done]:
                rows += store.shown({"set": name, **each} for each in measure(arrays, probes, options.width, seed))
                store.write(options.output, {"settings": settings, "rows": rows})


if __name__ == "__main__":
    main()
