"""river: features that learn, classifiers and a regression on them, their evaluation, novelty and drift."""

from hebbstream.adapters.river._anomaly import SoftHebbAnomaly
from hebbstream.adapters.river._drift import DriftMonitor
from hebbstream.adapters.river._evaluation import prequential
from hebbstream.adapters.river._onnx import OnnxTransformer
from hebbstream.adapters.river._probe import LinearProbe
from hebbstream.adapters.river._regressor import LinearRegressorProbe
from hebbstream.adapters.river._transformer import SoftHebbTransformer

__all__ = [
    "DriftMonitor",
    "LinearProbe",
    "LinearRegressorProbe",
    "OnnxTransformer",
    "SoftHebbAnomaly",
    "SoftHebbTransformer",
    "prequential",
]
