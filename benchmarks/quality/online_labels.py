"""Labels that come one by one: what each solver makes of them in a single pass, when classes come in turn, and of a few.

A network learns a data set in one pass, in random order and with two classes at a time, and the features that it gave
on the way are kept, beside those that it gives in the end. Then every solver learns from them, each sample once; with a
replay, during the pass.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.data import load_task
from benchmarks.core.probe import PROTOCOLS, accuracy, train_probe
from benchmarks.paper.experiments import WIDTHS
from benchmarks.quality.feature_pass import CLASSES_PER_TASK, Listener, Pass, by_task, held_out, one_pass
from benchmarks.quality.solvers import SHOTS, class_incremental, few_shot, in_turn, predicted, solvers, teach
from hebbstream.network._presets import get_preset
from hebbstream.probe import OnlineProbe, SldaProbe

MEASURES = ("learning", "learned", "tasks", "tasks learning", "few shots", "replay", "tasks replay")


class Study:
    """One data set, and the solvers to compare on it."""

    def __init__(self, data: str, options: argparse.Namespace) -> None:
        task = load_task(data)
        self.data, self.options = data, options
        self.train, self.test = (split.take(options.samples, options.seed) for split in (task.train, task.test))
        self.width = int(get_preset(data).layers[0].channels * WIDTHS[options.width])
        self.order = np.random.default_rng(options.seed).permutation(len(self.train))
        known = solvers(options.dimensions, options.half_life, options.average_over)
        self.made = {name: make for name, make in known.items() if not options.only or name in options.only}

    def measure(self) -> store.Result:
        """Run everything that was asked for."""
        options = self.options
        replayed = self.listener(len(self.train) - options.hold_out)
        shuffled = self.learned("shuffled", self.order, replayed if "replay" in options.measures else None)
        truth = self.test.labels
        found: store.Result = {
            "width": self.width,
            "features": shuffled.train.shape[1],
            "samples": len(self.train),
        }
        if options.hold_out:
            shuffled, truth = held_out(shuffled, options.hold_out)
            found["held out"] = options.hold_out
        if options.epochs:
            found["offline probe"] = offline(self.data, self.width, shuffled, truth, options)
            print(self.data, "offline probe", found["offline probe"], flush=True)
        for name, make in self.made.items():
            found[name] = self.of_solver(make, replayed.probes[name], shuffled, truth)
            print(self.data, name, found[name], flush=True)
        if self.data == "mnist" and "few shots" in options.measures:
            more = {} if options.only else {"slda, shrinkage 0.5": partial(SldaProbe, shrinkage=0.5)}
            found["few shots"] = {"shots": SHOTS} | {
                name: few_shot(make, shuffled, truth, seed=options.seed) for name, make in (self.made | more).items()
            }
            print(found["few shots"], flush=True)
        if not options.hold_out and {"tasks learning", "tasks replay"} & set(options.measures):
            self.in_turns(found)
        return found

    def learned(self, name: str, order: Any, learning: Listener | None) -> Pass:
        """Let a network learn the training samples in some order."""
        options = self.options
        name += "-decay" if options.decay else ""
        name = f"{self.data}-{self.width}-{options.seed}-{len(self.train)}-{name}.npz"
        memory = hs.Replay(options.capacity, per_sample=options.per_sample, weight=options.weight, seed=options.seed)
        return one_pass(
            self.data,
            self.width,
            self.train,
            self.test,
            order,
            seed=options.seed,
            decay=options.decay,
            cache=options.cache and options.cache / name,
            replay=memory if learning else None,
            learning=learning,
        )

    def listener(self, samples: int, marks: Any = ()) -> Listener:
        """Return what lets a new probe of each solver learn beside the network."""
        return Listener(len(self.train), {name: make() for name, make in self.made.items()}, samples, marks)

    def of_solver(
        self, make: Callable[[], OnlineProbe], replayed: OnlineProbe, shuffled: Pass, truth: Any
    ) -> store.Result:
        """Return what one solver makes of shuffled samples, and of features that had learned before."""
        wanted = self.options.measures

        def accuracy_of(probe: OnlineProbe) -> float:
            return round(float((predicted(probe, shuffled.test) == truth).mean()), 4)

        row: store.Result = {}
        if "learning" in wanted:
            row["single pass, features learning"] = accuracy_of(teach(make(), shuffled.seen, shuffled.labels))
        if "replay" in wanted:
            row["single pass, features learning, replay"] = accuracy_of(replayed)
        before: store.Result = {}
        if "learned" in wanted:
            before["shuffled"] = accuracy_of(teach(make(), shuffled.train, shuffled.labels))
        if "tasks" in wanted:
            after_task = in_turn(make, shuffled.train, shuffled.labels)
            before["two classes at a time"] = class_incremental(after_task, shuffled.test, truth)
        return row | ({"features learned before": before} if before else {})

    def in_turns(self, found: store.Result) -> None:
        """Let two classes at a time be learned, by the network too, and add what each solver makes of that."""
        wanted = self.options.measures
        labels = self.train.labels
        ends = np.cumsum(np.unique(labels // CLASSES_PER_TASK, return_counts=True)[1])
        replayed = self.listener(len(self.train), ends.tolist())
        order = by_task(labels, self.order)
        turned = self.learned("tasks", order, replayed if "tasks replay" in wanted else None)
        for name, make in self.made.items():
            ways = {
                "tasks learning": ("", in_turn(make, turned.seen, turned.labels)),
                "tasks replay": (", replay", iter(replayed.after_task[name])),
            }
            for suffix, after_task in (way for measure, way in ways.items() if measure in wanted):
                scores = class_incremental(after_task, turned.test, self.test.labels)
                found[name][f"two classes at a time, features learning{suffix}"] = scores
                print(self.data, name + suffix, scores, flush=True)


def offline(data: str, width: int, features: Pass, truth: Any, options: argparse.Namespace) -> float:
    """Train the paper's probe for many epochs, or take what an earlier run left in a file; return its accuracy."""
    decay = "-decay" if options.decay else ""
    name = f"{data}-{width}-{options.seed}-{len(features.labels)}-{options.epochs}-epochs{decay}.json"
    kept = options.cache and options.cache / name
    if kept is not None and kept.exists():
        return float(json.loads(kept.read_text()))
    model = train_probe(
        lambda indices: features.train[indices].float(),
        features.labels,
        PROTOCOLS[data],
        epochs=options.epochs,
        seed=options.seed,
        progress=True,
    )
    found = round(accuracy(model, lambda indices: features.test[indices].float(), truth), 4)
    if kept is not None:
        kept.write_text(json.dumps(found))
    return found


