"""The ONNX graph of a network: from pixels to features, scores and probabilities.

It is written out operator by operator, for the operators, their version and their names to be the same whatever
version of torch is installed, and so that writing a model is quick enough to happen while learning goes on.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import Tensor

from hebbstream.export._contract import Contract
from hebbstream.export._fold import FoldedLayer
from hebbstream.export._nodes import Nodes
from hebbstream.export._resampling import resample

# The oldest that has every operator used: CUDA's kernels of ONNX Runtime lag behind (Pad ended at 18 until 2026), and
# what reads newer opsets reads these.
OPSET, IR_VERSION = 17, 8
_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def build_model(
    layers: Sequence[FoldedLayer],
    head: tuple[Tensor, Tensor] | None,
    contract: Contract,
    *,
    resize_to: tuple[int, int] | None = None,
    mirror: bool = False,
    dtype: str = "float32",
) -> onnx.ModelProto:
    """Return the model that keeps a contract.

    Parameters
    ----------
    layers
        First to last.
    head
        (classes, F) and (classes,): the probe's affine map from features to scores.
    contract
        Names, types and shapes of input and outputs.
    resize_to
        (height, width) that frames of any size are scaled to.
    mirror
        As of `SoftHebbNet`.
    dtype
        ``"float32"`` or ``"float16"``: of weights and everything between input and features.
    """
    graph = Nodes()
    layers = list(layers)
    center = _center(layers[0], contract)
    if center is not None:
        layers[0] = layers[0].centred(center)
    x = _read(graph, contract, resize_to, dtype, center)
    if contract.input.dtype == "uint8":
        if dtype == "float16":  # divided by 255, weights would be among the least numbers that it knows
            x = graph.add("Mul", [x, graph.constant("one_255th", np.float32(1 / 255), dtype)], "unit")
        else:
            layers[0] = layers[0].scaled_input(1 / 255)
    if mirror:
        x = _views(graph, x)
    for number, layer in enumerate(layers, start=1):
        x = _layer(graph, x, layer, f"layer{number}", dtype)
    if contract.outputs[0] == "features" and layers[-1].spec.kernel_size is not None:
        x = graph.add("Flatten", [x], "flat", axis=1)
    if mirror:
        x = _mean_of_views(graph, x, dtype)
    # A cast to the same type costs nothing, and gives the output its name.
    graph.add("Cast", [x], contract.outputs[0], to=TensorProto.FLOAT)
    if head is not None:
        weight, bias = graph.constant("probe.weight", head[0].cpu()), graph.constant("probe.bias", head[1].cpu())
        graph.add("Gemm", [contract.outputs[0], weight, bias], "scores", transB=1)
        graph.add("Softmax", ["scores"], "probabilities", axis=1)
    taken, *given = interface(contract)
    return helper.make_model(
        helper.make_graph(graph.nodes, "hebbstream", [taken], given, graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="hebbstream",
        producer_version=contract.hebbstream_version,
    )


def interface(contract: Contract) -> list[onnx.ValueInfoProto]:
    """Return the input and the outputs of the graph that keeps a contract: names, types and shapes."""
    taken = contract.input
    first, *of_probe = contract.outputs
    shapes: dict[str, list[str | int]] = {name: ["batch", len(contract.classes)] for name in of_probe}
    shapes[first] = ["batch", contract.features, *(("map_height", "map_width") if first == "feature_map" else ())]
    return [
        helper.make_tensor_value_info(taken.name, _TYPES[taken.dtype], list(taken.shape)),
        *(helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in contract.outputs),
    ]


def _center(layer: FoldedLayer, contract: Contract) -> Tensor | None:
    """Return what is to be taken off the channels before anything else, (C,); ``None`` of pixels, which lie near 0.

    Within weights and bias it would be the difference of large sums: of a channel that stays at 1,000, with a variance near 0
    and weights that are large for it, rounding would be all that is left.
    """
    taken = contract.input
    low, high = taken.value_range or (-math.inf, math.inf)
    within = taken.dtype == "uint8" or max(-low, high) <= 1
    return None if within else layer.center(taken.channels)


def _read(
    graph: Nodes, contract: Contract, resize_to: tuple[int, int] | None, dtype: str, center: Tensor | None
) -> str:
    """From the input to (N, C, H, W) of `dtype`, of the network's size; `center` is taken off."""
    x = contract.input.name
    if contract.input.layout == "NHWC":
        x = graph.add("Transpose", [x], "channels_first", perm=[0, 3, 1, 2])
    if resize_to is not None:
        if contract.input.dtype != "float32":
            x = graph.add("Cast", [x], "pixels", to=TensorProto.FLOAT)
        x = resample(graph, x, resize_to)
    if center is not None:  # before it is rounded to half precision
        x = graph.add("Sub", [x, graph.constant("center", center.view(1, -1, 1, 1))], "centred")
    if resize_to is not None or contract.input.dtype == "float32":
        return x if dtype == "float32" else graph.add("Cast", [x], "half", to=_TYPES[dtype])
    return graph.add("Cast", [x], "values", to=_TYPES[dtype])


