"""The options that name a video and say how to read it."""

import argparse
import logging
from contextlib import ExitStack
from itertools import islice
from typing import Any, get_args

from hebbstream._credentials import mask_credentials
from hebbstream.adapters._picture import Fit
from hebbstream.adapters.video import open_video, read_labels
from hebbstream.cli._types import key_value, path, positive, size, source
from hebbstream.errors import ConfigurationError, ConnectionLostError, StalledStreamError, StreamError
from hebbstream.network._network import SoftHebbNet
from hebbstream.streams import Stream, for_live, interleave

log = logging.getLogger("hebbstream.video")


def add_source(parser: argparse.ArgumentParser, name: str = "source", *, several: bool = False) -> None:
    """Let a command take a video, or several, and how to read it."""
    parser.add_argument(
        name,
        type=source,
        metavar="SOURCE",
        nargs="+" if several else None,
        help="a file, a glob, a webcam's number, or rtsp://, http://, udp://, ..."
        + ("; of several, one frame of each in turn" if several else ""),
    )
    parser.set_defaults(size=None, labels=None)  # of the commands that do not take them
    group = parser.add_argument_group("how to read the source")
    group.add_argument(
        "--fit", default="stretch", choices=get_args(Fit), help="how to bring a frame of another shape to size"
    )
    group.add_argument("--stride", type=positive, default=1, metavar="N", help="keep every N-th frame")
    group.add_argument("--rate", type=float, metavar="FPS", help="keep this many frames for each second of video")
    group.add_argument("--start", type=float, default=0.0, metavar="S", help="seconds to leave out of each file")
    group.add_argument("--duration", type=float, metavar="S", help="seconds to read of each file or live source")
    group.add_argument("--loop", action="store_true", help="begin again at the end, for ever")
    group.add_argument("--hardware", metavar="KIND", help="decode by auto, cuda, vaapi, ... where that is possible")
    group.add_argument("--timeout", type=float, default=10.0, metavar="S", help="seconds to wait for a live source")
    group.add_argument(
        "--retry-for", type=float, default=300.0, metavar="S", help="seconds to try a lost live source again"
    )
    group.add_argument(
        "--option",
        action="append",
        type=key_value,
        default=[],
        metavar="KEY=VALUE",
        help="option for FFmpeg; give it again for more",
    )


def add_size(parser: argparse.ArgumentParser, default: str) -> None:
    """Let a command scale the frames that it reads; `default` says to what else."""
    parser.add_argument(
        "--size",
        type=size,
        metavar="N or WxH",
        help=f"scale frames to this size (default: {default})",
    )


def add_labels(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Let a command take the labels of its source."""
    parser.add_argument(
        "--labels",
        type=path,
        required=required,
        metavar="FILE",
        help="the source's labels over time: .json, .csv or .vtt, as docs/labels.md says",
    )


def open_source(
    options: argparse.Namespace, channels: int, size: tuple[int, int] | None, source: str | None = None
) -> Stream[Any]:
    """Open the video that the options name, or another in the same way, for a network of so many input channels."""
    if channels not in (1, 3):
        raise ConfigurationError(f"a network of {channels} input channels: expected 1 or 3 for video")
    return open_video(
        source or options.source,
        size=options.size or size,
        fit=options.fit,
        gray=channels == 1,
        stride=options.stride,
        rate=options.rate,
        start=options.start,
        duration=options.duration,
        loop=options.loop,
        label=None if options.labels is None else read_labels(options.labels),
        hardware=options.hardware,
        open_timeout=options.timeout,
        read_timeout=options.timeout,
        retry_for=options.retry_for,
        options=dict(options.option),
    )


def read_frames(options: argparse.Namespace, channels: int, size: tuple[int, int] | None, count: int) -> list[Any]:
    """Return the first frames of the source, `count` at most."""
    with open_source(options, channels, size) as stream:
        return [sample.x for sample in islice(stream, count)]


def open_stream(options: argparse.Namespace, net: SoftHebbNet, size: tuple[int, int]) -> Stream[Any]:
    """Open the source that `learn` is to learn from, or several as one stream; of live ones, what is new.

    A live source that cannot be reached is reported and left out, as is one that dies later; a file must be there.
    """
    if len(options.source) == 1:
        return _worth_learning(open_source(options, net.in_channels, size, options.source[0]), options)
    if options.labels:
        raise ConfigurationError(f"--labels {options.labels}: expected a single source, which they belong to")
    streams = _open_several(options, net, size)
    prepared = {name: _worth_learning(stream, options) for name, stream in streams.items()}
    return interleave(prepared, by="arrival" if any(stream.live for stream in streams.values()) else "turn")


def _open_several(options: argparse.Namespace, net: SoftHebbNet, size: tuple[int, int]) -> dict[str, Stream[Any]]:
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
    return streams


def _worth_learning(stream: Stream[Any], options: argparse.Namespace) -> Stream[Any]:
    return for_live(stream) if stream.live and not options.every_frame else stream
