"""Labels that come one by one: what each solver makes of them in a single pass, when classes come in turn, and of a few.

A network learns a data set in one pass, in random order and with two classes at a time, and the features that it gave
on the way are kept, beside those that it gives in the end. Then every solver learns from them, each sample once; with a
replay, during the pass.
"""

import argparse
import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import hebbstream as hs
from benchmarks.common import new_figure, output_option, save_figure, write_result
from benchmarks.feature_pass import CLASSES_PER_TASK, Listener, Pass, by_task, held_out, one_pass
from benchmarks.paper.data import load_task
from benchmarks.paper.experiments import WIDTHS
from benchmarks.paper.probe import PROTOCOLS, accuracy, train_probe
from hebbstream.learning import ContinualScores
from hebbstream.network._presets import get_preset
from hebbstream.probe import OnlineProbe, RidgeProbe, SldaProbe, SoftmaxProbe

CHUNK = 100  # rows of one call to a probe, to the same effect as one after another
SHOTS = (1, 2, 5, 10, 20, 50, 100)
KNOWN = 10_000  # samples from which the other classes are known before them
MEASURES = ("learning", "learned", "tasks", "tasks learning", "few shots", "replay", "tasks replay")


def solvers(
    dimensions: list[int], half_lives: list[float], averages: list[int]
) -> dict[str, Callable[[], OnlineProbe]]:
    """Return what makes each probe, by name."""
    found: dict[str, Callable[[], OnlineProbe]] = {
        "gradient, SGD": partial(SoftmaxProbe, optimizer="sgd"),
        "gradient, Adam": partial(SoftmaxProbe, optimizer="adam"),
    }
    for samples in averages:
        found[f"gradient, SGD, average over {samples}"] = partial(SoftmaxProbe, average_over=samples)
    for number in dimensions:
        found[f"ridge, {number} dimensions"] = partial(RidgeProbe, dimensions=number)
        found[f"slda, {number} dimensions"] = partial(SldaProbe, dimensions=number)
        for half_life in half_lives:
            after = f"{number} dimensions, half-life {half_life:g}"
            found[f"ridge, {after}"] = partial(RidgeProbe, dimensions=number, half_life=half_life)
            found[f"slda, {after}"] = partial(SldaProbe, dimensions=number, half_life=half_life)
    return found


def teach(probe: OnlineProbe, rows: Tensor, labels: Any) -> OnlineProbe:
    """Learn rows in their order."""
    for start in range(0, len(rows), CHUNK):
        part = slice(start, start + CHUNK)
        probe.learn_many(rows[part].float(), labels[part].tolist())
    return probe


def predicted(probe: OnlineProbe, rows: Tensor) -> Any:
    """Return the label that a probe gives to each row; -1 before the first label."""
    found: list[Hashable] = []
    for part in rows.split(CHUNK):
        found += probe.predict_many(part.float())
    return np.array([-1 if label is None else label for label in found])


def in_turn(make: Callable[[], OnlineProbe], rows: Tensor, labels: Any) -> Iterator[OnlineProbe]:
    """Learn the samples of each pair of classes in turn; yield the probe after each."""
    probe, tasks = make(), labels // CLASSES_PER_TASK
    for task in np.unique(tasks):
        at = np.flatnonzero(tasks == task)
        yield teach(probe, rows[at], labels[at])


