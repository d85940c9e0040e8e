"""The `hebbstream` command."""

import argparse
import platform
import sys
from collections.abc import Callable, Sequence
from itertools import count, islice
from operator import length_hint
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from tqdm import tqdm

import hebbstream as hs
from hebbstream.adapters.labels import labels_from_json
from hebbstream.adapters.video import VideoStream, open_video
from hebbstream.bench import time_steps
from hebbstream.demo import run_demo
from hebbstream.engine import EngineName, make_engine
from hebbstream.errors import ConfigurationError
from hebbstream.export import OnnxExtractor, to_onnx
from hebbstream.export.session import relative_difference
from hebbstream.inspection import observe, plot_receptive_fields, summarize, write_report
from hebbstream.precision import PrecisionName

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 an error, 2 wrong usage, 130 interrupted."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except hs.HebbstreamError as error:
        if options.debug:
            raise
        print(f"hebbstream: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hebbstream: interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hebbstream",
        description="Streaming, online, backprop-free feature learning from video.",
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action="version", version=f"hebbstream {hs.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    demo = _command(commands, "demo", _demo, "learn from the bundled clip; write pictures, a checkpoint and a model")
    demo.add_argument("--output", type=Path, default=Path("hebbstream-demo"), metavar="FOLDER", help="where results go")
    demo.add_argument("--seed", type=int, default=0, help="of the initial weights")
    demo.add_argument("--limit", type=_positive, metavar="N", help="stop after N frames")
    _quiet(demo)

    learn = _command(commands, "learn", _learn, "learn features from a video, frame by frame")
    _source(learn)
    learn.add_argument("--preset", default="cifar10", choices=hs.PRESETS, help="the network's architecture and rates")
    learn.add_argument(
        "--width", type=_positive, metavar="N", help="neurons of the first layer (default: the preset's)"
    )
    learn.add_argument("--seed", type=int, default=0, help="of the initial weights")
    learn.add_argument("--mirror", action="store_true", help="see each frame together with its mirror image")
    learn.add_argument(
        "--event-threshold",
        type=float,
        metavar="Y",
        help="leave activities up to this out of the update; 0 leaves none out (default: the preset's)",
    )
    _execution(learn)
    learn.add_argument("--limit", type=_positive, metavar="N", help="stop after N frames")
    learn.add_argument("--checkpoint", type=Path, metavar="FILE", default=Path("run.safetensors"), help="file to write")
    learn.add_argument("--checkpoint-every", type=_positive, metavar="N", default=1000, help="frames between writes")
    learn.add_argument("--resume", action="store_true", help="go on from the checkpoint if there is one")
    _quiet(learn)

    evaluate = _command(
        commands, "evaluate", _evaluate, "score frozen features with a probe that predicts, then learns, frame by frame"
    )
    evaluate.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    _source(evaluate, labels_required=True)
    evaluate.add_argument("--fresh-probe", action="store_true", help="start a new probe instead of the checkpoint's")
    evaluate.add_argument("--limit", type=_positive, metavar="N", help="stop after N frames")
    _quiet(evaluate)

    export = _command(commands, "export", _export, "write an ONNX model")
    export.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    export.add_argument("model", type=Path, metavar="MODEL")
    export.add_argument("--size", type=_size, metavar="N or WxH", help="of the frames (default: of the last learned)")
    export.add_argument("--verify", metavar="SOURCE", help="compare ONNX Runtime with torch on frames of this video")

    bench = _command(commands, "bench", _bench, "time learning steps on this machine; write nothing")
    bench.add_argument("--preset", default="cifar10", choices=hs.PRESETS, help="the network's architecture")
    bench.add_argument(
        "--width", type=_positive, metavar="N", help="neurons of the first layer (default: the preset's)"
    )
    bench.add_argument("--batches", type=_positive, nargs="+", default=[1, 10], metavar="N", help="samples in a step")
    bench.add_argument("--seconds", type=float, default=5.0, help="of measurement for each")
    _execution(bench)

    inspect = _command(
        commands, "inspect", _inspect, "show a checkpoint's layers, and draw what their neurons look for"
    )
    inspect.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    inspect.add_argument("--picture", type=Path, metavar="FILE", help="draw the first layer's weights to this file")
    inspect.add_argument("--report", type=Path, metavar="FOLDER", help="draw everything there is to see to this folder")
    inspect.add_argument("--neurons", type=_positive, default=48, metavar="N", help="to show of each layer")
    inspect.add_argument("--seed", type=int, default=0, help="of the optimal inputs and the embedding")
    _source(inspect, "--source")
    inspect.add_argument("--limit", type=_positive, default=500, metavar="N", help="stop after N frames")
    _quiet(inspect)

    _command(commands, "info", _info, "show versions, devices and presets")
    return parser


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not the empty ones."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        empty = action.default in (None, False) or "default" in (action.help or "")
        return action.help if empty else super()._get_help_string(action)


def _command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], help_text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".", formatter_class=_Formatter
    )
    command.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    command.set_defaults(run=run)
    return command


