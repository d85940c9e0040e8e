"""`hebbstream learn --distributed`: this command, started several times by torchrun, learns one network."""

import argparse
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hebbstream as hs
from hebbstream._credentials import mask_credentials
from hebbstream.adapters.audio._microphones import MICROPHONES
from hebbstream.adapters.video._cameras import CAMERAS
from hebbstream.cli._source import check_sources, open_stream
from hebbstream.cli._types import positive, seconds
from hebbstream.distributed import Peers, join, learn_together
from hebbstream.distributed._learn import refuse_differences
from hebbstream.errors import ConfigurationError
from hebbstream.streams import Stream

_DEVICES = (*CAMERAS.pattern, *MICROPHONES.pattern)

# What says how a source is read, and what a new network is. The rest may be each machine's own, or is compared where it is used.
_ALIKE = (
    *("size", "labels", "crops", "crop_scale", "fit", "stride", "rate", "start", "duration", "loop", "stream"),
    *("format", "arrays", "every_frame", "share", "sound", "form", "length", "mels", "window_rows", "hop", "columns"),
    *("label", "time", "group", "gap", "valid_range", "preset", "width", "seed", "mirror", "event_threshold"),
    *("precision", "solver"),
)


def add_distributed(parser: argparse.ArgumentParser) -> None:
    """Let a command learn as one of several processes."""
    group = parser.add_argument_group(
        "several processes",
        "see docs/guides/distributed.md; start them with torchrun -m hebbstream.cli learn --distributed",
    )
    group.add_argument("--distributed", action="store_true", help="learn one network together with the other processes")
    group.add_argument(
        "--sync-every",
        type=positive,
        metavar="H",
        help="learn H frames alone, then average (default: take each step together)",
    )
    group.add_argument(
        "--wire", choices=("float32", "float16"), default="float32", help="with --sync-every: how changes travel"
    )
    group.add_argument(
        "--peer-timeout", type=seconds, metavar="S", default=120.0, help="seconds after which a silent process is lost"
    )


def joined(options: argparse.Namespace) -> Any:
    """Return the context in which this process is one of several; refuse what they cannot do together."""
    refused = [
        ("--replay", options.replay),
        ("--replay-per-sample", options.replay_per_sample),
        ("--engine", options.engine != "eager" and options.engine),
    ]
    for name, value in refused:
        if value:
            raise ConfigurationError(f"{name} {value} with --distributed: expected nothing of it")
    check_sources(options)  # all of them: each process opens one by one
    if options.device == "cuda":
        options.device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    options.anew = not options.resume
    # torchrun starts all of them again where one has died; what the new ones are to go on from is the checkpoint.
    options.resume = options.resume or os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
    return join(timeout=options.peer_timeout, device="cuda" if options.device.startswith("cuda") else "cpu")


def refuse_other_options(options: argparse.Namespace, peers: Peers) -> None:
    """Refuse, on all ranks, options by which one would read its sources otherwise than another."""
    told = {f"--{name.removesuffix('_rows').replace('_', '-')}": getattr(options, name) for name in _ALIKE}
    refuse_differences(
        peers, **{name: str(value) if isinstance(value, Path) else value for name, value in told.items()}
    )


def goes_on(options: argparse.Namespace, peers: Peers) -> bool:
    """Return whether all go on from a checkpoint; where one was started again all were, but each torchrun counts its own."""
    return any(peers.gather_terms(options.resume))


def samples_a_step(options: argparse.Namespace) -> int:
    """Return for how many samples a step a network's rates should be.

    Steps that N processes take together are of N samples. Where they learn alone, the mean of what they changed is an N-th of
    their sum, which rates N times as large make up for; `from_preset` takes the square root.
    """
    ranks = int(os.environ.get("WORLD_SIZE", "1")) if options.distributed else 1
    return ranks**2 if options.sync_every else ranks


def learn_as_one(
    options: argparse.Namespace, learner: hs.Learner, peers: Peers, size: tuple[int, int] | None
) -> hs.Report:
    """Learn from the sources that the options name, each read by one process."""
    anew, learned = peers.gather_terms([options.anew, learner.counters.position])[0]
    limit = options.limit
    if limit and anew:  # all that is learned, this run has, and was started again since: what is left
        limit = max(1, limit - learned)
    return learn_together(
        learner,
        _sources(options, learner, size, peers.world),
        peers,
        every=options.sync_every,
        wire=options.wire,
        limit=limit,
        resume=options.resume,
        progress=not options.quiet,
    )


def _sources(
    options: argparse.Namespace, learner: hs.Learner, size: tuple[int, int] | None, world: int
) -> dict[str, Callable[[], Stream[Any]]]:
    """Return what opens each recording; cameras, all of which must be read all the time, are in one part for each rank."""

    def opener(part: list[str]) -> Callable[[], Stream[Any]]:
        of_part = argparse.Namespace(**vars(options) | {"source": part, "resume": False})

        def opened() -> Stream[Any]:
            # Only now has the learner what all begin with.
            stream = open_stream(of_part, learner.net, learner.net.frame_size or size)
            # What comes through a pipe another time is something else, of which nothing was learned.
            return Stream(stream, name=repr(stream), live=True) if is_pipe(part[0]) else stream

        return opened

    cameras = [source for source in options.source if is_camera(source)]
    parts = [[source] for source in options.source if source not in cameras]
    parts += [part for rank in range(world) if (part := cameras[rank::world])]
    opened: dict[str, Callable[[], Stream[Any]]] = {}
    for number, part in enumerate(parts, start=1):
        name = ", ".join(map(mask_credentials, part))
        opened[f"{name} ({number})" if name in opened else name] = opener(part)
    return opened


def is_pipe(source: str) -> bool:
    """Whether a source's name is that of the standard input, or of a pipe that is there now.

    Examples
    --------
    >>> is_pipe("-"), is_pipe("monday.mp4"), is_pipe("rtsp://door.local/live")
    (True, False, False)
    """
    with suppress(OSError, ValueError):  # as of a text that is too long for a path
        return source == "-" or Path(source).is_fifo()
    return False


def is_camera(source: str) -> bool:
    """Whether a source's name is that of a camera, a microphone or a network stream, which may go on whether or not it is read.

    Examples
    --------
    >>> is_camera("rtsp://door.local/live"), is_camera("0"), is_camera("file:///films/monday.mp4")
    (True, True, False)
    """
    address = "://" in source and not source.lower().startswith("file:")
    return source.isdecimal() or address or any(re.match(pattern, source) for pattern in _DEVICES)
