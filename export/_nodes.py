"""An ONNX graph under construction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from torch import Tensor


class Nodes:
    """Nodes and constants, in the order in which they were added.

    Examples
    --------
    >>> graph = Nodes()
    >>> graph.add("Mul", ["x", graph.constant("half", 0.5)], "halved")
    'halved'
    >>> [node.op_type for node in graph.nodes], [tensor.name for tensor in graph.initializers]
    (['Mul'], ['half'])
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, values: Any, dtype: str = "float32") -> str:
        """Add a constant and return its name."""
        array = np.ascontiguousarray(values.numpy() if isinstance(values, Tensor) else values, dtype=dtype)
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Add a node, which takes its output's name, and return that."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, **attributes))
        return output
