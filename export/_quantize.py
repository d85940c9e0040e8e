"""Eight-bit weights and activations, calibrated on real frames."""

import logging
import tempfile
from collections.abc import Iterable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import onnx
from torch import Tensor

from hebbstream.errors import MissingDependencyError

_WARNINGS, _ERRORS = 2, 3  # ONNX Runtime's levels; the first is its default


def quantize(model: onnx.ModelProto, batches: Iterable[Tensor], input_name: str) -> onnx.ModelProto:
    """Return a float32 model with its layers in 8 bits, by ONNX Runtime's static quantisation; the probe stays as it is.

    Weights have one scale a neuron, activations one a layer. Weights are signed and take 7 of the 8 bits: without VNNI a
    processor adds two neighbouring products in 16 bits, which full ones overflow. Unsigned weights of 8 bits halve the
    distance from float32, but on CIFAR-10 were no more accurate, and a third slower (docs/deploy.md).

    Parameters
    ----------
    model
        Is left as it is.
    batches
        What the model is to read; ranges of activations are those met here.
    input_name
        Of its input.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
        from onnxruntime import quantization
    except ImportError:
        raise MissingDependencyError(
            "int8 needs ONNX Runtime: pip install 'hebbstream[cpu]', or 'hebbstream[gpu]' beside an NVIDIA driver"
        ) from None

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # untyped package
        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self._batches, None)
            return None if batch is None else {input_name: batch.cpu().numpy()}

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # it advises, on the root logger, a clean-up that our graphs do not need
    onnxruntime.set_default_logger_severity(_ERRORS)  # and warns of what it added itself
    try:
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
            path = Path(folder) / "int8.onnx"
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            quantization.quantize_static(
                copy,
                path,
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=["Conv", "Gemm"],
                nodes_to_exclude=["scores"],
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                reduce_range=True,
            )
            return onnx.load(path)
    finally:
        root.setLevel(level)
        onnxruntime.set_default_logger_severity(_WARNINGS)
