"""A source as a network has learned to read it: brought to size, pictures would pass for signals, and columns for each other."""

import argparse
from collections.abc import Sequence

from hebbstream.cli._signals import columns_as_learned, signal_of, sound_rate, windows_as_learned
from hebbstream.cli._stills import kind_of
from hebbstream.errors import ConfigurationError
from hebbstream.network._network import SoftHebbNet

SIGNALS = ("signal", "aligned-signal")
"""Presets for them."""


def as_learned(options: argparse.Namespace, net: SoftHebbNet, source: str) -> argparse.Namespace:
    """Return the options by which a source is read for a network that has learned, or refuse a source that is not for it."""
    _refuse_other_medium(options, net, source)
    named = as_named(options, source, net.channel_names, net.sample_rate)
    if signal_of(options, source) != "table":
        return named
    return argparse.Namespace(**vars(named) | windows_as_learned(options, source, net.window_options))


def as_named(
    options: argparse.Namespace, source: str, channel_names: Sequence[str] | None, sample_rate: int | None
) -> argparse.Namespace:
    """Return the options by which these columns of a table are read, or sound at this rate; ``None`` where it is not known."""
    kind, given = signal_of(options, source), vars(options)
    if kind == "table" and channel_names is not None:
        return argparse.Namespace(**given | {"columns": columns_as_learned(options, source, channel_names)})
    if kind == "sound" and sample_rate is not None:
        if options.rate is not None and sound_rate(options) != sample_rate:
            raise ConfigurationError(
                f"--rate {options.rate:g}: expected {sample_rate}, at which the network has learned"
            )
        return argparse.Namespace(**given | {"rate": sample_rate})
    return options


def _refuse_other_medium(options: argparse.Namespace, net: SoftHebbNet, source: str) -> None:
    """Refuse a source of another kind than the network is for, as far as its preset and the size of its samples tell."""
    found = signal_of(options, source)
    if found is None and kind_of(source) == "arrays":  # which may hold anything
        return
    size = net.frame_size
    if net.preset in SIGNALS or (size is not None and size[0] == 1):
        waves = net.in_channels <= 2  # a sound is one channel, or two
        fits, expected = found == "table" or (waves and found == "sound"), "a table or sound" if waves else "a table"
    elif net.preset == "sound":
        fits, expected = found == "sound", "sound"
    elif net.preset is not None or size is not None:
        spectrograms = net.in_channels == 1
        fits = found is None or (spectrograms and found == "sound")
        expected = "pictures or sound" if spectrograms else "pictures"
    else:  # layers of the user's own that have seen nothing
        return
    if not fits:
        shape = "" if size is None else f" and samples of {size[0]}×{size[1]}"
        raise ConfigurationError(
            f"{source} is read as {found or 'pictures'}: expected {expected}, for a network of {net.in_channels} input"
            f" channel{'s' * (net.in_channels != 1)}{shape}"
        )
