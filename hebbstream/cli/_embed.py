"""`hebbstream embed`."""

import argparse
from contextlib import closing
from itertools import chain

import hebbstream as hs
from hebbstream._bar import expected, progress_bar
from hebbstream.cli._execution import add_device, add_quiet
from hebbstream.cli._features import feature_file
from hebbstream.cli._medium import as_learned
from hebbstream.cli._signals import called
from hebbstream.cli._source import left_out, open_source, read_samples, time_shown
from hebbstream.cli._source_options import add_checkpoint_and_source, add_size
from hebbstream.cli._types import path, positive
from hebbstream.errors import EmptyStreamError, StreamError

USAGE = "[CHECKPOINT] SOURCE --output FILE"
WRITES = ("output",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "-o",
        "--output",
        type=path,
        required=True,
        metavar="FILE",
        help="NAME.npy: float32 of shape (frames, features); NAME.times.npy gets the time of each frame in its file, NAME.sources.txt"
        " the name of that file; or NAME.parquet: columns time, source and features (extra parquet)",
    )
    add_device(parser)
    add_quiet(parser)
    add_size(parser, "that of the frames learned")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    add_checkpoint_and_source(parser, "hebbstream learn")


def run(options: argparse.Namespace) -> None:
    """Write the features of each frame."""
    net = hs.Learner.load(options.checkpoint, options.device).net
    options = as_learned(options, net, options.source)
    failures: list[StreamError] = []
    count = 0
    with (
        open_source(options, net.in_channels, net.frame_size) as stream,
        closing(read_samples(stream, options.limit, failures)) as samples,
    ):
        total = expected(stream, options.limit)
        embedded = ((sample, net.transform_one(sample.x).cpu().numpy()) for sample in samples)
        first = next(embedded, None)
        one = called(options)
        if first is None:
            raise failures[0] if failures else EmptyStreamError(f"{options.source}: it holds no {one}")
        with feature_file(options.output, first[1].size) as file:
            for sample, features in progress_bar(
                chain([first], embedded), desc="embed", unit=f"{one}s", shown=not options.quiet, total=total
            ):
                file.write(features, time_shown(sample), sample.source)
                count += 1
    print(f"{count:,} {one}s{left_out(stream)}, {file.features:,} features each")
    print("\n".join(f"{what} {written}" for what, written in file.written.items()))
    if failures:
        raise failures[0]
