"""`to_onnx`: a network, and optionally its probe, as one ONNX file."""

import math
import statistics
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from torch import Tensor

from hebbstream._files import atomic_write, check_writable, expanded_path
from hebbstream._quote import digits
from hebbstream.errors import ConfigurationError, PrecisionError
from hebbstream.export._batch import model_batch
from hebbstream.export._contract import Contract
from hebbstream.export._fold import fold
from hebbstream.export._options import FRAMES, ExportOptions, Options, contract_of
from hebbstream.export._runtime import make_session
from hebbstream.learning._arguments import check_net, checked_stream
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe._solvers import as_online_probe
from hebbstream.streams._sample import Sample

_CONTRAST = 1 / 32  # of the range of values


@dataclass(frozen=True, slots=True)
class Exported:
    """A model, before it is written.

    Parameters
    ----------
    data
        The file's bytes.
    contract
        What it promises.
    error
        Mean relative distance of its features from float32's on the frames given; 0 of a float32 model, and NaN where
        there were no frames.
    whole_bytes
        Size of the model in float32.
    """

    data: bytes
    contract: Contract
    error: float = 0.0
    whole_bytes: int = 0


def to_onnx(net: SoftHebbNet, path: str | Path, probe: Any = None, **options: Unpack[ExportOptions]) -> Path:
    """Write an ONNX model of the network as it is now; the network itself is untouched and may go on learning.

    The model takes ``frames``, (N, C, H, W) or (N, H, W, C) with any N, and gives ``features`` (N, F), and with a probe
    ``scores`` and ``probabilities`` (N, classes). Normalisation, scaling of pixels, the probe's standardisation and its
    projection are folded into the weights. Its metadata names the library's version, the preset, the number of samples
    seen, the classes, what it reads, and a checksum.

    Parameters
    ----------
    net
        The network.
    path
        File to write, atomically.
    probe
        `OnlineProbe` of any solver, or anything that holds one (``LinearProbe``).
    size
        (height, width) of the frames, or one number for both; ``None`` takes that of the last frame learned.
    input_dtype
        ``"float32"``, in the network's `input_range`, or ``"uint8"``, pixels as a camera gives them.
    layout
        ``"NCHW"`` or ``"NHWC"``.
    resize
        Read frames of any size and scale them to `size` in the graph, bilinearly, smoothed where they shrink (as
        ``torch.nn.functional.interpolate(..., mode="bilinear", antialias=True)``).
    feature_map
        Give ``feature_map`` (N, K, H', W') of frames of any size instead of features; there is no probe then.
    precision
        ``"float32"``, ``"float16"`` (half the size; for GPUs) or ``"int8"`` (a quarter; the quickest on a CPU).
        Input, output and probe are float32 in any case.
    frames
        What the network is for, as it reads it, or samples of that: lower precision is calibrated on, and compared with
        float32 on, the first 200. float16 needs none where any error is allowed; int8 refuses nearly constant ones unless it is.
    error_limit
        Greatest error allowed of lower precision, see `ERROR_LIMITS`, which ``None`` takes; ``math.inf`` allows any.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigurationError
        If the options do not fit together, no size is known, learning has diverged, the probe has seen no label, or two of
        its labels would be the same in a model.
    ImageSizeError
        If the size is too small for the network.
    PrecisionError
        If lower precision costs more than `error_limit`. Nothing is written then.
    MissingDependencyError
        If lower precision is wanted without ONNX Runtime.
    OutputError
        If the file cannot be written, or in int8 those that are made on the way.

    Examples
    --------
    >>> import tempfile
    >>> import onnx
    >>> from hebbstream import SoftHebbNet
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> path = to_onnx(net, f"{tempfile.mkdtemp()}/net.onnx", size=32, input_dtype="uint8", layout="NHWC")
    >>> [output.name for output in onnx.load(path).graph.output]
    ['features']
    """
    write_model(net, path, probe, **options)
    return expanded_path(path)


def write_model(net: SoftHebbNet, path: str | Path, probe: Any = None, **options: Unpack[ExportOptions]) -> Exported:
    """Do what `to_onnx` does, and return what was written."""
    path = expanded_path(path)
    # Before a long export, and not around it: an `OSError` of reading `frames` is none of `path`.
    check_writable(path)
    exported = export_model(net, probe, **options)
    with atomic_write(path) as temporary:
        temporary.write_bytes(exported.data)
    return exported


def export_model(net: SoftHebbNet, probe: Any = None, **options: Unpack[ExportOptions]) -> Exported:
    """Do what `to_onnx` does, but return the model instead of writing it."""
    return make_model(net, probe, Options(**options))