def class_incremental(after_task: Iterable[OnlineProbe], test: Tensor, truth: Any) -> dict[str, float]:
    """Return the scores on the test after each task; every class has as many test samples as any other, nearly."""
    rights = [predicted(probe, test) == truth for probe in after_task]
    of_task = [truth // CLASSES_PER_TASK == task for task in np.unique(truth // CLASSES_PER_TASK)]
    matrix = np.array([[right[mask].mean() for mask in of_task] for right in rights])
    scores = ContinualScores(matrix, np.zeros(len(of_task)))
    return {
        "average accuracy": round(scores.average_accuracy, 4),
        "forgetting": round(scores.forgetting, 4),
    }


def few_shot(make: Callable[[], OnlineProbe], features: Pass, truth: Any, *, seed: int) -> dict[str, list[float]]:
    """Know nine classes from thousands of samples and the tenth from a few: mean over which one is the tenth.

    Returned are the share of the tenth's test samples that are found, and the accuracy on the whole test.
    """
    found, right = np.zeros((2, len(np.unique(truth)), len(SHOTS)))
    for new in np.unique(truth):
        known = np.flatnonzero(features.labels != new)[:KNOWN]
        probe = teach(make(), features.train[known], features.labels[known])
        shots = np.random.default_rng(seed).permutation(np.flatnonzero(features.labels == new))
        for column, (start, stop) in enumerate(zip((0, *SHOTS), SHOTS, strict=False)):
            teach(probe, features.train[shots[start:stop]], features.labels[shots[start:stop]])
            guesses = predicted(probe, features.test)
            found[new, column] = (guesses[truth == new] == new).mean()
            right[new, column] = (guesses == truth).mean()
    return {
        "found": rounded(found.mean(axis=0)),
        "worst class": rounded(found.min(axis=0)),
        "all": rounded(right.mean(axis=0)),
    }


def measure(data: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run everything on one data set."""
    task = load_task(data)
    train, test = task.train.take(options.samples, options.seed), task.test.take(options.samples, options.seed)
    width = int(get_preset(data).layers[0].channels * WIDTHS[options.width])
    order = np.random.default_rng(options.seed).permutation(len(train))

    def learned(name: str, order: Any, learning: Listener | None) -> Pass:
        name += "-decay" if options.decay else ""
        memory = hs.Replay(options.capacity, per_sample=options.per_sample, weight=options.weight, seed=options.seed)
        return one_pass(
            data,
            width,
            train,
            test,
            order,
            seed=options.seed,
            decay=options.decay,
            cache=options.cache and options.cache / f"{data}-{width}-{options.seed}-{len(train)}-{name}.npz",
            replay=memory if learning else None,
            learning=learning,
        )

    made = solvers(options.dimensions, options.half_life, options.average_over)
    made = {name: make for name, make in made.items() if not options.only or name in options.only}
    wanted = {name: name in options.measures for name in MEASURES}
    replayed = Listener(len(train), {name: make() for name, make in made.items()}, len(train) - options.hold_out)
    shuffled = learned("shuffled", order, replayed if wanted["replay"] else None)
    truth = test.labels
    found: dict[str, Any] = {"width": width, "features": shuffled.train.shape[1], "samples": len(train)}
    if options.hold_out:
        shuffled, truth = held_out(shuffled, options.hold_out)
        found["held out"] = options.hold_out
    if options.epochs:
        found["offline probe"] = offline(data, width, shuffled, truth, options)
        print(data, "offline probe", found["offline probe"], flush=True)

    def accuracy_of(probe: OnlineProbe) -> float:
        return round(float((predicted(probe, shuffled.test) == truth).mean()), 4)

    for name, make in made.items():
        row: dict[str, Any] = {}
        if wanted["learning"]:
            row["single pass, features learning"] = accuracy_of(teach(make(), shuffled.seen, shuffled.labels))
        if wanted["replay"]:
            row["single pass, features learning, replay"] = accuracy_of(replayed.probes[name])
        before: dict[str, Any] = {}
        if wanted["learned"]:
            before["shuffled"] = accuracy_of(teach(make(), shuffled.train, shuffled.labels))
        if wanted["tasks"]:
            after_task = in_turn(make, shuffled.train, shuffled.labels)
            before["two classes at a time"] = class_incremental(after_task, shuffled.test, truth)
        found[name] = row | ({"features learned before": before} if before else {})
        print(data, name, found[name], flush=True)
    if data == "mnist" and wanted["few shots"]:
        more = {} if options.only else {"slda, shrinkage 0.5": partial(SldaProbe, shrinkage=0.5)}
        found["few shots"] = {"shots": SHOTS} | {
            name: few_shot(make, shuffled, truth, seed=options.seed) for name, make in (made | more).items()
        }
        print(found["few shots"], flush=True)
    if (wanted["tasks learning"] or wanted["tasks replay"]) and not options.hold_out:
        in_turns = by_task(train.labels, order)
        ends = np.cumsum(np.unique(train.labels // CLASSES_PER_TASK, return_counts=True)[1])
        probes = {name: make() for name, make in made.items()}
        replayed = Listener(len(train), probes, len(train), marks=ends.tolist())
        turned = learned("tasks", in_turns, replayed if wanted["tasks replay"] else None)
        for name, make in made.items():
            ways = {
                "tasks learning": ("", in_turn(make, turned.seen, turned.labels)),
                "tasks replay": (", replay", iter(replayed.after_task[name])),
            }
            for suffix, after_task in (way for measure, way in ways.items() if wanted[measure]):
                scores = class_incremental(after_task, turned.test, truth)
                found[name][f"two classes at a time, features learning{suffix}"] = scores
                print(data, name + suffix, scores, flush=True)
    return found


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


def rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]


def plot(found: dict[str, Any], path: Path) -> None:
    """Draw how much of a new class is found after a few of its samples."""
    few = found["mnist"]["few shots"]
    figure, (recall, right) = new_figure(2, (9, 3.6))
    for name in (name for name in few if name != "shots"):
        recall.plot(few["shots"], few[name]["found"], marker="o", label=name)
        right.plot(few["shots"], few[name]["all"], marker="o", label=name)
    recall.set(xscale="log", xlabel="samples of the new class", ylabel="share of it that is found", ylim=(0, 1))
    right.set(xscale="log", xlabel="samples of the new class", ylabel="accuracy on all ten classes")
    for axis in (recall, right):
        axis.set_xticks(few["shots"], [str(shots) for shots in few["shots"]])
        axis.minorticks_off()
    right.legend(frameon=False, fontsize="small", loc="lower right")
    save_figure(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online_labels", description=__doc__)
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
    output_option(parser, "online-labels")
    options = parser.parse_args()
    found = {data: measure(data, options) for data in options.data}
    write_result(options.output, {"seed": options.seed, "data": found})
    if "few shots" in found.get("mnist", {}):
        plot(found, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
