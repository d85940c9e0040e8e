"""`hebbstream demo`: learn from the bundled clip and show every result."""

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.cli._execution import add_quiet
from hebbstream.cli._types import path, positive
from hebbstream.clip import CLIP, clip_label
from hebbstream.clip._clip import clip_frames
from hebbstream.errors import MissingDependencyError
from hebbstream.export import to_onnx, verify
from hebbstream.inspection import plot_receptive_fields
from hebbstream.inspection._canvas import new_figure, save_figure

HELP = "learn from the bundled clip; write pictures, a checkpoint and a model"
USAGE = ""

_SIZE, _WIDTH, _PROBE_RATE = 32, 32, 3e-4
# The clip lasts minutes, the published rates assume 50,000 pictures: start nearer to the goal, take larger steps, and
# let them end after a while (appendix A.2), so that the probe then stands on firm ground.
_RADIUS, _RATE_SCALE, _DECAY_SAMPLES, _MOMENTUM = 3.0, 5.0, 2000, 0.001
_COMPARED_FRAMES = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_quiet(parser)
    parser.add_argument(
        "--output", type=path, default=Path("hebbstream-demo"), metavar="FOLDER", help="folder for the results"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the initial weights")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")


def run(options: argparse.Namespace) -> None:
    """Learn from the bundled clip."""
    lines = run_demo(options.output, seed=options.seed, progress=not options.quiet, limit=options.limit)
    print("\n" + "\n".join(lines))


@dataclass(frozen=True, slots=True)
class Scores:
    """Prequential results over a stream: whether each prediction was right, and where the scene was cut."""

    right: "np.ndarray[Any, np.dtype[np.bool_]]"
    cut: "np.ndarray[Any, np.dtype[np.bool_]]"

    def second_half(self) -> float:
        """Accuracy over the second half of the stream."""
        return _second_half(self.right)

    def after_cuts(self) -> float:
        """Accuracy on the first frame after each cut in the second half, where repeating the last label fails."""
        half = len(self.right) // 2
        after_cut = self.right[half:][self.cut[half:]]
        return float(after_cut.mean()) if after_cut.size else math.nan


