"""`hebbstream demo`: learn from the bundled clip and show every result."""

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_frames, clip_label
from hebbstream.errors import MissingDependencyError
from hebbstream.export import to_onnx, verify
from hebbstream.inspection import plot_receptive_fields
from hebbstream.inspection._canvas import new_figure, save_figure
from hebbstream.learning._callback import Step
from hebbstream.learning._checkpoint import save_checkpoint
from hebbstream.learning._learner import learn
from hebbstream.learning._report import Report
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._presets import get_preset
from hebbstream.network._spec import LayerSpec
from hebbstream.probe import SoftmaxProbe

_SIZE, _WIDTH, _PROBE_RATE = 32, 32, 3e-4
# The clip lasts minutes, the published rates assume 50,000 pictures: start nearer to the goal, take larger steps, and
# let them end after a while (appendix A.2), so that the probe then stands on firm ground.
_RADIUS, _RATE_SCALE, _DECAY_SAMPLES, _MOMENTUM = 3.0, 5.0, 2000, 0.001
_COMPARED_FRAMES = 100


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
        Of the network.
    progress
        Whether to show progress bars.
    limit
        Most frames to learn from.

    Returns
    -------
    list of str
        The report, line by line.
    """
    folder = Path(folder)
    started = time.perf_counter()
    new_figure(1, (1, 1))  # a missing matplotlib is better told now than after a minute
    specs = _specs()
    net, before = SoftHebbNet(specs, 3, seed=seed), SoftHebbNet(specs, 3, seed=seed)
    probe = SoftmaxProbe(_PROBE_RATE, optimizer="adam")
    report, learned = _pass(net, probe, "learning", progress, limit)
    frozen = [replace(spec, learning_rate=0.0) for spec in specs]
    _, untrained = _pass(
        SoftHebbNet(frozen, 3, seed=seed), SoftmaxProbe(_PROBE_RATE, optimizer="adam"), "untrained", progress, limit
    )

    checkpoint = folder / "demo.safetensors"
    save_checkpoint(checkpoint, net, probe, report.counters)
    fields = plot_receptive_fields([("before", before), ("after", net)], folder / "receptive-fields.png")
    curve = _plot_accuracy(learned, untrained, len(probe.classes), folder / "accuracy.png")
    onnx_lines = _export_and_compare(net, probe, folder / "demo.onnx")
    r1 = " / ".join(f"{fraction:.1%}" for fraction in report.r1_fraction)
    norms = " / ".join(f"{float(layer.norms().median()):.1f}" for layer in net.layers)
    return [
        f"{report.samples:,} frames, {len(probe.classes)} photographs, one pass, one frame at a time, all layers at once",
        "",
        f"prequential accuracy, last {len(learned.right) - len(learned.right) // 2:,} frames    all frames   first frame after a cut",
        f"  learned by hebbstream                   {learned.second_half():6.1%}       {learned.after_cuts():6.1%}",
        f"  the same network, untrained weights     {untrained.second_half():6.1%}       {untrained.after_cuts():6.1%}",
        f"  repeating the last label                {1 - _second_half(learned.cut):6.1%}       {0:6.1%}",
        f"  chance                                  {1 / len(probe.classes):6.1%}       {1 / len(probe.classes):6.1%}",
        "",
        f"neurons with weight norm 1 (R1), by layer {r1}; median norm {norms} ({_RADIUS:g} at the start)",
        f"speed {report.samples_per_second:.0f} frames a second, decoding, learning and probe included",
        *onnx_lines,
        f"{time.perf_counter() - started:.0f} s in all",
        "",
        f"  {fields}    first-layer weights before and after",
        f"  {curve}            accuracy over the stream",
        f"  {checkpoint}    network and probe, to go on from",
        f"  {folder / 'demo.onnx'}               feature extractor and classifier",
    ]


def _specs() -> list[LayerSpec]:
    return [
        replace(
            spec,
            learning_rate=_RATE_SCALE * spec.learning_rate,
            radius=_RADIUS,
            decay_samples=_DECAY_SAMPLES,
            momentum=_MOMENTUM,
        )
        for spec in get_preset("cifar10").resolve(width=_WIDTH)
    ]


def _pass(
    net: SoftHebbNet, probe: SoftmaxProbe, title: str, progress: bool, limit: int | None
) -> tuple[Report, Scores]:
    right: list[bool] = []
    labels: list[Any] = []

    def note(step: Step) -> None:
        right.append(step.prediction == step.sample.y)
        labels.append(step.sample.y)

    if progress:
        print(f"{title}:")
    with open_video(CLIP, size=_SIZE, label=clip_label()) as frames:
        report = learn(net, frames, probe, limit=limit, callbacks=[note], progress=progress)
    if report.stopped == "interrupted":
        raise KeyboardInterrupt
    names = np.array(labels)
    return report, Scores(np.array(right), np.append(False, names[1:] != names[:-1]))


def _second_half(flags: "np.ndarray[Any, np.dtype[np.bool_]]") -> float:
    return float(flags[len(flags) // 2 :].mean())


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


def _export_and_compare(net: SoftHebbNet, probe: SoftmaxProbe, path: Path) -> list[str]:
    to_onnx(net, path, probe)
    frames = clip_frames(_SIZE, _COMPARED_FRAMES)
    try:
        found = verify(path, list(frames), net, probe, seconds=0.2)
    except MissingDependencyError as error:
        return [f"ONNX model written, not compared: {error}"]
    return [
        f"ONNX Runtime against torch on {found.frames} frames: features differ by at most {found.greatest:.1e} of their"
        f" length, {found.same_label:.1%} have the same label"
    ]
