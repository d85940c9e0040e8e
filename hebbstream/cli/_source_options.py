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
        help="a video, a sound or a table (.csv, .parquet); a folder of these, or of pictures; a pattern in quotes, such as 'logs/*.csv'; webcam, or"
        " its number; mic; an address, such as rtsp://; - (standard input); .npy, .npz, IDX or tar shards"
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
        help="video: keep this many frames a second; sound: values a second (default: 16000)",
    )
    group.add_argument("--start", type=float, default=0.0, metavar="S", help="skip the first S seconds of each file")
    group.add_argument("--duration", type=float, metavar="S", help="seconds to read of each file or live source")
    group.add_argument("--loop", action="store_true", help="at the end, begin again, without end")
    group.add_argument(
        "--stream", type=natural, metavar="N", help="which of several videos or sounds in a file, from 0"
    )
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
        help="how to bring a frame of another shape to size (default: stretch, with a warning)",
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
        help="labels of a video: a .json, .csv or .vtt file with the start and end (in seconds) and label of each segment; of an array file,"
        " another array file; of a folder of pictures, a .csv, .parquet or .jsonl table of file_name and label (without one, their sub-folder names the"
        " label; shards have theirs)",
    )


def add_crops(parser: argparse.ArgumentParser) -> None:
    """Let a command cut what it learns out of its frames."""
    parser.add_argument(
        "--crops",
        type=natural,
        metavar="N",
        help="learn N random pieces of each frame, of --size; with 0, the whole frame, scaled to that size"
        f" (default: 1 for a video {MUCH_LARGER} times that size or more, without --size, --fit, --labels and --preset motion; else 0)",
    )
    parser.add_argument(
        "--crop-scale",
        type=scale,
        default=_CROP_SCALE,
        metavar="F",
        help="with --crops: first scale frames to F times the size of a piece; a smaller F makes a piece show more"
        " (default: %(default)s)",
    )
