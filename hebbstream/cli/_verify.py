"""`hebbstream verify`."""

import argparse

import hebbstream as hs
from hebbstream.cli._execution import add_quiet
from hebbstream.cli._medium import as_learned, as_named
from hebbstream.cli._source import read_frames
from hebbstream.cli._source_options import add_size, add_source
from hebbstream.cli._types import path, seconds
from hebbstream.errors import ConfigurationError
from hebbstream.export import verify
from hebbstream.export._options import FRAMES
from hebbstream.export._seal import read_model

USAGE = "MODEL SOURCE"

_FAR = 0.01  # of features that rounding alone has not moved


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("model", type=path, metavar="MODEL", help="ONNX file that `hebbstream export` wrote")
    add_quiet(parser)
    parser.add_argument("--checkpoint", type=path, metavar="FILE", help="checkpoint that the model was made from")
    parser.add_argument(
        "--providers",
        nargs="+",
        metavar="NAME",
        help="where to run it: tensorrt, cuda, cpu, or ONNX Runtime's own names (default: the best)",
    )
    parser.add_argument("--seconds", type=seconds, default=1.0, metavar="S", help="seconds that each timing takes")
    add_size(parser, "that of the model's input, or else of the frames learned")
    add_source(parser)


def run(options: argparse.Namespace) -> None:
    """Check a model, compare it with a checkpoint, and time it."""
    _, contract = read_model(options.model)
    saved = hs.Learner.load(options.checkpoint) if options.checkpoint else None
    net = saved.net if saved else None
    if net is not None:
        options = as_learned(options, net, options.source)
    else:
        options = as_named(options, options.source, contract.input.channel_names, contract.input.sample_rate)
    probe = saved.refit_probe(progress=not options.quiet) if saved and contract.classes else None
    height, width = contract.input.height, contract.input.width
    fixed = None if height is None or width is None else (height, width)
    frames = read_frames(options, contract.input.channels, fixed or (net.frame_size if net else None), FRAMES)
    found = verify(options.model, frames, net, probe, providers=options.providers, seconds=options.seconds)
    print(found)
    # Rounding is far below; a model of lower precision was held to a limit of the user's own as it was made.
    if found.mean is not None and found.mean > _FAR and contract.precision == "float32":
        raise ConfigurationError(
            f"{options.model}: its features differ from those of {options.checkpoint} by {found.mean:.1%} of their length:"
            " expected the checkpoint that it was made from"
        )
    print("nothing was written")
