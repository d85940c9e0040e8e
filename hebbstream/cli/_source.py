"""The options that name a video and how to read it."""

import argparse
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

from hebbstream._credentials import mask_credentials
from hebbstream.adapters._picture import Fit
from hebbstream.adapters.video import labels_from_json, open_video
from hebbstream.errors import ConfigurationError, ConnectionLostError, StalledStreamError, StreamError
from hebbstream.network._network import SoftHebbNet
from hebbstream.streams import Stream, for_live, interleave

log = logging.getLogger("hebbstream.video")


def add_source(
    command: argparse.ArgumentParser,
    name: str = "source",
    *,
    several: bool = False,
    labels_required: bool = False,
    sized: bool = True,
) -> None:
    """Let a command take a video, or several, and how to read it; `sized` where no other option says its size."""
    command.add_argument(
        name,
        metavar="SOURCE",
        nargs="+" if several else None,
        help="a file, a glob, a webcam's number, or rtsp://, http://, udp://, ..."
        + ("; of several, one frame of each in turn" if several else ""),
    )
    if sized:
        command.add_argument(
            "--size",
            type=size,
            default=None,
            metavar="N or WxH",
            help="scale to (default: that of the frames learned, or the preset's)",
        )
    command.add_argument("--fit", default="stretch", choices=get_args(Fit), help="to another shape")
    command.add_argument("--stride", type=positive, default=1, metavar="N", help="keep every N-th frame")
    command.add_argument("--rate", type=float, metavar="FPS", help="keep this many frames for each second of video")
    command.add_argument("--start", type=float, default=0.0, metavar="S", help="seconds to leave out of each file")
    command.add_argument("--duration", type=float, metavar="S", help="seconds to read of each file or live source")
    command.add_argument("--loop", action="store_true", help="begin again at the end, for ever")
    command.add_argument("--hardware", metavar="KIND", help="decode by auto, cuda, vaapi, ... where it can")
    command.add_argument("--timeout", type=float, default=10.0, metavar="S", help="wait so long for a live source")
    command.add_argument("--retry-for", type=float, default=300.0, metavar="S", help="try a lost live source so long")
    command.add_argument(
        "--option", action="append", type=key_value, default=[], metavar="KEY=VALUE", help="for FFmpeg; repeat for more"
    )
    command.add_argument(
        "--labels",
        type=Path,
        required=labels_required,
        metavar="FILE",
        help='JSON: {"segments": [{"start": seconds, "label": name or null}, ...]}',
    )


def positive(text: str) -> int:
    """Read a positive integer."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a positive integer")
    return int(text)


def natural(text: str) -> int:
    """Read a positive integer or 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: expected a positive integer or 0")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """Read ``N`` or ``WIDTHxHEIGHT`` as (height, width)."""
    width, _, height = text.partition("x")
    return positive(height or width), positive(width)


def key_value(text: str) -> tuple[str, str]:
    """Read ``KEY=VALUE``."""
    key, found, value = text.partition("=")
    if not (key and found):
        raise argparse.ArgumentTypeError(f"{text!r}: expected KEY=VALUE")
    return key, value


def open_stream(options: argparse.Namespace, net: SoftHebbNet, size: tuple[int, int]) -> Stream[Any]:
    """Open the source that `learn` is to learn from, or several as one stream; of live ones, what is new.

    A live source that cannot be reached is reported and left out, as is one that dies later; a file must be there.
    """
    if len(options.source) == 1:
        return _worth_learning(open_source(options, net.in_channels, size, options.source[0]), options)
    if options.labels:
        raise ConfigurationError(f"--labels {options.labels}: expected a single source, which they belong to")
    streams: dict[str, Stream[Any]] = {}
    unreachable: StreamError | None = None
    with ExitStack() as opened:
        for number, source in enumerate(options.source, start=1):
            name = mask_credentials(source)
            try:
                stream = opened.enter_context(open_source(options, net.in_channels, size, source))
            except (ConnectionLostError, StalledStreamError) as error:
                log.warning("source %r is left out: %s", name, error)
                unreachable = error
            else:
                streams[f"{name} ({number})" if name in streams else name] = stream
        live = [stream.live for stream in streams.values()]
        if unreachable is not None and not (live and all(live)):
            raise unreachable  # to leave it out would change the order of the recordings
        if options.resume and any(live) != all(live):
            raise ConfigurationError("--resume with recordings and live sources: expected only one of the two kinds")
        opened.pop_all()
    prepared = {name: _worth_learning(stream, options) for name, stream in streams.items()}
    return interleave(prepared, by="arrival" if any(live) else "turn")


def _worth_learning(stream: Stream[Any], options: argparse.Namespace) -> Stream[Any]:
    return for_live(stream) if stream.live and not options.every_frame else stream


def open_source(
    options: argparse.Namespace, channels: int, size: tuple[int, int] | None, source: str | None = None
) -> Stream[Any]:
    """Open the video that the options name, or another in the same way, for a network of so many input channels."""
    if channels not in (1, 3):
        raise ConfigurationError(f"a network of {channels} input channels: expected 1 or 3 for video")
    return open_video(
        source or options.source,
        size=getattr(options, "size", None) or size,
        fit=options.fit,
        gray=channels == 1,
        stride=options.stride,
        rate=options.rate,
        start=options.start,
        duration=options.duration,
        loop=options.loop,
        label=None if options.labels is None else labels_from_json(options.labels),
        hardware=options.hardware,
        open_timeout=options.timeout,
        read_timeout=options.timeout,
        retry_for=options.retry_for,
        options=dict(options.option),
    )
