"""`hebbstream export`."""

import argparse
from typing import Any

import hebbstream as hs
from hebbstream.cli._execution import add_quiet
from hebbstream.cli._medium import as_learned
from hebbstream.cli._model import add_model_options, model_options
from hebbstream.cli._outputs import refuse_overwriting
from hebbstream.cli._source import read_frames
from hebbstream.cli._source_options import add_source
from hebbstream.cli._types import path, seconds
from hebbstream.errors import ConfigurationError
from hebbstream.export import verify
from hebbstream.export._options import FRAMES, ExportOptions, Options
from hebbstream.export._to_onnx import write_model

USAGE = "CHECKPOINT [MODEL]"
WRITES = ("model",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="file that `hebbstream learn` wrote")
    parser.add_argument(
        "model",
        type=path,
        nargs="?",
        metavar="MODEL",
        help="ONNX file to write (default: the checkpoint's name, .onnx)",
    )
    add_quiet(parser)
    group = parser.add_argument_group("model")
    add_model_options(group)
    group.add_argument(
        "--feature-map",
        action="store_true",
        help="let the model give the last layer's maps instead of features, for frames of any size",
    )
    parser.add_argument(
        "--verify", action="store_true", help="compare the model with torch on frames of --source, and time both"
    )
    parser.add_argument("--seconds", type=seconds, default=1.0, metavar="S", help="seconds that each timing takes")
    add_source(parser, "--source")


def run(options: argparse.Namespace) -> None:
    """Write an ONNX model."""
    chosen: ExportOptions = {**model_options(options), "feature_map": options.feature_map}
    if options.source is None and (options.verify or Options(**chosen).needs_frames):
        what = "--verify" if options.verify else f"--precision {options.model_precision}"
        raise ConfigurationError(f"{what} without --source: expected the video to take frames from")
    options.model = options.model or options.checkpoint.with_suffix(".onnx")
    if options.model.suffix.lower() != ".onnx":  # mostly a source, over which the model would be written
        raise ConfigurationError(
            f"model {options.model}: expected a name that ends in .onnx; frames come from --source"
        )
    refuse_overwriting(options)  # which may be of that name
    saved = hs.Learner.load(options.checkpoint)
    probe = None if options.feature_map else saved.refit_probe(progress=not options.quiet)
    chosen["frames"] = frames = _frames(options, saved.net)
    exported = write_model(saved.net, options.model, probe, **chosen)
    if options.model_precision != "float32" and frames:
        print(
            f"{options.model_precision}: features differ from float32's by {exported.error:.2%} on {len(frames)} frames,"
            f" {len(exported.data) / 1e6:.3g} MB instead of {exported.whole_bytes / 1e6:.3g}"
        )
    if options.verify and frames:
        print(verify(options.model, frames, saved.net, probe, seconds=options.seconds))
    print(f"model {options.model} ({options.model.stat().st_size / 1e6:.3g} MB)")


def _frames(options: argparse.Namespace, net: hs.SoftHebbNet) -> list[Any] | None:
    if options.source is None:
        return None
    options = as_learned(options, net, options.source)
    return read_frames(options, net.in_channels, options.model_size or net.frame_size, FRAMES)
