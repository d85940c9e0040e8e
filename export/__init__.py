"""Take trained networks out: ONNX models, and a runtime for them."""

from hebbstream.export.onnx import to_onnx
from hebbstream.export.session import OnnxExtractor

__all__ = ["OnnxExtractor", "to_onnx"]
