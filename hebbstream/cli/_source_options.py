"""The options that name a source of samples and say how to read it."""

import argparse
from pathlib import Path
from typing import Any, get_args

from hebbstream.adapters._picture import Fit
from hebbstream.cli._signals import add_signals
from hebbstream.cli._types import array_names, key_value, natural, path, positive, scale, size, source

_CROP_SCALE = 4.0  # the best for natural video of those compared in docs/evidence/streams.md
MUCH_LARGER = 6  # times the network's input: a camera's frames, but not those of an old game, where pieces lose


class _AfterCheckpoint(argparse.Action):
    """A source, or a checkpoint and a source, as `evaluate` takes them."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, _option: str | None = None) -> None:
        *before, namespace.source = values
        if namespace.source.endswith(".safetensors"):
            raise argparse.ArgumentError(self, f"{namespace.source}: expected a source after the checkpoint")
        if before and (len(before) > 1 or not before[0].endswith(".safetensors")):
            raise argparse.ArgumentError(self, f"{' '.join(values)}: expected one, or CHECKPOINT.safetensors SOURCE")
        if before:
            namespace.checkpoint = path(before[0])


def add_checkpoint_and_source(parser: argparse.ArgumentParser, command: str) -> None:
    """Let a command take a checkpoint that another one wrote, and a source."""
    parser.add_argument(
        "--checkpoint",
        type=path,
        metavar="FILE",
        default=Path("run.safetensors"),
        help=f"file that `{command}` wrote (default: %(default)s); it may stand before SOURCE instead",
    )
    add_source(parser, action=_AfterCheckpoint)


def add_source(
    parser: argparse.ArgumentParser,
    name: str = "source",
    *,
    several: bool = False,
    window: bool = True,
    action: str | type[argparse.Action] = "store",
) -> None:
    """Let a command take a source, or several, and how to read it; an action of its own takes several, too."""
    parser.add_argument(
        name,
        type=source,
        metavar="SOURCE",
        nargs="+" if several or action != "store" else None,
        action=action,
        help="a video file, a glob, a webcam's number, or webcam for the first, - (standard input), or rtsp://, http://, udp://, ...; a folder of"
        " images, or of videos, a .npy, .npz or IDX file, or tar shards; a sound file, mic (the microphone), a .csv or .parquet table"
        + ("; of several, one frame of each in turn" if several else ""),
    )
    parser.set_defaults(size=None, labels=None, crops=None)  # of the commands that do not take them
    add_signals(parser, window=window)
    group = parser.add_argument_group("how to read the source")
    add_fit(group)
    group.add_argument("--stride", type=positive, default=1, metavar="N", help="keep every N-th frame")
    group.add_argument(
        "--rate",
        type=float,
        metavar="FPS",
        help="keep this many frames for each second of video; of sound, samples a second (default: 16000)",
    )
    group.add_argument("--start", type=float, default=0.0, metavar="S", help="seconds to leave out of each file")
    group.add_argument("--duration", type=float, metavar="S", help="seconds to read of each file or live source")
    group.add_argument("--loop", action="store_true", help="begin again at the end, for ever")
    group.add_argument("--stream", type=natural, metavar="N", help="which of several videos in a source, from 0")
    group.add_argument("--format", metavar="NAME", help="the source's format, as FFmpeg calls it, such as mjpeg")
    group.add_argument("--hardware", metavar="KIND", help="decode by auto, cuda, vaapi, ... where that is possible")
    group.add_argument(
        "--arrays",
        type=array_names,
        metavar="IMAGES[,LABELS]",
        help="names of the arrays in an .npz file",
    )
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


def add_fit(parser: "argparse._ActionsContainer") -> None:
    """Let a command say what becomes of frames of another shape."""
    parser.add_argument(
        "--fit",
        choices=get_args(Fit),
        help="how to bring a frame of another shape to size (default: stretch, and a warning that says so)",
    )


def add_size(parser: argparse.ArgumentParser, default: str) -> None:
    """Let a command scale the frames that it reads; `default` says to what else."""
    parser.add_argument(
        "--size",
        type=size,
        metavar="N or WxH",
        help=f"scale frames to this size (default: {default})",
    )


def add_labels(parser: argparse.ArgumentParser) -> None:
    """Let a command take the labels of its source."""
    parser.add_argument(
        "--labels",
        type=path,
        metavar="FILE",
        help="a video's labels over time: .json, .csv or .vtt, as docs/guides/labels.md says; those of an array file are another;"
        " those of images are the names of their folders, or in their shards",
    )


def add_crops(parser: argparse.ArgumentParser) -> None:
    """Let a command cut what it learns out of its frames."""
    parser.add_argument(
        "--crops",
        type=natural,
        metavar="N",
        help="learn N pieces of --size cut out of each frame at random places, or with 0 the frame scaled to that size"
        f" (default: 1 where a video's frames are {MUCH_LARGER} times as large or more, and --size, --fit and --labels are"
        " not given; otherwise, and with --preset motion, 0)",
    )
    parser.add_argument(
        "--crop-scale",
        type=scale,
        default=_CROP_SCALE,
        metavar="F",
        help="of crops: first scale frames down to F times the size of a piece; with a larger F, a piece shows less"
        " (default: %(default)s)",
    )
