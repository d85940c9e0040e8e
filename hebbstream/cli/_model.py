"""The options of an ONNX model."""

import argparse
from typing import Any, get_args

from hebbstream.cli._types import size
from hebbstream.export._contract import InputType, LayoutName, ModelPrecision
from hebbstream.export._options import ERROR_LIMITS, ExportOptions


def add_model_options(group: "argparse._ArgumentGroup", prefix: str = "") -> None:
    """Let a command say what its models read, and how precisely they compute."""

    def add(name: str, dest: str, **settings: Any) -> None:
        group.add_argument(f"--{prefix}{name}", dest=dest, **settings)

    add(
        "size",
        "model_size",
        type=size,
        metavar="N or WxH",
        help="size of the frames that the layers see (default: that of the frames learned)",
    )
    add(
        "input-dtype",
        "input_dtype",
        default="float32",
        choices=get_args(InputType),
        help="what the model reads: float32 in [0, 1], or uint8 pixels",
    )
    add("layout", "layout", default="NCHW", choices=get_args(LayoutName), help="order of the axes of the model's input")
    add("resize", "resize", action="store_true", help="let the model take frames of any size, and scale them")
    add(
        "precision",
        "model_precision",
        default="float32",
        choices=get_args(ModelPrecision),
        help="precision of the model: float16 for GPUs, int8 for CPUs",
    )
    limits = ", ".join(f"{limit:g} for {name}" for name, limit in ERROR_LIMITS.items() if name != "float32")
    add(
        "error-limit",
        "error_limit",
        type=float,
        metavar="E",
        help=f"mean relative error that lower precision may have (default: {limits}; inf for any)",
    )


def model_options(options: argparse.Namespace) -> ExportOptions:
    """Return what `add_model_options` took."""
    return {
        "size": options.model_size,
        "input_dtype": options.input_dtype,
        "layout": options.layout,
        "resize": options.resize,
        "precision": options.model_precision,
        "error_limit": options.error_limit,
    }