def run_demo(folder: str | Path, *, seed: int = 0, progress: bool = True, limit: int | None = None) -> list[str]:
    """Learn from the bundled clip in one pass; write pictures, a checkpoint and an ONNX model.

    Parameters
    ----------
    folder
        Where the results go.
    seed
        Seed of the network.
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
    specs = _specs()
    net, before = hs.SoftHebbNet(specs, 3, seed=seed), hs.SoftHebbNet(specs, 3, seed=seed)
    still = hs.SoftHebbNet([replace(spec, learning_rate=0.0) for spec in specs], 3, seed=seed)
    probe = _probe()
    learner, report, learned = _pass(net, probe, "learning", progress, limit)
    *_, untrained = _pass(still, _probe(), "untrained", progress, limit)

    checkpoint, model = folder / "demo.safetensors", folder / "demo.onnx"
    learner.save(checkpoint)
    fields = plot_receptive_fields([("before", before), ("after", net)], folder / "receptive-fields.png")
    curve = _plot_accuracy(learned, untrained, len(probe.classes), folder / "accuracy.png")
    compared = _export_and_compare(net, probe, model)
    return [
        f"{report.samples:,} frames, {len(probe.classes)} photographs, one pass, one frame at a time, all layers at once",
        "",
        *_table(learned, untrained, len(probe.classes)),
        "",
        _norms(net),
        f"speed {report.samples_per_second:.0f} frames a second, decoding, learning and probe included",
        compared,
        f"{time.perf_counter() - started:.0f} s in all",
        "",
        f"  {fields}    first-layer weights before and after",
        f"  {curve}            accuracy over the stream",
        f"  {checkpoint}        network and probe, to go on from",
        f"  {model}               feature extractor and classifier",
    ]


def _specs() -> list[hs.LayerSpec]:
    return [
        replace(
            spec,
            learning_rate=_RATE_SCALE * spec.learning_rate,
            radius=_RADIUS,
            decay_samples=_DECAY_SAMPLES,
            momentum=_MOMENTUM,
        )
        for spec in hs.PRESETS["cifar10"].resolve(width=_WIDTH)
    ]


def _probe() -> hs.SoftmaxProbe:
    return hs.SoftmaxProbe(_PROBE_RATE, optimizer="adam")


def _pass(
    net: hs.SoftHebbNet, probe: hs.SoftmaxProbe, title: str, progress: bool, limit: int | None
) -> tuple[hs.Learner, hs.Report, Scores]:
    right: list[bool] = []
    labels: list[Any] = []

    def note(step: hs.Step) -> None:
        right.append(bool(step.right))
        labels.append(step.sample.y)

    learner = hs.Learner(net, probe, callbacks=[note])
    if progress:
        print(f"{title}:")
    with open_video(CLIP, size=_SIZE, label=clip_label()) as frames:
        report = learner.learn(frames, limit=limit, progress=progress)
    if report.stopped == "interrupted":
        raise KeyboardInterrupt
    names = np.array(labels)
    return learner, report, Scores(np.array(right), np.append(False, names[1:] != names[:-1]))


def _second_half(flags: "np.ndarray[Any, np.dtype[np.bool_]]") -> float:
    return float(flags[len(flags) // 2 :].mean())


def _table(learned: Scores, untrained: Scores, classes: int) -> list[str]:
    repeated, chance = 1 - _second_half(learned.cut), 1 / classes
    return [
        f"prequential accuracy, last {len(learned.right) - len(learned.right) // 2:,} frames    all frames   first frame after a cut",
        f"  learned by hebbstream                   {learned.second_half():6.1%}       {learned.after_cuts():6.1%}",
        f"  the same network, untrained weights     {untrained.second_half():6.1%}       {untrained.after_cuts():6.1%}",
        f"  repeating the last label                {repeated:6.1%}       {0:6.1%}",
        f"  chance                                  {chance:6.1%}       {chance:6.1%}",
    ]


def _norms(net: hs.SoftHebbNet) -> str:
    r1 = " / ".join(f"{fraction:.1%}" for fraction in net.r1_fraction())
    medians = " / ".join(f"{float(layer.norms().median()):.1f}" for layer in net.layers)
    return f"neurons with weight norm 1 (R1), by layer {r1}; median norm {medians} ({_RADIUS:g} at the start)"


def _plot_accuracy(learned: Scores, untrained: Scores, classes: int, path: Path) -> Path:
    figure, (axis,) = new_figure(1, (7.5, 4.0))
    window = min(500, len(learned.right))
    for name, scores, colour in (("learned", learned, "tab:blue"), ("untrained weights", untrained, "tab:gray")):
        smooth = np.convolve(scores.right, np.ones(window) / window, mode="valid")
        axis.plot(np.arange(window, len(scores.right) + 1), smooth, color=colour, label=name)
    axis.axhline(1 / classes, color="black", linestyle=":", label="chance")
    axis.set(
        xlabel="frames seen",
        ylabel=f"prequential accuracy, last {window} frames",
        xlim=(0, len(learned.right)),
        ylim=(0, 1),
    )
    axis.legend(loc="lower right")
    return save_figure(figure, path)


def _export_and_compare(net: hs.SoftHebbNet, probe: hs.SoftmaxProbe, path: Path) -> str:
    to_onnx(net, path, probe)
    frames = clip_frames(_SIZE, _COMPARED_FRAMES)
    try:
        found = verify(path, list(frames), net, probe, seconds=0.2)
    except MissingDependencyError as error:
        return f"ONNX model written, not compared: {error}"
    return (
        f"ONNX Runtime against torch on {found.frames} frames: features differ by at most {found.greatest:.1e} of their"
        f" length, {found.same_label:.1%} have the same label"
    )
