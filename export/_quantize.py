"""Eight-bit weights and activations, calibrated on real frames."""

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
from torch import Tensor

from hebbstream.errors import OutputError
from hebbstream.export._runtime import import_runtime

_WARNINGS, _ERRORS = 2, 3  # ONNX Runtime's levels; the first is its default


def quantize(
    model: onnx.ModelProto, batches: Iterable[Tensor], input_name: str, in_float32: Sequence[str] = ()
) -> onnx.ModelProto:
    """Return a float32 model with its layers in 8 bits, by ONNX Runtime's static quantisation; the probe stays as it is.

    Weights have one scale a neuron, activations one a layer. Weights are signed and take 7 of the 8 bits: without VNNI a
    processor adds two neighbouring products in 16 bits, which full ones overflow. Unsigned weights of 8 bits halve the
    distance from float32, but on CIFAR-10 were no more accurate, and a third slower (docs/evidence/deploy.md).

    Parameters
    ----------
    model
        Is left as it is.
    batches
        What the model is to read; ranges of activations are those met here.
    input_name
        Of its input.
    in_float32
        Names of further nodes that stay as they are.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    OutputError
        If the folder for temporary files cannot be written to.
    """
    onnxruntime = import_runtime()
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # untyped package
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self._batches, None)
            return None if batch is None else {input_name: batch.cpu().numpy()}

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        with tempfile.TemporaryDirectory() as folder, _quiet(onnxruntime):
            path = Path(folder) / "int8.onnx"
            quantization.quantize_static(
                copy,
                path,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Gemm"],
                nodes_to_exclude=["scores", *in_float32],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                reduce_range=True,
            )
            quantized = onnx.load(path)
    except OSError as error:
        folder = tempfile.tempdir or "the folder for temporary files"  # not `gettempdir`, which fails if there is none
        raise OutputError(f"cannot write to {folder}, where int8 models are made: {error.strerror or error}") from error
    del quantized.graph.output[:]
    quantized.graph.output.extend(model.graph.output)  # it writes sizes there that it has inferred
    return quantized


@contextmanager
def _quiet(onnxruntime: Any) -> Iterator[None]:
    """Silence what ONNX Runtime prints, what it advises on the root logger, and its warnings of what it added itself."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    onnxruntime.set_default_logger_severity(_ERRORS)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        root.setLevel(level)
        onnxruntime.set_default_logger_severity(_WARNINGS)
