"""Sound and sensors in the studio: windows that follow each other closely enough to be watched."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from hebbstream.cli._medium import as_learned
from hebbstream.cli._signals import (
    COLUMN_SECONDS,
    Signal,
    open_signal,
    signal_of,
    sound_rate,
    table_columns,
    window_options,
)
from hebbstream.errors import CheckpointNotFoundError, ConfigurationError
from hebbstream.network import SoftHebbNet

if TYPE_CHECKING:
    from hebbstream.studio._session import Session
    from hebbstream.studio._settings import Settings
    from hebbstream.studio._signal_source import SignalSource

_HOP_SECONDS = 0.1
# What `learn` has options for, and the studio plays as it comes.
_AS_IT_COMES = {"rate": None, "start": 0.0, "duration": None, "loop": False, "labels": None, "stream": None}
_CONNECTION = {"timeout": 10.0, "retry_for": 3.0}


def studio_kind(options: argparse.Namespace) -> Signal | None:
    """Return what the sources are; ``None`` for pictures.

    Raises
    ------
    ConfigurationError
        If they are of several kinds: one network learns from all of them.
    """
    kinds = {address: signal_of(options, address) for address in options.source}
    first = next(iter(kinds.values()), None)
    for address, kind in kinds.items():
        if kind != first:
            names = f"{kind or 'pictures'}, after {first or 'pictures'}"
            raise ConfigurationError(f"{address}: {names}: expected sources of one kind")
    return first


def signal_settings(options: argparse.Namespace, kind: Signal, settings: "Settings") -> "Settings":
    """Return the settings of a run that learns from sound or tables."""
    if options.size is not None:
        raise ConfigurationError(f"--size for {options.source[0]}: expected pictures, found a {kind}")
    net, source = _learned(options), options.source[0]
    given = argparse.Namespace(**vars(options) | _AS_IT_COMES)
    if net is not None:
        given = as_learned(given, net, source)
    drawn, size = _shape(given, kind, None if net is None else net.frame_size)
    names = table_columns(given, source) if kind == "table" else None
    return replace(
        settings,
        kind="sound" if drawn == "sound" else "signal",
        preset=options.preset or ("sound" if drawn == "sound" else "signal"),
        in_channels=len(names) if names else 1,
        channel_names=names,
        sample_rate=sound_rate(given) if kind == "sound" else None,
        window_options=window_options(given) if kind == "table" else {},
        size=size,
    )


def _learned(options: argparse.Namespace) -> SoftHebbNet | None:
    """Return the network of a run that goes on; ``None`` for a new run."""
    try:
        return SoftHebbNet.load(options.folder / "run.safetensors")
    except CheckpointNotFoundError:
        return None


def signal_opener(options: argparse.Namespace, kind: Signal) -> "Callable[[int, str, Session], SignalSource]":
    """Return what makes a source of an address for a session, in windows of the length that its network has learned."""
    from hebbstream.studio._signal_source import SignalSource

    def make(number: int, address: str, session: "Session") -> SignalSource:
        net, learned = session.net, session.net.frame_size
        given = as_learned(argparse.Namespace(**vars(options) | _AS_IT_COMES | _CONNECTION), net, address)
        asked = _shape(given, kind, learned)[1]
        if asked is not None and learned is not None and asked != learned:
            found, expected = (f"{height} × {width}" for height, width in (asked, learned))
            raise ConfigurationError(f"windows of {found}: expected {expected}, which this run has learned")
        names = table_columns(given, address) if kind == "table" else ()
        if names and len(names) != net.in_channels:
            raise ConfigurationError(f"{address}: columns {', '.join(names)}: expected {net.in_channels} of them")
        size = learned or asked
        given.hop, moments = _hop(given, kind, size)
        return SignalSource(
            number,
            address,
            session.arrived,
            session.settings.kind,
            lambda name: open_signal(given, name, size, net.in_channels),
            moments,
        )

    return make


def _shape(
    options: argparse.Namespace, kind: Signal, learned: tuple[int, int] | None
) -> tuple[str, tuple[int, int] | None]:
    """Return how it is drawn, and the (height, width) that the options ask for, what they do not name as learned."""
    if kind == "table":
        return "table", learned if options.window_rows is None else (1, options.window_rows)
    waves = learned is not None and learned[0] == 1
    form = options.form or ("wave" if waves else "mel")
    height, width = learned if learned is not None and waves == (form == "wave") else (None, None)
    per_second = sound_rate(options) if form == "wave" else 1 / COLUMN_SECONDS
    if width is None or options.length is not None:
        width = max(1, round((options.length or 1.0) * per_second))
    return ("wave", (1, width)) if form == "wave" else ("sound", (options.mels or height or 64, width))


def _hop(options: argparse.Namespace, kind: Signal, size: tuple[int, int] | None) -> tuple[float | None, int]:
    """Return the hop as `open_signal` takes it, and in moments of the window."""
    if size is None:  # `open_signal` says what is missing
        return None, 1
    if kind == "table":
        rows = options.hop or max(1, size[1] // 10)
        return rows, int(rows)
    seconds = options.hop or _HOP_SECONDS
    return seconds, max(1, round(seconds * sound_rate(options) if size[0] == 1 else seconds / COLUMN_SECONDS))
