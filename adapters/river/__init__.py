"""river: features that learn, classifiers on them, their evaluation, and drift."""

from hebbstream.adapters.river._drift import DriftMonitor
from hebbstream.adapters.river._evaluation import prequential
from hebbstream.adapters.river._onnx import OnnxTransformer
from hebbstream.adapters.river._probe import LinearProbe
from hebbstream.adapters.river._transformer import SoftHebbTransformer

__all__ = ["DriftMonitor", "LinearProbe", "OnnxTransformer", "SoftHebbTransformer", "prequential"]
