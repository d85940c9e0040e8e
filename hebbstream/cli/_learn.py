"""`hebbstream learn`."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hebbstream as hs
from hebbstream._globals import usable_device
from hebbstream._quote import printable
from hebbstream.cli._anew import FirstCheckpoint
from hebbstream.cli._contradiction import refuse_contradictions
from hebbstream.cli._distributed import (
    add_distributed,
    goes_on,
    joined,
    learn_as_one,
    refuse_other_options,
    samples_a_step,
)
from hebbstream.cli._execution import add_execution, add_quiet, engine_of
from hebbstream.cli._model import add_model_options, model_options
from hebbstream.cli._new import add_network, default_size, new_network
from hebbstream.cli._new_probe import add_solver, new_probe
from hebbstream.cli._source import has_labels, open_stream
from hebbstream.cli._source_options import add_crops, add_labels, add_size, add_source
from hebbstream.cli._stills import folder_by_class
from hebbstream.cli._types import natural, path, positive, seconds, share
from hebbstream.cli._unused import refuse_unused
from hebbstream.distributed import Peers
from hebbstream.errors import CheckpointNotFoundError, ConfigurationError, InputError, StreamError
from hebbstream.export import ExportEvery
from hebbstream.learning import Metrics
from hebbstream.streams import Stream
from hebbstream.streams._novelty import SHARE

log = logging.getLogger("hebbstream.checkpoint")

# Recordings have labels on most frames. One old frame for each is then worth nearly as much as three, at half the cost.
_PER_SAMPLE, _KEPT = 1, 2000
USAGE = "SOURCE [SOURCE ...]"
WRITES = ("checkpoint", "export", "metrics")


_EPILOG = (
    "Examples: `hebbstream learn webcam --resume`; `hebbstream learn logs --window 100 --time time`;"
    " `hebbstream learn video.mp4 --labels labels.csv`. A frame, in these options, is any sample: a picture, a piece of sound, or rows"
    " of a table. `turned` shows, for each layer that learns, the share of neurons that have left their random start (a cosine below 0.9);"
    " it takes some hundred frames to rise. With labels, the accuracy is prequential: each frame is predicted before it is learned."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.epilog = _EPILOG
    add_quiet(parser)
    add_size(parser, "that of the frames learned, or else the preset's")
    add_labels(parser)
    add_crops(parser)
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--every-frame",
        action="store_true",
        help="learn every frame of a live source, not only those that show something new",
    )
    chosen.add_argument(
        "--share",
        type=share,
        metavar="F",
        help=f"of a live source, learn at least this share of the frames: those that show most that is new (default: {SHARE})",
    )
    add_source(parser, several=True)
    add_network(parser)
    add_execution(parser)
    _add_checkpoint(parser)
    _add_probe(parser)
    _add_metrics(parser)
    _add_export(parser)
    add_distributed(parser)


def run(options: argparse.Namespace) -> None:
    """Learn from a stream."""
    for name in ("solver", "replay", "replay_per_sample"):
        asked = getattr(options, name)
        if asked and not has_labels(options):
            shown = f"--{name.replace('_', '-')} {asked}"
            raise ConfigurationError(f"{shown}: expected --labels (of a table, --label), which a probe learns")
    if options.sync_every and not options.distributed:
        raise ConfigurationError(f"--sync-every {options.sync_every}: expected --distributed, with which it goes")
    if options.wire != "float32" and not options.sync_every:
        raise ConfigurationError(f"--wire {options.wire}: expected --sync-every, with which it goes")
    if not options.export:
        refuse_unused(options, "--export", _add_export)
    if not (options.metrics or options.tensorboard):
        refuse_unused(options, "--metrics", _add_metrics)
    if options.distributed:
        with joined(options) as peers:
            _run_together(options, peers)
        return
    usable_device(options.device)
    checkpoint = _checkpoint(options)
    learner = _learner(options, [*_callbacks(options), checkpoint])
    labels_before = _labels(learner)
    size = learner.net.frame_size or default_size(options)
    with open_stream(options, learner.net, size) as stream, _claimed(checkpoint):
        try:
            resume = _goes_on(options, stream, learner)
            report = learner.learn(stream, limit=options.limit, resume=resume, progress=not options.quiet)
        except (InputError, StreamError):  # what came before it is good
            if learner.report and learner.report.checkpoint:
                print(f"learned {learner.report.samples:,} samples before it failed")
                print(f"checkpoint {learner.report.checkpoint}")
            raise
    print(report)
    if report.samples and _labels(learner) == labels_before:
        _print_why_unlabelled(options)
    if learner.replay:
        print(
            f"it keeps {len(learner.replay):,} labelled samples, for the probe to learn from again (--replay 0: none)"
        )
    _print_if_nothing_was_left(options, report)
    _print_written(options)
    for name, error in stream.failures.items():
        print(f"dropped {printable(name)}: {printable(error)}")


def _goes_on(options: argparse.Namespace, stream: Stream[Any], learner: hs.Learner) -> bool:
    """Return whether what was learned of the stream is passed over; of a pipe nothing tells whether it gives the same again."""
    if stream.fingerprint is None and not stream.live and options.resume and learner.counters.position:
        log.warning("%r can be read only once: what was learned is kept, and all that comes now is learned", stream)
        return False
    return bool(options.resume)


def _run_together(options: argparse.Namespace, peers: Peers) -> None:
    """Learn as one of several processes. The first of them writes, and says so."""
    usable_device(options.device)
    refuse_other_options(options, peers)
    options.resume = goes_on(options, peers)
    if peers.rank:
        anew = argparse.Namespace(**vars(options) | {"resume": False})
        learner = _learner(anew, [])  # it takes over what the first has, from a checkpoint or not
        learn_as_one(options, learner, peers, default_size(options))
        return
    checkpoint = _checkpoint(options)
    learner = _learner(options, [*_callbacks(options), checkpoint])
    labels_before = _labels(learner)
    with _claimed(checkpoint):
        report = learn_as_one(options, learner, peers, default_size(options))
    print(f"{peers.world} processes: {report}")
    if report.samples and _labels(learner) == labels_before:
        _print_why_unlabelled(options)
    _print_if_nothing_was_left(options, report)
    _print_written(options)


def _print_if_nothing_was_left(options: argparse.Namespace, report: hs.Report) -> None:
    at_end = report.stopped == "end of stream"  # a signal may come while known samples are passed over
    read = report.stream_counts.get("frames") or options.distributed
    if options.resume and at_end and not report.samples and read:
        print("nothing was left to learn: all of it was learned before")


def _labels(learner: hs.Learner) -> int:
    return int(getattr(learner.probe, "steps", 0))


def _print_why_unlabelled(options: argparse.Namespace) -> None:
    """Say why no sample had a label, where the user will have expected some."""
    if options.labels:
        why = f"{options.labels} has none for them; its times are seconds from the start of a file"
    elif options.label:
        why = f"column {options.label!r} has none for them"
    elif folder := folder_by_class(options.source):
        why = f"each picture was read as a video; `hebbstream learn {printable(folder)}` takes the names of its folders"
    else:
        return
    print(f"no sample had a label: {why}")


def _checkpoint(options: argparse.Namespace) -> hs.Checkpoint:
    return (hs.Checkpoint if options.resume else FirstCheckpoint)(
        options.checkpoint,
        every_samples=options.checkpoint_every,
        every_seconds=options.checkpoint_seconds,
        kept=options.checkpoints_kept,
    )


@contextmanager
def _claimed(checkpoint: hs.Checkpoint) -> Iterator[None]:
    """Keep others from writing to the checkpoint, and say where an earlier one went."""
    checkpoint.claim()
    try:
        yield
    finally:
        checkpoint.release()
        if isinstance(checkpoint, FirstCheckpoint) and checkpoint.aside:
            print(f"started anew (--resume goes on instead); the earlier checkpoint is now {checkpoint.aside}")


def _add_checkpoint(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("checkpoint")
    group.add_argument("--checkpoint", type=path, metavar="FILE", default=Path("run.safetensors"), help="file to write")
    group.add_argument(
        "--checkpoint-every", type=positive, metavar="N", default=1000, help="write it after every N frames"
    )
    group.add_argument("--checkpoint-seconds", type=seconds, metavar="S", help="also write it after every S seconds")
    group.add_argument(
        "--checkpoints-kept", type=positive, metavar="N", default=2, help="how many saves to keep: FILE, FILE.1, ..."
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on from the latest good checkpoint, if there is one: a known recording goes on where it stopped, a new one begins"
        " at its start (without --resume, learn anew, and rename the earlier checkpoint)",
    )


def _add_probe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("probe", "The classifier that learns the labels, if there are any.")
    add_solver(group, "how it learns")
    group.add_argument(
        "--replay",
        type=natural,
        metavar="N",
        help=f"keep N labelled frames in the checkpoint, and learn from them again, so that the probe does not forget"
        f" (default: {_KEPT:,}, with --distributed none); 0 keeps none, and with --resume drops those that are kept",
    )
    group.add_argument(
        "--replay-per-sample",
        type=positive,
        metavar="K",
        help=f"kept frames to learn from for each new one (default: {_PER_SAMPLE}); more take longer, and are better where few"
        " frames have a label",
    )


def _add_metrics(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("metrics")
    group.add_argument(
        "--metrics", type=path, metavar="FILE", help="write JSON Lines: rates, drops, latency, turned, R1, norms"
    )
    group.add_argument("--tensorboard", type=path, metavar="FOLDER", help="write the same for TensorBoard")
    group.add_argument("--metrics-seconds", type=float, metavar="S", default=10.0, help="seconds between records")


def _add_export(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("ONNX models")
    group.add_argument(
        "--export",
        type=path,
        metavar="FILE.json",
        help="while learning, write models, and this file that names the latest",
    )
    group.add_argument(
        "--export-every", type=positive, metavar="N", default=10_000, help="write one after every N frames"
    )
    add_model_options(group, "export-")


def _learner(options: argparse.Namespace, callbacks: list[hs.Callback]) -> hs.Learner:
    """Return the learner as it is before its first sample: what the checkpoint holds, or a new network."""
    learner = _resumed(options, callbacks) if options.resume else None
    if learner is None:
        learner = hs.Learner(new_network(options, batch_size=samples_a_step(options)), callbacks=callbacks)
    learner.net.engine = engine_of(options)
    kept = options.replay
    if kept == 0:
        learner.replay = None  # nor what a checkpoint keeps
    if learner.replay is not None and options.distributed:
        raise ConfigurationError(
            f"{options.checkpoint} keeps labelled samples, which several processes do not learn from"
            " again: expected --replay 0, which drops them"
        )
    if has_labels(options) and learner.probe is None:
        learner.probe = new_probe(options, learner.net)
        kept = _KEPT if kept is None and not options.distributed else kept
    if options.replay_per_sample and not kept and learner.replay is None:
        raise ConfigurationError(
            f"--replay-per-sample {options.replay_per_sample}: expected --replay, with which it goes"
        )
    if kept and learner.replay is None:
        again = options.replay_per_sample or _PER_SAMPLE
        learner.replay = hs.Replay(kept, per_sample=again, weight=1 / again, seed=learner.net.seed)
    return learner


def _resumed(options: argparse.Namespace, callbacks: list[hs.Callback]) -> hs.Learner | None:
    try:
        learner = hs.Learner.load(options.checkpoint, options.device, callbacks=callbacks)
    except CheckpointNotFoundError as error:
        print(f"{error}: starting anew")
        return None
    refuse_contradictions(options, learner)
    print(f"going on from {options.checkpoint}, after {learner.counters.position:,} samples")
    return learner


def _callbacks(options: argparse.Namespace) -> list[hs.Callback]:
    callbacks: list[hs.Callback] = []
    if options.export:
        callbacks.append(ExportEvery(options.export, every_samples=options.export_every, **model_options(options)))
    if options.metrics or options.tensorboard:
        seconds = options.metrics_seconds
        callbacks.append(Metrics(options.metrics, tensorboard=options.tensorboard, every_seconds=seconds))
    return callbacks


def _print_written(options: argparse.Namespace) -> None:
    written: dict[str, Any] = {
        "models named by": options.export,
        "metrics": options.metrics,
        "TensorBoard": options.tensorboard,
    }
    for what, where in written.items():
        if where is not None:
            print(f"{what} {where}")
