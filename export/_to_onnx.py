"""`to_onnx`: a network, and optionally its probe, as one ONNX file."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import onnx
from torch import Tensor

from hebbstream._files import atomic_write
from hebbstream._version import __version__
from hebbstream.errors import ConfigurationError, PrecisionError
from hebbstream.export._batch import model_batch
from hebbstream.export._contract import Contract, InputType, LayoutName, ModelInput, ModelPrecision, label_in_json
from hebbstream.export._fold import fold
from hebbstream.export._graph import build_model
from hebbstream.export._quantize import quantize
from hebbstream.export._runtime import make_session
from hebbstream.export._seal import seal
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe import OnlineProbe
from hebbstream.probe._solvers import as_online_probe

ERROR_LIMITS: dict[str, float] = {"float32": math.inf, "float16": 0.01, "int8": 0.2}
"""Mean distance of features from those of float32, relative to their length, that an export allows."""

_FRAMES = 200


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
        Mean relative distance of its features from float32's on the frames given; 0 of a float32 model.
    whole_bytes
        Size of the model in float32.
    """

    data: bytes
    contract: Contract
    error: float = 0.0
    whole_bytes: int = 0


class ExportOptions(TypedDict, total=False):
    """The options of `to_onnx`, where they are explained."""

    size: int | tuple[int, int] | None
    input_dtype: InputType
    layout: LayoutName
    resize: bool
    feature_map: bool
    precision: ModelPrecision
    frames: Iterable[Any] | None
    error_limit: float | None


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
        What the network is for, as it reads it: lower precision is calibrated on, and compared with float32 on, the
        first 200.
    error_limit
        Greatest error allowed of lower precision, see `ERROR_LIMITS`, which ``None`` takes; ``math.inf`` allows any.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigurationError
        If the options do not fit together, no size is known, or the probe has seen no label.
    ImageSizeError
        If the size is too small for the network.
    PrecisionError
        If lower precision costs more than `error_limit`. Nothing is written then.
    MissingDependencyError
        If lower precision is wanted without ONNX Runtime.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> path = to_onnx(net, Path(tempfile.mkdtemp()) / "net.onnx", size=32, input_dtype="uint8", layout="NHWC")
    >>> [output.name for output in onnx.load(path).graph.output]
    ['features']
    """
    write_model(net, path, probe, **options)
    return Path(path)


def write_model(net: SoftHebbNet, path: str | Path, probe: Any = None, **options: Unpack[ExportOptions]) -> Exported:
    """Do what `to_onnx` does, and return what was written."""
    with atomic_write(path) as temporary:  # a place that cannot be written to is found out first
        exported = export_model(net, probe, **options)
        temporary.write_bytes(exported.data)
    return exported


def export_model(
    net: SoftHebbNet,
    probe: Any = None,
    *,
    size: int | tuple[int, int] | None = None,
    input_dtype: InputType = "float32",
    layout: LayoutName = "NCHW",
    resize: bool = False,
    feature_map: bool = False,
    precision: ModelPrecision = "float32",
    frames: Iterable[Any] | None = None,
    error_limit: float | None = None,
) -> Exported:
    """Do what `to_onnx` does, but return the model instead of writing it."""
    head = as_online_probe(probe, "model")
    contract, pixels = _promise(net, head, size, input_dtype, layout, resize, feature_map)

    def build(dtype: str) -> onnx.ModelProto:
        return build_model(
            [fold(layer) for layer in net.layers],
            None if head is None else head.affine(),
            contract,
            resize_to=pixels if resize else None,
            mirror=net.mirror,
            dtype=dtype,
        )

    if precision == "float32":
        data = seal(build("float32"), contract)
        return Exported(data, contract, whole_bytes=len(data))
    if precision not in ERROR_LIMITS:
        raise ConfigurationError(f"precision={precision!r}: expected one of {', '.join(map(repr, ERROR_LIMITS))}")
    if frames is None:
        raise ConfigurationError(f"precision={precision!r} without frames: expected some to compare it with float32 on")
    batches = [model_batch(frame, contract.input, single=True) for frame in islice(frames, _FRAMES)]
    if not batches:
        raise ConfigurationError("frames=[]: expected at least one")
    reference = build("float32")
    lower = build("float16") if precision == "float16" else quantize(reference, batches, contract.input.name)
    lower_contract = replace(contract, precision=precision)
    data, whole = seal(lower, lower_contract), seal(reference, contract)
    error = _mean_distance(data, whole, batches, contract)
    limit = ERROR_LIMITS[precision] if error_limit is None else error_limit
    if not error <= limit:
        raise PrecisionError(
            f"precision={precision!r}: features differ from float32's by {error:.1%} on {len(batches)} frames,"
            f" expected at most {limit:.1%} (error_limit allows more)"
        )
    return Exported(data, lower_contract, error, len(whole))


def _promise(
    net: SoftHebbNet,
    probe: OnlineProbe | None,
    size: int | tuple[int, int] | None,
    input_dtype: InputType,
    layout: LayoutName,
    resize: bool,
    feature_map: bool,
) -> tuple[Contract, tuple[int, int]]:
    """Return the contract that the options ask for, and the (height, width) that the layers see."""
    for name, value, allowed in (
        ("input_dtype", input_dtype, ("float32", "uint8")),
        ("layout", layout, ("NCHW", "NHWC")),
    ):
        if value not in allowed:
            raise ConfigurationError(f"{name}={value!r}: expected {allowed[0]!r} or {allowed[1]!r}")
    if input_dtype == "uint8" and net.input_range != (0.0, 1.0):
        raise ConfigurationError(f"uint8 for a network of input_range={net.input_range}: expected (0.0, 1.0)")
    height, width = (size, size) if isinstance(size, int) else size or net.frame_size or (0, 0)
    if not (height or feature_map):
        raise ConfigurationError("size=None: expected a size, as this network has not learned from a frame yet")
    if probe is not None and not probe.classes:
        raise ConfigurationError("probe without classes: expected one that has learned from a label")
    if feature_map and (probe is not None or resize or net.layers[-1].spec.kernel_size is None):
        what = "a probe" if probe is not None else "resize" if resize else "a dense layer"
        raise ConfigurationError(f"feature_map=True with {what}: expected convolutions alone, on frames as they come")
    any_size = resize or feature_map
    features = net.layers[-1].spec.channels if feature_map else math.prod(net.output_shape(height, width))
    if probe is not None and probe.n_features != features:
        raise ConfigurationError(
            f"a probe of {probe.n_features} features: expected {features}, of frames of {height}×{width} pixels"
        )
    contract = Contract(
        input=ModelInput(
            dtype=input_dtype,
            layout=layout,
            channels=net.in_channels,
            height=None if any_size else height,
            width=None if any_size else width,
            value_range=net.input_range,
        ),
        features=features,
        outputs=("feature_map",)
        if feature_map
        else ("features", *(() if probe is None else ("scores", "probabilities"))),
        classes=() if probe is None else tuple(label_in_json(label) for label in probe.classes),
        min_confidence=0.0 if probe is None else probe.min_confidence,
        preset=net.preset,
        layers=tuple(layer.spec.channels for layer in net.layers),
        samples_seen=net.samples_seen,
        hebbstream_version=__version__,
    )
    return contract, (height, width)


def _mean_distance(data: bytes, reference: bytes, batches: list[Tensor], contract: Contract) -> float:
    """Return the mean over frames of ‖f − g‖/‖g‖, infinite where a feature is no number."""
    sessions = [make_session(model, providers=["CPUExecutionProvider"]) for model in (data, reference)]
    total = 0.0
    for batch in batches:
        values = batch.cpu().numpy()
        found, expected = (
            s.run([contract.outputs[0]], {contract.input.name: values})[0].ravel().astype(np.float64) for s in sessions
        )
        length = float(np.linalg.norm(expected))
        with np.errstate(invalid="ignore"):  # the difference of infinities
            total += float(np.linalg.norm(found - expected)) / length if length else 0.0
    return total / len(batches) if math.isfinite(total) else math.inf
