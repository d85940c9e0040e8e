"""Take trained networks out: ONNX models, and a runtime for them."""

from hebbstream.export._contract import Contract
from hebbstream.export._extractor import OnnxExtractor
from hebbstream.export._follow import follow
from hebbstream.export._publish import ExportEvery, publish
from hebbstream.export._to_onnx import to_onnx
from hebbstream.export._verify import Verification, verify

__all__ = [
    "Contract",
    "ExportEvery",
    "OnnxExtractor",
    "Verification",
    "follow",
    "publish",
    "to_onnx",
    "verify",
]
