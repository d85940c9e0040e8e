"""Scaling of pictures as matrix products, for every engine to compute the same.

ONNX's own Resize smooths what it shrinks only where an engine implements that: OpenVINO 2026.4 leaves the smoothing
out without a word, TensorRT refuses it, and ONNX Runtime treats the edges in another way than torch unless told so.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto


def resample(add: Callable[..., str], constant: Callable[[str, Any, str], str], x: str, size: tuple[int, int]) -> str:
    """Add the nodes that scale float32 pictures (N, C, H, W) of any size to (N, C, *size); return the result's name.

    It is what ``torch.nn.functional.interpolate(..., mode="bilinear", antialias=True)`` computes: a row or column of
    the result is the mean of those near its centre, weighted by a triangle that reaches as far as their ratio, or to
    the next one where pictures grow.

    Parameters
    ----------
    add, constant
        Of the graph under construction: ``add(operator, inputs, output, **attributes)`` and
        ``constant(name, values, dtype)``, each returning the name of what it added.
    x
        Name of the pictures.
    size
        (height, width) of the result.
    """
    extents = add("Shape", [x], "extents")
    by_height = _weights(add, constant, extents, "height", 2, size[0])
    by_width = _weights(add, constant, extents, "width", 3, size[1])
    by_width = add("Transpose", [by_width], "width/transposed", perm=[1, 0])
    # Height first: it works on whole rows, as they lie in memory.
    return add("MatMul", [add("MatMul", [by_height, x], "of_height"), by_width], "resized")


def _weights(
    add: Callable[..., str], constant: Callable[[str, Any, str], str], extents: str, name: str, axis: int, out: int
) -> str:
    """(out, in) weights, each row of sum 1; in is known only when a picture comes."""

    def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        return add(operator, inputs, f"{name}/{output}", **attributes)

    half, one = constant(f"{name}.half", 0.5, "float32"), constant(f"{name}.one", 1.0, "float32")
    extent = node("Gather", [extents, constant(f"{name}.axis", axis, "int64")], "extent")
    length = node("Cast", [extent], "length", to=TensorProto.FLOAT)
    ratio = node("Div", [length, constant(f"{name}.out", float(out), "float32")], "ratio")
    reach = node("Max", [ratio, one], "reach")
    steps = node("Range", [constant(f"{name}.zero", 0.0, "float32"), length, one], "steps")
    places = node("Add", [steps, half], "places")  # of the middles of pixels
    middles = constant(f"{name}.middles", np.arange(out)[:, None] + 0.5, "float32")
    centres = node("Mul", [middles, ratio], "centres")
    distances = node("Abs", [node("Sub", [places, centres], "offsets")], "distances")
    heights = node("Relu", [node("Sub", [one, node("Div", [distances, reach], "relative")], "slope")], "triangle")
    total = node("ReduceSum", [heights, constant(f"{name}.along", [1], "int64")], "total", keepdims=1)
    return node("Div", [heights, total], "weights")
