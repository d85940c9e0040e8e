"""A new network: options, and the preset for a kind of source."""

import argparse

import hebbstream as hs
from hebbstream.adapters.arrays import open_arrays
from hebbstream.cli._medium import SIGNALS
from hebbstream.cli._signals import signal_of, sound_rate, table_columns, window_options
from hebbstream.cli._stills import kind_of
from hebbstream.cli._types import positive


def add_network(parser: argparse.ArgumentParser) -> None:
    """Let a command make a new network."""
    group = parser.add_argument_group("network")
    # Defaults are None: what the user did not say cannot contradict a checkpoint.
    group.add_argument(
        "--preset",
        choices=hs.PRESETS,
        help="which network to make (default: video, pictures, sound or signal, by what the source is; motion for a video with"
        " --labels)",
    )
    group.add_argument("--width", type=positive, metavar="N", help="neurons of the first layer (default: the preset's)")
    group.add_argument("--seed", type=int, metavar="N", help="seed of the initial weights (default: 0)")
    group.add_argument("--mirror", action="store_true", help="see each frame together with its mirror image")
    group.add_argument(
        "--event-threshold",
        type=float,
        metavar="Y",
        help="skip updates of neurons whose activity is not above Y; 0 skips none (default: the preset's)",
    )


def new_network(options: argparse.Namespace, *, batch_size: int = 1) -> hs.SoftHebbNet:
    """Return a new network for the source, with rates for steps of so many samples."""
    source = options.source[0]
    kind = signal_of(options, source)
    names = table_columns(options, source) if kind == "table" else None
    channels = len(names) if names else 1 if kind == "sound" else _channels_of_windows(options, source)
    net = hs.SoftHebbNet.from_preset(
        preset_of(options),
        in_channels=channels,
        width=options.width,
        batch_size=batch_size,
        event_threshold=options.event_threshold,
        mirror=options.mirror,
        seed=options.seed or 0,
        device=options.device,
    )
    net.channel_names, net.sample_rate = names, sound_rate(options) if kind == "sound" else None
    net.window_options = window_options(options) if kind == "table" else {}
    return net


def _channels_of_windows(options: argparse.Namespace, source: str) -> int | None:
    """Return the channels of windows in an array file, (C, T), (T, C) or (C, 1, T), with more moments than channels."""
    if options.preset not in SIGNALS or kind_of(source) != "arrays":
        return None
    with open_arrays(source, image=options.arrays and options.arrays[0]) as samples:
        first = next(samples, None)
    shape = () if first is None else tuple(first.x.shape)
    return shape[0] if len(shape) == 3 else min(shape) if len(shape) == 2 else 1


def default_size(options: argparse.Namespace) -> tuple[int, int] | None:
    """Return the (height, width) to learn pictures at where nothing says it; ``None`` for signals."""
    return None if signal_of(options, options.source[0]) else hs.PRESETS[preset_of(options)].frame_size


def preset_of(options: argparse.Namespace) -> str:
    """Return the preset that was named, or else the one for the kind of source."""
    source = options.source[0]
    if options.preset is not None:
        return str(options.preset)
    match signal_of(options, source):
        case None if kind_of(source) != "video":
            return "pictures"
        case None:
            # What is taught is told apart better by what moved, where whole frames of one place follow each other. Its features
            # move more while it learns, which a probe that is fitted anew does not see (docs/evidence/labels.md).
            moving = options.labels and not (options.crops or options.mirror or options.distributed)
            return "motion" if moving else "video"
        case "sound" if options.form != "wave":
            return "sound"
        case _:
            return "signal"
