"""`verify`: whether a model is whole, computes what the network computes, where it runs and how fast."""

import math
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hebbstream._numbers import quantity
from hebbstream._quote import first_line, printable, quote
from hebbstream.errors import ConfigurationError, CorruptModelError
from hebbstream.export._contract import Contract, label_in_json
from hebbstream.export._extractor import OnnxExtractor
from hebbstream.export._runtime import make_session
from hebbstream.export._to_onnx import distance
from hebbstream.learning._arguments import check_net, checked_stream
from hebbstream.network._frames import stacked
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe._solvers import as_online_probe
from hebbstream.streams._sample import Sample

BATCHES = (1, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long a batch takes.

    Parameters
    ----------
    batch
        Frames in it.
    model, network
        Median seconds of ONNX Runtime and of torch; the latter ``None`` without a network.
    """

    batch: int
    model: float
    network: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What `verify` found; ``print`` shows it in a few lines.

    Parameters
    ----------
    contract
        What the model says of itself.
    file_bytes
        Size of the file.
    opset
        Version of its operators.
    placement
        Number of nodes on each execution provider, after ONNX Runtime's optimisation.
    frames
        Compared with torch.
    greatest, mean
        Distance of features from torch's on a frame, relative to their length, greatest and mean over frames;
        ``None`` without a network.
    same_label
        Share of frames with the same likeliest class as the probe's; ``None`` without a probe.
    timings
        For batches of 1 and 16.

    Examples
    --------
    >>> import tempfile
    >>> import hebbstream as hs
    >>> from hebbstream.export import to_onnx
    >>> path = to_onnx(hs.SoftHebbNet.from_preset("mnist", width=4), f"{tempfile.mkdtemp()}/net.onnx", size=28)
    >>> found = verify(path, torch.rand(2, 1, 28, 28), seconds=0.01)
    >>> found.contract.features, found.greatest  # without a network, nothing is compared
    (576, None)
    """

    contract: Contract
    file_bytes: int
    opset: int
    placement: dict[str, int]
    frames: int = 0
    greatest: float | None = None
    mean: float | None = None
    same_label: float | None = None
    timings: tuple[Timing, ...] = ()

    def __str__(self) -> str:
        contract = self.contract
        where = ", ".join(f"{count} nodes on {name}" for name, count in self.placement.items())
        lines = [
            f"model       {contract.precision}, {self.file_bytes / 1e6:.3g} MB, opset {self.opset}, whole;"
            f" from hebbstream {printable(contract.hebbstream_version)} after {contract.samples_seen:,} samples",
            f"reads       {contract.properties()['input']}",
            f"gives       {', '.join(contract.outputs)} ({contract.features:,} features, {len(contract.classes)} classes)",
            f"runs        {where}",
        ]
        if self.greatest is not None and self.mean is not None:
            lines.append(
                f"agreement   with torch on {self.frames} frames: features differ by {self.mean:.1e} of their length"
                f" (greatest {self.greatest:.1e})"
                + ("" if self.same_label is None else f", {self.same_label:.1%} have the same label")
            )
        for timing in self.timings:
            line = f"batch {timing.batch:<5} {1e3 * timing.model:8.2f} ms, {timing.batch / timing.model:8.0f} frames a second"
            if timing.network is not None:
                line += f"; torch {1e3 * timing.network:8.2f} ms, {timing.network / timing.model:.2f} times as long"
            lines.append(line)
        return "\n".join(lines)


def verify(
    model: str | Path,
    frames: Iterable[Any],
    net: SoftHebbNet | None = None,
    probe: Any = None,
    *,
    providers: Sequence[str] | None = None,
    seconds: float = 1.0,
) -> Verification:
    """Check a model's file, compare it with the network that it was made from, and time both.

    Parameters
    ----------
    model
        File that `to_onnx` wrote.
    frames
        Real ones, or samples of them, all of one size, as the model and the network read them; the network's own where the
        model scales them.
    net, probe
        What it was made from, to compare with; ``None`` checks and times the model alone.
    providers
        As of `OnnxExtractor`.
    seconds
        Of timing for each batch size and runtime.

    Raises
    ------
    ModelNotFoundError, CorruptModelError
        If there is no model, or it is damaged or not ours.
    ConfigurationError
        If there are no frames, `seconds` is not a finite number above 0, the network has learned on since the model was made, or makes
        another number of features.
    InputError
        If the frames are not what the model reads, or of several sizes.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from hebbstream import SoftHebbNet
    >>> from hebbstream.export import to_onnx
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> frames = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    >>> path = to_onnx(net, f"{tempfile.mkdtemp()}/net.onnx", size=32)
    >>> found = verify(path, frames, net, seconds=0.01)
    >>> found.frames, found.greatest < 1e-4
    (3, True)
    """
    import onnx  # it takes long

    from hebbstream.export._seal import read_model

    data, contract = read_model(model)
    if not 0 < quantity(seconds) < math.inf:
        raise ConfigurationError(f"seconds={quote(seconds)}: expected a finite number above 0")
    if net is not None:
        check_net(net)
    frames = [Sample.of(item).x for item in checked_stream(frames)]
    if not frames:
        raise ConfigurationError("frames=[]: expected at least one to run the model on")
    if net is not None and net.samples_seen != contract.samples_seen:
        raise ConfigurationError(
            f"a model made after {contract.samples_seen} samples and a network that has learned {net.samples_seen}:"
            " expected as many"
        )
    parsed = onnx.load_model_from_string(data)
    try:
        onnx.checker.check_model(parsed, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise CorruptModelError(f"{model}: a model that computes nothing ({first_line(error)})") from error
    extractor = OnnxExtractor(data, providers)
    found = Verification(
        contract=contract,
        file_bytes=len(data),
        opset=parsed.opset_import[0].version,
        placement=_placement(data, providers),
    )
    together = stacked(frames)
    batch = np.asarray(together.cpu() if isinstance(together, torch.Tensor) else together)
    if net is not None:
        found = _compared(found, extractor, batch, net, probe)
    return replace(found, timings=_timings(extractor, net, batch, seconds))


def _compared(
    found: Verification, extractor: OnnxExtractor, frames: np.ndarray[Any, Any], net: SoftHebbNet, probe: Any
) -> Verification:
    """Add how far the model is from the network."""
    expected = torch.stack([net.transform_one(frame) for frame in frames]).cpu()
    features = np.stack([np.ravel(extractor.transform_one(frame)) for frame in frames])
    if features.shape != expected.shape:
        raise ConfigurationError(
            f"a model that makes {features.shape[1]} features of a frame and a network that makes {expected.shape[1]}:"
            " expected the network that it was made from, and frames of its size"
        )
    distances = [distance(*pair) for pair in zip(features, expected.numpy(), strict=True)]
    same_label = None
    probe = as_online_probe(probe, "verify")
    if probe is not None and probe.classes and found.contract.classes:
        labels, others = list(found.contract.classes), [label_in_json(label) for label in probe.classes]
        guesses = np.asarray(extractor.predict_proba_many(frames)).argmax(axis=1)
        theirs = probe.predict_proba_many(expected).argmax(dim=1).tolist()
        # By name, not by number: another probe's classes may be others, or in another order.
        same_label = statistics.fmean(labels[ours] == others[its] for ours, its in zip(guesses, theirs, strict=True))
    return replace(
        found,
        frames=len(frames),
        greatest=max(distances),
        mean=statistics.fmean(distances),
        same_label=same_label,
    )


def _timings(
    extractor: OnnxExtractor, net: SoftHebbNet | None, frames: np.ndarray[Any, Any], seconds: float
) -> tuple[Timing, ...]:
    taken = extractor.contract.input
    comparable = net is not None and extractor.contract.outputs[0] == "features" and taken.width is not None
    timings = []
    for size in BATCHES:
        batch = np.resize(frames, (size, *frames.shape[1:]))
        timings.append(
            Timing(
                batch=size,
                model=median_seconds(partial(extractor.transform_many, batch), seconds),
                network=median_seconds(partial(net.transform_many, batch), seconds, net.device)
                if net and comparable
                else None,
            )
        )
    return tuple(timings)


def median_seconds(
    run: Callable[[], Any], seconds: float, device: str | torch.device = "cpu", *, warm_up: int = 1
) -> float:
    """Return the median of what some calls take, timed for so many seconds; each ends when its device is done.

    Examples
    --------
    >>> median_seconds(lambda: time.sleep(0.01), 0.05) >= 0.01
    True
    """

    def finish() -> None:
        run()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(warm_up):
        finish()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        began = time.perf_counter()
        finish()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _placement(data: bytes, providers: Sequence[str] | None) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for part in make_session(data, providers=providers, placement=True).get_provider_graph_assignment_info():
        counted[part.ep_name] += len(part.get_nodes())
    return dict(counted)