def _source(command: argparse.ArgumentParser, name: str = "source", *, labels_required: bool = False) -> None:
    command.add_argument(name, metavar="SOURCE", help="a video file")
    command.add_argument(
        "--size",
        type=_size,
        default=None,
        metavar="N or WxH",
        help="scale to (default: that of the frames learned, or the preset's)",
    )
    command.add_argument("--stride", type=_positive, default=1, metavar="N", help="keep every N-th frame")
    command.add_argument("--rate", type=float, metavar="FPS", help="keep this many frames for each second of video")
    command.add_argument(
        "--labels",
        type=Path,
        required=labels_required,
        metavar="FILE",
        help='JSON: {"segments": [{"start": seconds, "label": name}, ...]}',
    )


def _execution(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="cpu", help="torch device to compute on")
    command.add_argument("--engine", default="eager", choices=get_args(EngineName), help="how a step is executed")
    command.add_argument(
        "--precision", default="float32", choices=get_args(PrecisionName), help="of matrix products while learning"
    )


def _quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a positive integer")
    return int(text)


def _size(text: str) -> tuple[int, int]:
    """Read ``N`` or ``WIDTHxHEIGHT`` as (height, width)."""
    width, _, height = text.partition("x")
    return _positive(height or width), _positive(width)


def _open(options: argparse.Namespace, net: hs.SoftHebbNet, size: tuple[int, int] | None) -> VideoStream:
    if net.in_channels not in (1, 3):
        raise ConfigurationError(f"a network of {net.in_channels} input channels: expected 1 or 3 for video")
    label = None if getattr(options, "labels", None) is None else labels_from_json(options.labels)
    return open_video(
        options.source,
        size=getattr(options, "size", None) or size,
        stride=getattr(options, "stride", 1),
        rate=getattr(options, "rate", None),
        gray=net.in_channels == 1,
        label=label,
    )


def _demo(options: argparse.Namespace) -> None:
    lines = run_demo(options.output, seed=options.seed, progress=not options.quiet, limit=options.limit)
    print("\n" + "\n".join(lines))


def _learn(options: argparse.Namespace) -> None:
    engine = make_engine(options.engine, options.precision)
    if options.resume and options.checkpoint.exists():
        saved = hs.load_checkpoint(options.checkpoint, options.device)
        saved.net.engine = engine
        print(f"going on from {options.checkpoint}, after {saved.counters.position:,} frames")
    else:
        _check_device(options.device)
        net = hs.SoftHebbNet.from_preset(
            options.preset,
            width=options.width,
            event_threshold=options.event_threshold,
            mirror=options.mirror,
            seed=options.seed,
            device=options.device,
            engine=engine,
        )
        _keep_earlier(options.checkpoint)
        saved = hs.Checkpoint(net, hs.SoftmaxProbe() if options.labels else None)
    side = hs.PRESETS[options.preset].image_size
    with _open(options, saved.net, saved.net.frame_size or (side, side)) as frames:
        report = hs.learn(
            saved.net,
            frames,
            saved.probe,
            limit=options.limit,
            checkpoint=options.checkpoint,
            checkpoint_every=options.checkpoint_every,
            counters=saved.counters,
            progress=not options.quiet,
        )
    print(report)


def _evaluate(options: argparse.Namespace) -> None:
    saved = hs.load_checkpoint(options.checkpoint)
    probe = saved.probe
    if probe is None or options.fresh_probe:
        probe = hs.SoftmaxProbe()
    scored = correct = 0
    with _open(options, saved.net, saved.net.frame_size) as frames:
        total = min(length_hint(frames), options.limit or sys.maxsize) or None
        for sample in tqdm(islice(frames, options.limit), total=total, unit=" samples", disable=options.quiet):
            features = saved.net.transform_one(sample.x)
            correct += probe.predict_one(features) == sample.y
            scored += 1
            probe.learn_one(features, sample.y)
    print(f"prequential accuracy {correct / scored:.1%} over {scored:,} frames, {len(probe.classes)} classes")
    print("nothing was written: the checkpoint is as it was")


