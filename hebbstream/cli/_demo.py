"""`hebbstream demo`: learn from the bundled clip and show every result."""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.cli._demo_task import LABELLED, LEARNED, SIZE, Task
from hebbstream.cli._execution import add_quiet
from hebbstream.cli._types import path, positive
from hebbstream.clip import CLIP
from hebbstream.errors import MissingDependencyError
from hebbstream.export import to_onnx, verify
from hebbstream.inspection._canvas import new_figure, save_figure
from hebbstream.inspection._fields import receptive_fields
from hebbstream.inspection._figures import plot_pictures

USAGE = ""

# The clip lasts three minutes: few neurons, and a first layer that learns too, in large steps that fade towards its end.
# Chosen on other seeds, and other draws of labelled frames, zooms and lights, than the report's: the most is gained among
# settings with which at least nine neurons of the first layer in ten turn.
_WIDTH, _RADIUS, _RATE = 24, 5.0, 0.8
_NETWORKS = 3  # a few neurons differ by some points from one network to the next
_MEASURED_AT = frozenset((1, 10, 30, 100, 300, 1000, 3000))  # frames; and at the end
_COMPARED_FRAMES = 100

Curve = list[tuple[int, float]]  # accuracies by samples seen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_quiet(parser)
    parser.add_argument(
        "--output", type=path, default=Path("hebbstream-demo"), metavar="FOLDER", help="folder for the results"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help=f"seed of the first network's initial weights; the other {_NETWORKS - 1} have the next ones (default: %(default)s)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")


def run(options: argparse.Namespace) -> None:
    """Learn from the bundled clip."""
    lines = run_demo(options.output, seed=options.seed, progress=not options.quiet, limit=options.limit)
    print("\n" + "\n".join(lines))


def run_demo(folder: str | Path, *, seed: int = 0, progress: bool = True, limit: int | None = None) -> list[str]:
    """Learn from the bundled clip in one pass; write pictures, a checkpoint and an ONNX model of the first network.

    Parameters
    ----------
    folder
        Where the results go.
    seed
        Seed of the first network; the others have the next ones.
    progress
        Whether to show progress bars.
    limit
        Most frames to learn from.

    Returns
    -------
    list of str
        The report, line by line.
    """
    folder, started = Path(folder), time.perf_counter()
    new_figure(1, (1, 1))  # a missing matplotlib is better told now than after a minute
    frames = min(limit or LEARNED, LEARNED)
    task, specs = Task.load(), _specs(frames)
    still, seeds = [replace(spec, learning_rate=0.0) for spec in specs], range(seed, seed + _NETWORKS)
    (net, report, curve), *others = [_pass(specs, one, task, "learning", progress, frames) for one in seeds]
    learned = [curve, *(run.curve for run in others)]
    untrained = [_pass(still, one, task, "untrained", progress, frames).curve for one in seeds]

    before = hs.SoftHebbNet(specs, 3, seed=seed)
    probe, checkpoint, model = task.taught_probe(net), folder / "demo.safetensors", folder / "demo.onnx"
    net.reopen_plasticity(0.0)  # the steps have faded to nothing; whoever goes on from here begins with them anew
    hs.Learner(net, probe).save(checkpoint)
    cosines = F.cosine_similarity(net.layers[0].weight_matrix, before.layers[0].weight_matrix)
    fields = _plot_fields(before, net, cosines, folder / "receptive-fields.png")
    accuracy = _plot_accuracy(learned, untrained, len(task.classes), folder / "accuracy.png")
    compared = _export_and_compare(net, probe, task, model)
    return [
        f"{report.samples:,} frames of {len(task.classes)} photographs without a label, one pass, one frame at a time; {_NETWORKS} networks",
        "",
        *_table(task, learned, untrained),
        "",
        f"neurons of the first network's first layer that have turned {report.turned[0]:.0%}",
        f"speed {report.samples_per_second:.0f} frames a second, with decoding",
        compared,
        f"{time.perf_counter() - started:.0f} s in all",
        "",
        f"  {fields}    first-layer weights before and after, those that turned furthest first",
        f"  {accuracy}            accuracy while learning",
        f"  {checkpoint}        network and probe, to go on from",
        f"  {model}               feature extractor and classifier",
    ]


def _specs(frames: int) -> list[hs.LayerSpec]:
    first, second = (hs.PRESETS[preset].resolve(width=_WIDTH)[at] for at, preset in enumerate(("video", "motion")))
    return [
        replace(first, radius=_RADIUS, learning_rate=_RATE, decay_samples=frames, averaging_samples=None),
        second,
    ]


