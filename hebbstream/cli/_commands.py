"""What each command does."""

import argparse
import platform
from itertools import count, islice
from pathlib import Path

import torch

import hebbstream as hs
from hebbstream import _threads as threads
from hebbstream.cli._demo import run_demo
from hebbstream.cli._deploy import model_options
from hebbstream.cli._source import open_source, open_stream
from hebbstream.cli._timing import time_steps
from hebbstream.errors import ConfigurationError
from hebbstream.export import ExportEvery
from hebbstream.inspection import observe, plot_receptive_fields, summarize, write_report
from hebbstream.learning import Metrics
from hebbstream.learning._generations import earlier_generations
from hebbstream.network.engine import make_engine


def demo(options: argparse.Namespace) -> None:
    """Learn from the bundled clip."""
    lines = run_demo(options.output, seed=options.seed, progress=not options.quiet, limit=options.limit)
    print("\n" + "\n".join(lines))


def learn(options: argparse.Namespace) -> None:
    """Learn from a stream."""
    if options.replay and not options.labels:
        raise ConfigurationError(f"--replay {options.replay}: expected --labels, which a probe learns")
    engine = make_engine(options.engine, options.precision)
    if options.resume and (options.checkpoint.exists() or earlier_generations(options.checkpoint)):
        saved = hs.load_latest_checkpoint(options.checkpoint, options.device)
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
    if options.replay and saved.replay is None:
        saved.replay = hs.Replay(options.replay, per_sample=options.replay_per_sample, seed=options.seed)
    callbacks: list[hs.Callback] = []
    if options.export:
        callbacks.append(ExportEvery(options.export, options.export_every, saved.probe, **model_options(options)))
    if options.metrics or options.tensorboard:
        callbacks.append(Metrics(options.metrics, tensorboard=options.tensorboard, seconds=options.metrics_every))
    side = hs.PRESETS[options.preset].image_size
    with open_stream(options, saved.net, saved.net.frame_size or (side, side)) as frames:
        report = hs.learn(
            saved.net,
            frames,
            saved.probe,
            replay=saved.replay,
            limit=options.limit,
            checkpoint=options.checkpoint,
            checkpoint_every=options.checkpoint_every,
            checkpoint_seconds=options.checkpoint_seconds,
            checkpoints_kept=options.checkpoints_kept,
            counters=saved.counters,
            callbacks=callbacks,
            progress=not options.quiet,
        )
    print(report)
    if options.export:
        print(f"models named by {options.export}")
    for name, error in frames.failures.items():
        print(f"dropped {name}: {error}")


def bench(options: argparse.Namespace) -> None:
    """Time steps."""
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


def inspect(options: argparse.Namespace) -> None:
    """Show and draw a checkpoint."""
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
        with open_source(options, net.in_channels, net.frame_size) as stream:
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


def info(options: argparse.Namespace) -> None:  # noqa: ARG001  # every command takes its options
    """Show versions, devices and presets."""
    from importlib.metadata import PackageNotFoundError, version

    print(f"hebbstream {hs.__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for package in ("torch", "numpy", "river", "av", "onnx", "onnxruntime", "onnxruntime-gpu", "matplotlib"):
        try:
            print(f"{package:16} {version(package)}")
        except PackageNotFoundError:
            print(f"{package:16} not installed")
    cuda = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    print(f"{'CUDA devices':16} {cuda or 'none'}")
    waiting = f"spin {threads.SPIN_COUNT} times" if threads.SHORT_SPIN else "as the environment or torch sets it"
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
        for earlier in (checkpoint, *earlier_generations(checkpoint)):
            earlier.rename(earlier.with_name(earlier.name.replace(checkpoint.name, aside.name)))
        print(f"starting anew (--resume goes on instead); the earlier checkpoint is now {aside}")


def _check_device(name: str) -> None:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"device {name!r}: {str(error).splitlines()[0]}") from None