def _export(options: argparse.Namespace) -> None:
    saved = hs.load_checkpoint(options.checkpoint)
    probe = saved.probe if saved.probe is not None and saved.probe.classes else None
    to_onnx(saved.net, options.model, probe, size=options.size)
    if options.verify:
        options.source = options.verify
        with _open(options, saved.net, options.size or saved.net.frame_size) as stream:
            frames = np.stack([sample.x for sample in islice(stream, 100)])
        extractor = OnnxExtractor(options.model)
        difference = relative_difference(saved.net, extractor, frames)
        print(
            f"{extractor.providers[0]} against torch on {len(frames)} frames: largest relative difference {difference:.1e}"
        )
    print(f"model {options.model} ({options.model.stat().st_size / 1e6:.1f} MB)")


def _bench(options: argparse.Namespace) -> None:
    _check_device(options.device)
    print(f"{options.preset}, {options.engine} engine, {options.precision}, {options.device}, median of a step")
    for batch in options.batches:
        engine = make_engine(options.engine, options.precision)
        learn, transform = time_steps(
            options.preset, batch, width=options.width, device=options.device, engine=engine, seconds=options.seconds
        )
        print(
            f"batch {batch:4}: learn {1e3 * learn:9.2f} ms ({batch / learn:8.0f} samples a second),"
            f" transform {1e3 * transform:9.2f} ms, learning over inference {learn / transform:.2f}"
        )


def _inspect(options: argparse.Namespace) -> None:
    if options.labels and not options.source:
        raise ConfigurationError(f"--labels {options.labels}: expected --source, the video that they belong to")
    saved = hs.load_checkpoint(options.checkpoint)
    net = saved.net
    print(f"{options.checkpoint}: {net.samples_seen:,} samples learned, frames {net.frame_size}, seed {net.seed}")
    print("layer  neurons  synapses     R1  duplicates   weight norm: least  median  greatest")
    for index, layer in enumerate(summarize(net), start=1):
        least, median, greatest = layer.norm_quantiles
        print(
            f"{index:5}  {layer.neurons:7,}  {layer.synapses:8,}  {layer.r1_fraction:5.1%}  {layer.duplicates:10,}"
            f"  {least:17.2f}  {median:6.2f}  {greatest:8.2f}"
        )
    if saved.probe is not None:
        print(f"probe: {saved.probe.steps:,} labels, classes {', '.join(map(str, saved.probe.classes))}")
    samples = []
    if options.source:
        with _open(options, net, net.frame_size) as stream:
            samples = list(islice(stream, options.limit))
        print(f"\non {len(samples):,} frames of {options.source}")
        print("layer    dead  silent  entropy of wins  winner's share  active")
        for index, activity in enumerate(observe(net, samples, progress=not options.quiet), start=1):
            print(
                f"{index:5}  {activity.dead:6,}  {activity.silent:6,}  {activity.win_entropy:15.2f}"
                f"  {activity.winner_share:14.1%}  {float(activity.active.mean()):6.1%}"
            )
    written = []
    if options.picture:
        written.append(plot_receptive_fields([(f"after {net.samples_seen:,} samples", net)], options.picture))
    if options.report:
        written += write_report(
            net, options.report, samples, neurons=options.neurons, seed=options.seed, progress=not options.quiet
        )
    print("\n".join(f"picture {path}" for path in written) or "nothing was written")


def _info(options: argparse.Namespace) -> None:  # noqa: ARG001  # every command takes its options
    from importlib.metadata import PackageNotFoundError, version

    print(f"hebbstream {hs.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for package in ("torch", "numpy", "river", "av", "onnx", "onnxruntime", "onnxruntime-gpu", "matplotlib"):
        try:
            print(f"{package:16} {version(package)}")
        except PackageNotFoundError:
            print(f"{package:16} not installed")
    cuda = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    print(f"{'CUDA devices':16} {cuda or 'none'}")
    waiting = f"spin {hs.threads.SPIN_COUNT} times" if hs.threads.SHORT_SPIN else "as the environment or torch sets it"
    print(f"{'CPU threads':16} {torch.get_num_threads()}, waiting for each other: {waiting}")
    print("presets")
    for name, preset in hs.PRESETS.items():
        channels = "/".join(str(spec.channels) for spec in preset.layers)
        print(
            f"  {name:14} {channels} neurons, {preset.image_size}×{preset.image_size} pixels, {preset.in_channels} channels"
        )


def _keep_earlier(checkpoint: Path) -> None:
    """Move an earlier run's checkpoint aside rather than write over it."""
    if checkpoint.is_file():
        aside = next(
            path
            for number in count(1)
            if not (path := checkpoint.with_suffix(f".{number}{checkpoint.suffix}")).exists()
        )
        checkpoint.rename(aside)
        print(f"starting anew (--resume goes on instead); the earlier checkpoint is now {aside}")


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"device {name!r}: {str(error).splitlines()[0]}") from None


if __name__ == "__main__":
    sys.exit(main())