def make_model(net: SoftHebbNet, probe: Any, options: Options) -> Exported:
    """Do what `export_model` does, with options that were checked."""
    from hebbstream.export._graph import build_model  # with onnx, which takes long
    from hebbstream.export._quantize import quantize
    from hebbstream.export._seal import seal

    check_net(net)
    head = as_online_probe(probe, "model")
    with ExitStack() as held:  # other threads may let them learn
        held.enter_context(net._between_steps("export"))
        if head is not None:
            held.enter_context(head._turns.lock)
        net.check_finite()
        contract, pixels = contract_of(net, head, options)
        layers = [fold(layer) for layer in net.layers]
        affine = None if head is None else head.affine()
    build = partial(
        build_model, layers, affine, contract, resize_to=pixels if options.resize else None, mirror=net.mirror
    )
    if options.precision == "float32":
        data = seal(build(), contract)
        return Exported(data, contract, whole_bytes=len(data))
    batches = _batches(options, contract)
    reference = build()
    if options.precision == "float16":
        lower = build(dtype="float16")
    else:
        lower = quantize(reference, batches, contract.input.name, _kept_in_float32(net))
    lower_contract = replace(contract, precision=options.precision)
    data, whole = seal(lower, lower_contract), seal(reference, contract)
    error = _mean_distance(data, whole, batches, contract) if batches else math.nan
    if error > options.limit:
        found = digits(100 * error, 100 * options.limit)
        raise PrecisionError(
            f"precision={options.precision!r}: features differ from float32's by {found}% on {len(batches)} frames,"
            f" expected at most {100 * options.limit:.15g}% (error_limit allows more)"
        )
    return Exported(data, lower_contract, error, len(whole))


def _kept_in_float32(net: SoftHebbNet) -> list[str]:
    """Return the nodes that eight bits would distort most: a first layer that whitens, where there are others.

    It reads what channels or neighbours have in common, and takes it out again: large weights that nearly cancel each other.
    """
    first, *others = net.layers
    return ["layer1/weighted"] if others and first.spec.normalization.startswith("whiten") else []


def _batches(options: Options, contract: Contract) -> list[Tensor]:
    """Return the frames on which lower precision is measured, each as a batch of one; none where it needs none."""
    if options.frames is None:
        if not options.needs_frames:
            return []
        purpose = "calibrate it" if options.precision == "int8" else "compare it with float32"
        raise ConfigurationError(f"precision={options.precision!r} without frames: expected some to {purpose} on")
    frames = (Sample.of(item).x for item in islice(checked_stream(options.frames), FRAMES))
    batches = [model_batch(frame, contract.input, single=True) for frame in frames]
    if not batches:
        raise ConfigurationError("frames=[]: expected at least one")
    if options.precision == "int8" and options.limit < math.inf:
        _check_contrast(batches, contract)
    return batches


def _check_contrast(batches: list[Tensor], contract: Contract) -> None:
    """Refuse frames such as those of a covered lens: their own error is small, that of ordinary ones beyond all use."""
    low, high = min(float(batch.min()) for batch in batches), max(float(batch.max()) for batch in batches)
    least, most = contract.input.value_range or (0.0, 0.0)
    if high - low <= _CONTRAST * (most - least):
        raise ConfigurationError(
            f"precision='int8' with frames of values from {low:.4g} to {high:.4g}: expected more contrast to calibrate it on"
            " (error_limit=inf takes any)"
        )


def _mean_distance(data: bytes, reference: bytes, batches: list[Tensor], contract: Contract) -> float:
    """Return the mean over frames of features' `distance` from the reference's."""
    sessions = [make_session(model, providers=["CPUExecutionProvider"]) for model in (data, reference)]
    return statistics.fmean(
        distance(*(s.run([contract.outputs[0]], {contract.input.name: batch.cpu().numpy()})[0] for s in sessions))
        for batch in batches
    )


def distance(found: Any, expected: Any) -> float:
    """Return ‖f − g‖/‖g‖; infinite where a feature is no number, or where only those expected are all 0.

    Examples
    --------
    >>> distance([3.0, 5.0], [3.0, 4.0]), distance([1.0], [0.0]), distance([0.0], [0.0])
    (0.2, inf, 0.0)
    """
    f, g = (np.ravel(features).astype(np.float64) for features in (found, expected))
    with np.errstate(invalid="ignore"):  # the difference of infinities
        difference, length = float(np.linalg.norm(f - g)), float(np.linalg.norm(g))
    if not difference:
        return 0.0
    return difference / length if length and math.isfinite(difference) else math.inf
