"""`hebbstream export` and `hebbstream verify`."""

import argparse
from itertools import islice
from typing import Any, get_args

import hebbstream as hs
from hebbstream.cli._source import open_source, size
from hebbstream.errors import ConfigurationError
from hebbstream.export import verify as verify_model
from hebbstream.export._contract import InputType, LayoutName, ModelPrecision
from hebbstream.export._options import ERROR_LIMITS, ExportOptions
from hebbstream.export._to_onnx import write_model

_FRAMES = 200


def add_model_options(command: argparse.ArgumentParser, prefix: str = "") -> None:
    """Let a command say what its models read, and how precisely they compute."""
    command.add_argument(
        f"--{prefix}size",
        dest="model_size",
        type=size,
        metavar="N or WxH",
        help="of the frames that the layers see (default: of the last learned)",
    )
    command.add_argument(
        f"--{prefix}input-dtype",
        dest="input_dtype",
        default="float32",
        choices=get_args(InputType),
        help="float32 in [0, 1], or uint8 pixels",
    )
    command.add_argument(
        f"--{prefix}layout", dest="layout", default="NCHW", choices=get_args(LayoutName), help="of the model's input"
    )
    command.add_argument(
        f"--{prefix}resize", dest="resize", action="store_true", help="take frames of any size, and scale them"
    )
    limits = ", ".join(f"{limit:g} for {name}" for name, limit in ERROR_LIMITS.items() if name != "float32")
    command.add_argument(
        f"--{prefix}precision",
        dest="model_precision",
        default="float32",
        choices=get_args(ModelPrecision),
        help="of the model: float16 for GPUs, int8 for CPUs",
    )
    command.add_argument(
        f"--{prefix}error-limit",
        dest="error_limit",
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


def export(options: argparse.Namespace) -> None:
    """Write an ONNX model."""
    if options.source is None and (options.verify or options.model_precision != "float32"):
        what = "--verify" if options.verify else f"--precision {options.model_precision}"
        raise ConfigurationError(f"{what} without --source: expected the video to take frames from")
    saved = hs.load_checkpoint(options.checkpoint)
    probe = saved.probe if saved.probe is not None and saved.probe.classes and not options.feature_map else None
    frames = (
        _frames(options, saved.net.in_channels, options.model_size or saved.net.frame_size) if options.source else None
    )
    chosen: ExportOptions = {**model_options(options), "feature_map": options.feature_map, "frames": frames}
    exported = write_model(saved.net, options.model, probe, **chosen)
    if options.model_precision != "float32" and frames:
        print(
            f"{options.model_precision}: features differ from float32's by {exported.error:.2%} on {len(frames)} frames,"
            f" {len(exported.data) / 1e6:.2f} MB instead of {exported.whole_bytes / 1e6:.2f}"
        )
    if options.verify and frames:
        print(verify_model(options.model, frames, saved.net, probe, seconds=options.seconds))
    print(f"model {options.model} ({options.model.stat().st_size / 1e6:.2f} MB)")


def verify(options: argparse.Namespace) -> None:
    """Check a model, compare it with a checkpoint, and time it."""
    from hebbstream.export._seal import read_model

    _, contract = read_model(options.model)
    saved = hs.load_checkpoint(options.checkpoint) if options.checkpoint else None
    height, width = contract.input.height, contract.input.width
    seen = None if height is None or width is None else (height, width)
    frames = _frames(
        options, contract.input.channels, options.size or seen or (saved.net.frame_size if saved else None)
    )
    print(
        verify_model(
            options.model,
            frames,
            saved.net if saved else None,
            saved.probe if saved else None,
            providers=options.providers,
            seconds=options.seconds,
        )
    )
    print("nothing was written")


def _frames(options: argparse.Namespace, channels: int, size: tuple[int, int] | None) -> list[Any]:
    with open_source(options, channels, size) as stream:
        return [sample.x for sample in islice(stream, _FRAMES)]
