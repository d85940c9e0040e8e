"""`hebbstream inspect`."""

import argparse
from pathlib import Path

import hebbstream as hs
from hebbstream._credentials import mask_credentials
from hebbstream._quote import printable
from hebbstream.cli._execution import add_quiet
from hebbstream.cli._medium import as_learned
from hebbstream.cli._signals import called
from hebbstream.cli._source import open_source, read_samples
from hebbstream.cli._source_options import add_labels, add_size, add_source
from hebbstream.cli._types import path, positive
from hebbstream.cli._unused import refuse_unused
from hebbstream.errors import StreamError
from hebbstream.inspection import observe, plot_receptive_fields, summarize, write_report
from hebbstream.probe._solvers import as_online_probe

USAGE = "CHECKPOINT"
WRITES = ("picture",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("checkpoint", type=path, metavar="CHECKPOINT", help="file that `hebbstream learn` wrote")
    add_quiet(parser)
    _add_samples(parser)
    _add_pictures(parser)


def _add_samples(parser: argparse.ArgumentParser) -> None:
    add_size(parser, "that of the frames learned")
    add_labels(parser)
    parser.add_argument("--limit", type=positive, default=500, metavar="N", help="frames of --source to look at")
    add_source(parser, "--source")


def _add_pictures(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("pictures")
    group.add_argument("--picture", type=path, metavar="FILE", help="draw the first layer's weights to this file")
    _add_report(group)


def _add_report(group: "argparse._ActionsContainer") -> None:
    group.add_argument("--report", type=path, metavar="FOLDER", help="draw all pictures into this folder")
    group.add_argument("--neurons", type=positive, default=48, metavar="N", help="neurons of each layer to show")
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the optimal inputs and of the embedding"
    )


def run(options: argparse.Namespace) -> None:
    """Show and draw a checkpoint."""
    if not options.source:
        refuse_unused(options, "--source", _add_samples)
    if not options.report:
        refuse_unused(options, "--report", _add_report)
    saved = hs.Learner.load(options.checkpoint)
    net = saved.net
    columns = f", columns {', '.join(map(printable, net.channel_names))}" if net.channel_names else ""
    print(
        f"{options.checkpoint}: {net.samples_seen:,} samples learned, of size {net.frame_size}{columns}, seed {net.seed}"
    )
    _print_layers(net)
    probe = as_online_probe(saved.probe, "inspect")
    if probe is not None:
        again = ", frames seen again included" if saved.replay is not None else ""
        print(f"probe: {probe.steps:,} labels{again}, classes {', '.join(map(printable, probe.classes))}")
    samples, failures = _samples(options, net)
    if options.source:
        print(f"\non {len(samples):,} {called(options)}s of {printable(mask_credentials(options.source))}")
        _print_activity(net, samples, progress=not options.quiet)
    print("\n".join(f"picture {picture}" for picture in _draw(options, net, samples)) or "nothing was written")
    if failures:
        raise failures[0]


def _print_layers(net: hs.SoftHebbNet) -> None:
    print("layer  neurons  synapses     R1  duplicates   weight norm: least  median  greatest")
    for index, layer in enumerate(summarize(net), start=1):
        least, median, greatest = layer.norm_quantiles
        print(
            f"{index:5}  {layer.neurons:7,}  {layer.synapses:8,}  {layer.r1_fraction:5.1%}  {layer.duplicates:10,}"
            f"  {least:17.2f}  {median:6.2f}  {greatest:8.2f}"
        )


def _samples(options: argparse.Namespace, net: hs.SoftHebbNet) -> tuple[list[hs.Sample], list[StreamError]]:
    """Return the samples to look at, and the error that ended them, if one did."""
    failures: list[StreamError] = []
    if not options.source:
        return [], failures
    options = as_learned(options, net, options.source)
    with open_source(options, net.in_channels, net.frame_size) as stream:
        samples = list(read_samples(stream, options.limit, failures))
    if failures and not samples:
        raise failures[0]
    return samples, failures


def _print_activity(net: hs.SoftHebbNet, samples: list[hs.Sample], *, progress: bool) -> None:
    print("layer    dead  silent  entropy of wins  winner's share  active")
    for index, activity in enumerate(observe(net, samples, progress=progress), start=1):
        print(
            f"{index:5}  {activity.dead:6,}  {activity.silent:6,}  {activity.win_entropy:15.2f}"
            f"  {activity.winner_share:14.1%}  {float(activity.active.mean()):6.1%}"
        )


def _draw(options: argparse.Namespace, net: hs.SoftHebbNet, samples: list[hs.Sample]) -> list[Path]:
    pictures: list[Path] = []
    if options.picture:
        pictures.append(plot_receptive_fields([(f"after {net.samples_seen:,} samples", net)], options.picture))
    if options.report:
        pictures += write_report(
            net, options.report, samples, neurons=options.neurons, seed=options.seed, progress=not options.quiet
        )
    return pictures