class _Pass(NamedTuple):
    net: hs.SoftHebbNet
    report: hs.Report
    curve: Curve


def _pass(specs: list[hs.LayerSpec], seed: int, task: Task, title: str, progress: bool, limit: int) -> _Pass:
    """Let a network see the stream, and measure now and then what its features are worth."""
    net, measured = hs.SoftHebbNet(specs, 3, seed=seed), _Measured(task)
    if progress:
        print(f"network {seed}, {title}:")
    with open_video(CLIP, size=SIZE) as frames:
        report = hs.Learner(net, callbacks=[measured]).learn(frames, limit=limit, progress=progress)
    if report.stopped == "interrupted":
        raise KeyboardInterrupt
    return _Pass(net, replace(report, seconds=report.seconds - measured.seconds), measured.curve)


class _Measured(hs.Callback):
    """Now and then, and at the end, what the features are worth."""

    every_samples = 1

    def __init__(self, task: Task) -> None:
        self._task, self.curve, self.seconds = task, Curve(), 0.0

    def on_pause(self, learner: hs.Learner) -> None:
        if learner.net.samples_seen in _MEASURED_AT:
            self._measure(learner.net)

    def on_end(self, learner: hs.Learner) -> None:
        if learner.net.samples_seen not in _MEASURED_AT:
            self._measure(learner.net)

    def _measure(self, net: hs.SoftHebbNet) -> None:
        began = time.perf_counter()
        self.curve.append((net.samples_seen, self._task.accuracy(net)))
        self.seconds += time.perf_counter() - began


def _table(task: Task, learned: list[Curve], untrained: list[Curve]) -> list[str]:
    after, before = (np.array([curve[-1][1] for curve in curves]) for curves in (learned, untrained))
    gains = 100 * (after - before)
    gained, each = gains.mean(), ", ".join(f"{gain:.1f}" for gain in gains)
    return [
        f"then an SldaProbe saw {LABELLED} labelled frames of each; right in {len(task.test_labels)} later frames, in other zooms and lights:",
        f"  learned by hebbstream                   {after.mean():6.1%}",
        f"  the same network, untrained weights     {before.mean():6.1%}",
        f"  pixels                                  {task.accuracy_of_pixels():6.1%}",
        f"  chance                                  {1 / len(task.classes):6.1%}",
        f"learning gained {f'{gained:.1f} points' if gained > 0 else 'nothing'}, a mean over the networks ({each})",
    ]


def _plot_fields(before: hs.SoftHebbNet, after: hs.SoftHebbNet, cosines: torch.Tensor, path: Path) -> Path:
    order = cosines.argsort()
    return plot_pictures(
        [(title, receptive_fields(net)[order]) for title, net in (("before", before), ("after", after))], path
    )


def _plot_accuracy(learned: list[Curve], untrained: list[Curve], classes: int, path: Path) -> Path:
    figure, (axis,) = new_figure(1, (7.5, 4.0))
    for name, curves, colour in (("learned", learned, "tab:blue"), ("untrained weights", untrained, "tab:gray")):
        seen, right = np.array(curves).transpose(2, 0, 1)
        axis.plot(seen[0], right.mean(0), color=colour, marker="o", label=name)
        axis.fill_between(seen[0], right.min(0), right.max(0), color=colour, alpha=0.2, linewidth=0)
    axis.axhline(1 / classes, color="black", linestyle=":", label="chance")
    axis.set(xlabel="frames seen, none with a label", ylabel="right in the test", xscale="log", ylim=(0, 1))
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.set_title(
        f"with {LABELLED} labelled frames of each photograph; {_NETWORKS} networks, and their mean", fontsize="medium"
    )
    axis.legend(loc="center right")
    return save_figure(figure, path)


def _export_and_compare(net: hs.SoftHebbNet, probe: hs.SldaProbe, task: Task, path: Path) -> str:
    to_onnx(net, path, probe)
    try:
        found = verify(path, list(task.test[:_COMPARED_FRAMES]), net, probe, seconds=0.2)
    except MissingDependencyError as error:
        return f"ONNX model written, not compared: {error}"
    return (
        f"ONNX Runtime against torch on {found.frames} frames: features differ by at most {found.greatest:.1e} of their"
        f" length, {found.same_label:.1%} have the same label"
    )
