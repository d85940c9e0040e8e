"""Take trained networks out: ONNX models, and a runtime for them."""

from hebbstream.export.contract import Contract, ModelInput
from hebbstream.export.follow import FollowingExtractor
from hebbstream.export.onnx import to_onnx
from hebbstream.export.publish import ExportEvery, publish
from hebbstream.export.session import OnnxExtractor
from hebbstream.export.verify import Verification, verify

__all__ = [
    "Contract",
    "ExportEvery",
    "FollowingExtractor",
    "ModelInput",
    "OnnxExtractor",
    "Verification",
    "publish",
    "to_onnx",
    "verify",
]
