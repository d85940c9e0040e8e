"""Scaling of pictures as matrix products, for every engine to compute the same.

ONNX's own Resize smooths what it shrinks only where an engine implements that: OpenVINO 2026.4 leaves the smoothing
out in silence, TensorRT refuses it, and ONNX Runtime treats the edges in another way than torch unless told so.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from hebbstream.export._nodes import Nodes


def resample(graph: Nodes, x: str, size: tuple[int, int]) -> str:
    """Add the nodes that scale float32 pictures (N, C, H, W) of any size to (N, C, *size); return the result's name.

    It is what ``torch.nn.functional.interpolate(..., mode="bilinear", antialias=True)`` computes: a row or column of
    the result is the mean of those near its centre, weighted by a triangle that reaches as far as their ratio, or to
    the next one where pictures grow.

    Parameters
    ----------
    graph
        Under construction.
    x
        Name of the pictures.
    size
        (height, width) of the result.
    """
    extents = graph.add("Shape", [x], "extents")
    by_height = _weights(graph, extents, axis=2, name="height", out=size[0])
    by_width = _weights(graph, extents, axis=3, name="width", out=size[1])
    by_width = graph.add("Transpose", [by_width], "width/transposed", perm=[1, 0])
    # Height first: it works on whole rows, as they lie in memory.
    return graph.add("MatMul", [graph.add("MatMul", [by_height, x], "of_height"), by_width], "resized")


def _weights(graph: Nodes, extents: str, *, axis: int, name: str, out: int) -> str:
    """(out, in) weights, each row of sum 1; in is known only when a picture comes."""

    def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        return graph.add(operator, inputs, f"{name}/{output}", **attributes)

    def constant(output: str, values: Any, dtype: str = "float32") -> str:
        return graph.constant(f"{name}.{output}", values, dtype)

    half, one = constant("half", 0.5), constant("one", 1.0)
    extent = node("Gather", [extents, constant("axis", axis, "int64")], "extent")
    length = node("Cast", [extent], "length", to=TensorProto.FLOAT)
    ratio = node("Div", [length, constant("out", float(out))], "ratio")
    reach = node("Max", [ratio, one], "reach")
    steps = node("Range", [constant("zero", 0.0), length, one], "steps")
    places = node("Add", [steps, half], "places")  # of the middles of pixels
    centres = node("Mul", [constant("middles", np.arange(out)[:, None] + 0.5), ratio], "centres")
    distances = node("Abs", [node("Sub", [places, centres], "offsets")], "distances")
    heights = node("Relu", [node("Sub", [one, node("Div", [distances, reach], "relative")], "slope")], "triangle")
    total = node("ReduceSum", [heights, constant("along", [1], "int64")], "total", keepdims=1)
    return node("Div", [heights, total], "weights")