def plot(found: store.Result, path: Path) -> None:
    """Draw how much of a new class is found after a few of its samples."""
    few = found["mnist"]["few shots"]
    figure, (recall, right) = draw.new_figure(2, (9, 3.6))
    for name in (name for name in few if name != "shots"):
        recall.plot(few["shots"], few[name]["found"], marker="o", label=name)
        right.plot(few["shots"], few[name]["all"], marker="o", label=name)
    recall.set(xscale="log", xlabel="samples of the new class", ylabel="share of it that is found", ylim=(0, 1))
    right.set(xscale="log", xlabel="samples of the new class", ylabel="accuracy on all ten classes")
    for axis in (recall, right):
        axis.set_xticks(few["shots"], [str(shots) for shots in few["shots"]])
        axis.minorticks_off()
    right.legend(frameon=False, fontsize="small", loc="lower right")
    draw.save(figure, path)


def parser() -> argparse.ArgumentParser:
    parser = run.arguments("quality/online-labels", __doc__)
    parser.add_argument("--data", nargs="+", default=["cifar10", "mnist"], choices=("cifar10", "mnist"))
    parser.add_argument("--width", choices=WIDTHS, default="half", help="of the paper's networks")
    parser.add_argument("--dimensions", type=int, nargs="+", default=[1024, 4096], help="of ridge and slda")
    parser.add_argument("--half-life", type=float, nargs="*", default=[10_000], help="of ridge and slda, besides none")
    parser.add_argument("--average-over", type=int, nargs="*", default=[], help="of SGD, besides the default")
    parser.add_argument("--only", nargs="+", metavar="ROW", help="solvers, by the names of their rows")
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument(
        "--hold-out",
        type=int,
        default=0,
        metavar="N",
        help="test on the last N training samples instead, to choose settings by",
    )
    parser.add_argument(
        "--decay", action="store_true", help="let the networks' rates fall to zero over the pass (decay_samples)"
    )
    parser.add_argument("--capacity", type=int, default=10_000, help="frames that a replay keeps")
    parser.add_argument("--per-sample", type=int, default=3, help="frames that a replay looks at again for a new one")
    parser.add_argument("--weight", type=float, default=1 / 3, help="of each of these, where a new one has 1")
    parser.add_argument("--epochs", type=int, default=50, help="of the offline probe; 0 leaves it out")
    parser.add_argument("--samples", type=int, help="only so many training samples")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cache", type=Path, metavar="FOLDER", help="for what takes long, to be taken from there again"
    )
    return parser


def main() -> None:
    options = run.begin(parser())
    found = {}
    for data in options.data:
        found[data] = Study(data, options).measure()
        store.write(options.output, {"seed": options.seed, "data": found})  # the next takes hours
    if "few shots" in found.get("mnist", {}):
        plot(found, options.output)


if __name__ == "__main__":
    main()
