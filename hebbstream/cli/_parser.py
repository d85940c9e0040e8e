"""What the `hebbstream` command understands."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import hebbstream as hs
from hebbstream.cli import _commands as commands
from hebbstream.cli import _deploy as deploy
from hebbstream.cli._evaluation import evaluate as run_evaluate
from hebbstream.cli._evaluation import metric
from hebbstream.cli._source import add_source, natural, positive
from hebbstream.network.engine import EngineName
from hebbstream.probe._solvers import SOLVERS
from hebbstream.rule._precision import PrecisionName


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; each command sets `run` to the function that does it."""
    parser = argparse.ArgumentParser(
        prog="hebbstream",
        description="Streaming, online, backprop-free feature learning from video.",
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action="version", version=f"hebbstream {hs.__version__}")
    group = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = _command(
        group, "demo", commands.demo, "learn from the bundled clip; write pictures, a checkpoint and a model"
    )
    demo.add_argument("--output", type=Path, default=Path("hebbstream-demo"), metavar="FOLDER", help="where results go")
    demo.add_argument("--seed", type=int, default=0, help="of the initial weights")
    demo.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    _quiet(demo)

    learn = _command(
        group, "learn", commands.learn, "learn features from a video, a camera or a network stream, frame by frame"
    )
    add_source(learn, several=True)
    learn.add_argument("--preset", default="cifar10", choices=hs.PRESETS, help="the network's architecture and rates")
    learn.add_argument("--width", type=positive, metavar="N", help="neurons of the first layer (default: the preset's)")
    learn.add_argument("--seed", type=int, default=0, help="of the initial weights")
    learn.add_argument(
        "--every-frame",
        action="store_true",
        help="learn a live source's frames as they come (default: hebbstream.streams.for_live, those that show something new)",
    )
    learn.add_argument("--mirror", action="store_true", help="see each frame together with its mirror image")
    learn.add_argument(
        "--event-threshold",
        type=float,
        metavar="Y",
        help="leave activities up to this out of the update; 0 leaves none out (default: the preset's)",
    )
    _execution(learn)
    learn.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    learn.add_argument("--checkpoint", type=Path, metavar="FILE", default=Path("run.safetensors"), help="file to write")
    learn.add_argument("--checkpoint-every", type=positive, metavar="N", default=1000, help="frames between writes")
    learn.add_argument("--checkpoint-seconds", type=float, metavar="S", help="most seconds between writes")
    learn.add_argument(
        "--checkpoints-kept", type=positive, metavar="N", default=2, help="generations to keep: FILE, FILE.1, ..."
    )
    learn.add_argument("--resume", action="store_true", help="go on from the latest good checkpoint if there is one")
    learn.add_argument(
        "--replay",
        type=positive,
        metavar="N",
        help="with --labels: keep N frames of all classes and let the probe learn from them again",
    )
    learn.add_argument(
        "--replay-per-sample",
        type=positive,
        metavar="K",
        default=3,
        help="frames to learn from again for each new one; more take longer, and ask for a larger N",
    )
    learn.add_argument(
        "--metrics", type=Path, metavar="FILE", help="write JSON Lines: rates, drops, latency, R1, norms"
    )
    learn.add_argument("--tensorboard", type=Path, metavar="FOLDER", help="write the same for TensorBoard")
    learn.add_argument(
        "--export", type=Path, metavar="FILE.json", help="write ONNX models beside this manifest while learning"
    )
    learn.add_argument("--export-every", type=positive, metavar="N", default=10_000, help="frames between models")
    deploy.add_model_options(learn, "export-")
    learn.add_argument("--metrics-every", type=float, metavar="S", default=10.0, help="seconds between records")
    _quiet(learn)

    evaluate = _command(
        group, "evaluate", run_evaluate, "score features with a probe that predicts, then learns, frame by frame"
    )
    evaluate.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    add_source(evaluate, labels_required=True)
    evaluate.add_argument(
        "--learn-features", action="store_true", help="let the network learn on, too (default: it stays as it is)"
    )
    evaluate.add_argument("--fresh-probe", action="store_true", help="start a new probe instead of the checkpoint's")
    evaluate.add_argument("--solver", choices=SOLVERS, help="of a new probe (default: gradient)")
    evaluate.add_argument(
        "--metrics",
        type=metric,
        nargs="+",
        default=[],
        metavar="NAME",
        help="river's metrics of classification besides Accuracy, such as CohenKappa, MacroF1 or CrossEntropy",
    )
    evaluate.add_argument("--window", type=positive, default=1000, metavar="N", help="frames in a windowed score")
    evaluate.add_argument("--delay", type=natural, default=0, metavar="N", help="frames by which labels come later")
    evaluate.add_argument("--plot", type=Path, metavar="FILE", help="draw the metrics along the stream to this file")
    evaluate.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    _quiet(evaluate)

    export = _command(group, "export", deploy.export, "write an ONNX model")
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    export.add_argument("model", type=Path, metavar="MODEL")
    deploy.add_model_options(export)
    export.add_argument("--feature-map", action="store_true", help="give the last layer's maps, of frames of any size")
    export.add_argument("--verify", action="store_true", help="compare with torch on frames of --source, and time both")
    export.add_argument("--seconds", type=float, default=1.0, help="of each timing")
    add_source(export, "--source", sized=False)

    verify = _command(
        group,
        "verify",
        deploy.verify,
        "check an ONNX model, compare it with its checkpoint, and time it on real frames",
    )
    verify.add_argument("model", type=Path, metavar="MODEL")
    add_source(verify)
    verify.add_argument("--checkpoint", type=Path, metavar="FILE", help="that the model was made from")
    verify.add_argument(
        "--providers",
        nargs="+",
        metavar="NAME",
        help="tensorrt, cuda, cpu, or ONNX Runtime's own names (default: the best)",
    )
    verify.add_argument("--seconds", type=float, default=1.0, help="of each timing")

    bench = _command(group, "bench", commands.bench, "time learning steps on this machine; write nothing")
    bench.add_argument("--preset", default="cifar10", choices=hs.PRESETS, help="the network's architecture")
    bench.add_argument("--width", type=positive, metavar="N", help="neurons of the first layer (default: the preset's)")
    bench.add_argument("--batches", type=positive, nargs="+", default=[1, 10], metavar="N", help="samples in a step")
    bench.add_argument("--seconds", type=float, default=5.0, help="of measurement for each")
    _execution(bench)

    inspect = _command(
        group, "inspect", commands.inspect, "show a checkpoint's layers, and draw what their neurons look for"
    )
    inspect.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    inspect.add_argument("--picture", type=Path, metavar="FILE", help="draw the first layer's weights to this file")
    inspect.add_argument("--report", type=Path, metavar="FOLDER", help="draw everything there is to see to this folder")
    inspect.add_argument("--neurons", type=positive, default=48, metavar="N", help="to show of each layer")
    inspect.add_argument("--seed", type=int, default=0, help="of the optimal inputs and the embedding")
    add_source(inspect, "--source")
    inspect.add_argument("--limit", type=positive, default=500, metavar="N", help="stop after N frames")
    _quiet(inspect)

    _command(group, "info", commands.info, "show versions, devices and presets")
    return parser


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not the empty ones."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default in (None, False, []) or "default" in (action.help or "")
        return action.help if empty else super()._get_help_string(action)


def _command(
    group: Any, name: str, run: Callable[[argparse.Namespace], None], help_text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = group.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".", formatter_class=_Formatter
    )
    command.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    command.add_argument(
        "--log-level", default="warning", choices=("debug", "info", "warning", "error"), help="what to log to stderr"
    )
    command.set_defaults(run=run)
    return command


def _execution(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="cpu", help="torch device to compute on")
    command.add_argument("--engine", default="eager", choices=get_args(EngineName), help="how a step is executed")
    command.add_argument(
        "--precision", default="float32", choices=get_args(PrecisionName), help="of matrix products while learning"
    )


def _quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quiet", action="store_true", help="no progress bar")
