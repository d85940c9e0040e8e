"""Options that a checkpoint has decided already."""

import argparse
from dataclasses import replace
from typing import Any

import hebbstream as hs
from hebbstream.cli._signals import COLUMN_SECONDS
from hebbstream.errors import ConfigurationError
from hebbstream.probe._solvers import as_online_probe


def refuse_contradictions(options: argparse.Namespace, learner: hs.Learner) -> None:
    """Raise a `ConfigurationError` if the user asks for something else than the checkpoint holds."""
    net, replay, probe = learner.net, learner.replay, as_online_probe(learner.probe, "learn")
    size = net.frame_size if learner.probe is not None else None
    decided: list[tuple[str, Any, Any]] = [
        ("--width", options.width, net.layers[0].spec.channels),
        ("--seed", options.seed, net.seed),
        ("--mirror", options.mirror or None, net.mirror),
        ("--event-threshold", options.event_threshold, net.layers[0].spec.event_threshold),
        ("--size", options.size and _size(options.size), size and _size(size)),
        ("--solver", options.solver, probe and probe.solver),
        ("--replay", options.replay or None, None if replay is None else replay.capacity),
        ("--replay-per-sample", options.replay_per_sample, None if replay is None else replay.per_sample),
    ]
    if options.preset and not _is_of(net, options.preset):
        found = "/".join(str(layer.spec.channels) for layer in net.layers)
        raise _contradiction(options, f"--preset {options.preset}", f"another network ({found} neurons)")
    for name, asked, found in decided:
        if asked is not None and found is not None and asked != found:
            shown = name if asked is True else f"{name} {asked}"
            raise _contradiction(options, shown, "a network without it" if asked is True else str(found))

    if replay is not None and options.replay != 0 and net.frame_size is not None:
        _refuse_other_size(options, *net.frame_size, net.sample_rate or 16_000)


def _refuse_other_size(options: argparse.Namespace, height: int, width: int, rate: int) -> None:
    """Refuse samples of another size than those kept for replay: else the first with a label would end the run midway."""
    step = 1 / rate if height == 1 else COLUMN_SECONDS
    length = options.length and round(round(options.length / step) * step, 6)  # as it is learned
    kept = (
        ("--window", options.window_rows, width),
        ("--length", length, round(width * step, 6)),
        ("--mels", options.mels, height),
    )
    for name, asked, found in kept:
        if asked is not None and asked != found:
            raise ConfigurationError(
                f"{name} {asked} with --resume: {options.checkpoint} keeps samples of {found}; expected the same, or"
                " --replay 0, which drops them"
            )


def _contradiction(options: argparse.Namespace, asked: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"{asked} with --resume: {options.checkpoint} has {found}; expected the same, nothing, or another --checkpoint"
    )


def _is_of(net: hs.SoftHebbNet, preset: str) -> bool:
    """Whether a network is a preset's, at any width and event threshold; also one as an earlier release had it."""
    if net.preset == preset:
        return True
    made = hs.PRESETS[preset]
    specs = [replace(layer.spec, event_threshold=0.0, event_budget=None) for layer in net.layers]
    channels = made.input_range is None or net.in_channels == made.in_channels  # a signal has as many as its source
    return channels and specs == made.resolve(width=specs[0].channels, event_threshold=0.0)


def _size(height_and_width: tuple[int, int]) -> str:
    return "{1}x{0}".format(*height_and_width)
