"""Models as bytes: the description and checksum inside them, and what is refused when one is read."""

import hashlib
import json
import os
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]  # a dependency of onnx
from onnx import TensorProto

from hebbstream._files import expanded_path
from hebbstream._quote import first_line
from hebbstream.errors import ConfigurationError, CorruptModelError, ModelNotFoundError
from hebbstream.export._contract import Contract
from hebbstream.export._graph import interface

# ONNX Runtime has a CUDA kernel for each of these, in the versions of our opsets and for the types used, by its own list (docs/guides/deploy.md).
_LINEAR = ("Conv", "Gemm", "Add", "Mul", "QuantizeLinear", "DequantizeLinear")
_POINTWISE = ("Cast", "Pow", "Relu", "Softmax", "Tanh")
_SPATIAL = ("AveragePool", "Concat", "Flatten", "MaxPool", "Pad", "Slice", "Split", "Transpose")
_RESAMPLING = ("Abs", "Div", "Gather", "MatMul", "Max", "Range", "ReduceMean", "ReduceSum", "Shape", "Sub")
_SCALING = ("ReduceL2",)  # with two of the above
OPERATORS = frozenset((*_LINEAR, *_POINTWISE, *_SPATIAL, *_RESAMPLING, *_SCALING))
"""Every operator that a model of ours may hold."""

_CHECKSUM = "checksum"
_LARGEST = 2**31 - 1  # bytes of a protobuf message


def seal(model: onnx.ModelProto, contract: Contract) -> bytes:
    """Write a description and a checksum into a model, check it, and return it as bytes.

    Raises
    ------
    ConfigurationError
        If it is larger than a single file of ONNX can be.
    """
    del model.metadata_props[:]
    if model.ByteSize() > _LARGEST:
        raise ConfigurationError(
            f"a model of {model.ByteSize() / 1e9:.1f} GB: expected less than 2.1, the most that one ONNX file holds;"
            " precision='float16' halves it"
        )
    onnx.helper.set_model_props(model, contract.properties())
    model.metadata_props.add(key=_CHECKSUM, value=_checksum(model))
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


def read_model(path: str | Path) -> tuple[bytes, Contract]:
    """Read a model that `to_onnx` wrote, and nothing else.

    Raises
    ------
    ModelNotFoundError
        If there is no file.
    CorruptModelError
        If it is damaged, of other origin, or keeps anything in another file.
    """
    path = expanded_path(path)
    if not os.path.isfile(path):  # noqa: PTH113  # `Path.is_file` raises for a name that is too long
        raise ModelNotFoundError(f"no model at {path}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CorruptModelError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        return data, unseal(data)
    except CorruptModelError as error:
        if path.suffix == ".json":
            raise CorruptModelError(f"{path}: a manifest, it seems: expected the model that it names") from error
        raise CorruptModelError(f"{path}: {error}") from error


def unseal(data: bytes) -> Contract:
    """Check a model and return its description.

    Raises
    ------
    CorruptModelError
        If it is damaged, of other origin, or keeps anything in another file.
    """
    try:
        model = onnx.ModelProto.FromString(data)
        properties = {entry.key: entry.value for entry in model.metadata_props}
        contract = Contract.from_properties(properties)
        if properties.get(_CHECKSUM) != _checksum(model):
            raise CorruptModelError("a damaged model (its checksum does not match its contents)")
        _check_graph(model, contract)
    except (DecodeError, EncodeError, ValueError, TypeError) as error:  # a text that is no UTF-8 comes as bytes
        if isinstance(error, CorruptModelError):
            raise
        raise CorruptModelError(f"damaged, or no ONNX model ({first_line(error)})") from error
    return contract


def _check_graph(model: onnx.ModelProto, contract: Contract) -> None:
    """Refuse what our models never hold: a checksum says that a file is whole, not that we wrote it."""
    graph = model.graph
    names = [name for node in graph.node for name in (node.name, *node.input, *node.output)]
    for name in (*names, *(tensor.name for tensor in graph.initializer)):
        if not name.isprintable():  # ONNX Runtime writes names to the terminal
            raise CorruptModelError(f"a model with the name {name!r}, which ours never have")
    for tensor in graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            raise CorruptModelError(f"a model with weights in another file ({tensor.name}): expected all in one")
    for node in graph.node:
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise CorruptModelError(f"a model with the operator {node.domain}:{node.op_type}, which ours never have")
        if any(attribute.type not in _PLAIN for attribute in node.attribute):
            raise CorruptModelError(f"a model with a tensor or graph inside {node.name!r}, which ours never have")
    if graph.sparse_initializer or model.functions or model.training_info:
        raise CorruptModelError("a model with functions, sparse weights or training, which ours never have")
    if [*graph.input, *graph.output] != interface(contract):
        raise CorruptModelError(
            f"a model whose inputs and outputs are not what its description says: expected {contract.input},"
            f" to {', '.join(contract.outputs)}, {contract.features} features and {len(contract.classes)} classes"
        )


_PLAIN = frozenset(
    getattr(onnx.AttributeProto, kind) for kind in ("INT", "INTS", "FLOAT", "FLOATS", "STRING", "STRINGS")
)


def _checksum(model: onnx.ModelProto) -> str:
    """Return the SHA-256 of all that a runtime or a reader goes by."""
    said = sorted((entry.key, entry.value) for entry in model.metadata_props if entry.key != _CHECKSUM)
    versions = model.ir_version, [(opset.domain, opset.version) for opset in model.opset_import]
    digest = hashlib.sha256(json.dumps([said, versions]).encode())
    digest.update(model.graph.SerializeToString(deterministic=True))
    return digest.hexdigest()