def _layer(graph: Nodes, x: str, layer: FoldedLayer, name: str, dtype: str) -> str:
    spec = layer.spec
    weight = graph.constant(f"{name}.weight", layer.weight, dtype)
    bias = graph.constant(f"{name}.bias", layer.bias, dtype)
    if spec.kernel_size is None:
        x = graph.add("Flatten", [x], f"{name}/flat", axis=1)
        x = graph.add("Gemm", [x, weight, bias], f"{name}/weighted", transB=1)
    else:
        if any(spec.padding):
            pads = graph.constant(f"{name}.pads", [0, 0, *spec.padding] * 2, "int64")
            x = graph.add("Pad", [x, pads], f"{name}/padded", mode="reflect")
        x = graph.add("Conv", [x, weight, bias], f"{name}/weighted", kernel_shape=list(layer.weight.shape[2:]))
    if spec.activation == "softmax":
        # Folded into the weights it would change their rounding, to which the softmax of large sums is sensitive.
        scale = graph.constant(f"{name}.inverse_temperature", np.float32(spec.activation_inverse_temperature), dtype)
        x = graph.add("Mul", [x, scale], f"{name}/scaled")
        x = graph.add("Softmax", [x], f"{name}/softmax", axis=1)
    size, stride, padding = spec.window
    window: dict[str, Any] = {"kernel_shape": [*size], "strides": [*stride], "pads": [*padding] * 2}
    # The greatest of a window stays the greatest, so what never decreases comes after, on fewer values.
    if spec.pool == "max":
        x = graph.add("MaxPool", [x], f"{name}/pooled", **window)
    if spec.activation == "tanh":
        x = graph.add("Tanh", [x], f"{name}/tanh")
    elif spec.activation != "softmax":
        x = graph.add("Relu", [x], f"{name}/relu")
        if spec.activation != "relu" and spec.power != 1.0:
            power = graph.constant(f"{name}.power", np.float32(spec.power), dtype)
            x = graph.add("Pow", [x, power], f"{name}/power")
    if spec.pools_averages:
        x = graph.add("AveragePool", [x], f"{name}/pooled", count_include_pad=1, **window)
    if spec.pool == "time_avg":
        x = graph.add("ReduceMean", [x], f"{name}/over_time", axes=[3], keepdims=1)
    if spec.average_size != 1:
        x = graph.add("AveragePool", [x], f"{name}/averaged", kernel_shape=[*spec.average], strides=[*spec.average])
    return _unit_length(graph, x, name, dtype) if spec.unit_length else x


def _unit_length(graph: Nodes, x: str, name: str, dtype: str) -> str:
    """Scale the outputs of each position to length 1, in float32: in half precision a sum of squares is soon infinite."""
    if dtype != "float32":
        x = graph.add("Cast", [x], f"{name}/single", to=TensorProto.FLOAT)
    length = graph.add("ReduceL2", [x], f"{name}/length", axes=[1], keepdims=1)
    length = graph.add("Max", [length, graph.constant(f"{name}.least", np.float32(1e-12))], f"{name}/divisor")
    x = graph.add("Div", [x, length], f"{name}/unit_length")
    return x if dtype == "float32" else graph.add("Cast", [x], f"{name}/half", to=_TYPES[dtype])


def _views(graph: Nodes, x: str) -> str:
    """Frames and, after them, their mirror images."""
    begin, end = graph.constant("last", [-1], "int64"), graph.constant("before_first", [-(2**31)], "int64")
    axis, step = graph.constant("width_axis", [3], "int64"), graph.constant("backwards", [-1], "int64")
    mirrored = graph.add("Slice", [x, begin, end, axis, step], "mirrored")
    return graph.add("Concat", [x, mirrored], "views", axis=0)


def _mean_of_views(graph: Nodes, x: str, dtype: str) -> str:
    """Features of frames from those of frames and, after them, their mirror images."""
    graph.nodes.append(helper.make_node("Split", [x], ["of_frames", "of_mirrored"], name="by_view", axis=0))
    both = graph.add("Add", ["of_frames", "of_mirrored"], "of_both")
    return graph.add("Mul", [both, graph.constant("one_half", np.float32(0.5), dtype)], "mean_of_both")
