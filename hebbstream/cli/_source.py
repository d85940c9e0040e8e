"""Sources of samples, opened as the options say."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import ExitStack
from functools import cache, partial
from itertools import count, islice
from typing import Any

from hebbstream._credentials import mask_credentials
from hebbstream.adapters._images import suffix
from hebbstream.adapters._media._interruptible import result_of, started
from hebbstream.adapters._picture import PictureFormat
from hebbstream.adapters.arrays import open_arrays
from hebbstream.adapters.video import open_video
from hebbstream.adapters.video._conversion import ChooseSize
from hebbstream.cli._media import media_options
from hebbstream.cli._medium import as_learned
from hebbstream.cli._signals import MEDIA_ONLY, open_signal, refuse, refuse_signal_options, signal_of
from hebbstream.cli._source_options import MUCH_LARGER
from hebbstream.cli._stills import kind_of, open_stills
from hebbstream.errors import ConfigurationError, ConnectionLostError, StalledStreamError, StreamError
from hebbstream.learning._interruption import StopWaiting, interruption
from hebbstream.network._network import SoftHebbNet
from hebbstream.rule import _fast as fast
from hebbstream.streams import Stream, augment, crops, interleave, novel
from hebbstream.streams._composed import Composed
from hebbstream.streams._live import HEARTBEAT
from hebbstream.streams._novelty import SHARE
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.video")
_CALLED = {"images": "a folder of images", "arrays": "an array file", "shards": "tar shards"}


def has_labels(options: argparse.Namespace) -> bool:
    """Whether what the options name may bring labels along."""
    sources = options.source if isinstance(options.source, list) else [options.source]
    kinds = {kind_of(source) for source in sources}
    named = options.arrays is not None and options.arrays[1]
    return bool(options.labels or options.label or named or kinds & {"images", "shards"})


def imprints(net: SoftHebbNet) -> bool:
    """Whether a network learns from what changes between successive frames, so that their order must stay."""
    return any(layer.spec.imprints for layer in net.layers)


def open_source(
    options: argparse.Namespace,
    channels: int,
    size: tuple[int, int] | None,
    source: str | None = None,
    *,
    whole: bool = False,
    scaled: ChooseSize | None = None,
    mixed: bool = False,
) -> Stream[Any]:
    """Open the source that the options name, or another in the same way, for a network of so many input channels.

    Frames come in the size that the options name, or else in `size`; `whole` leaves them as they are, and `scaled` chooses
    a video's. With `mixed`, pictures in folders by class come in a random order.
    """
    fast.prepare()  # a network is about to need them
    source = source or options.source
    if signal_of(options, source):
        return _every(open_signal(options, source, size, channels), options.stride)
    refuse_signal_options(options, source)
    kind = kind_of(source)
    if kind == "arrays" and size is not None and size[0] == 1:
        return _open_windows(options, source)
    if channels not in (1, 3):
        raise ConfigurationError(f"a network of {channels} input channels: expected 1 or 3 for pictures")
    form = PictureFormat(None if whole else options.size or size, options.fit, channels == 1)
    if kind != "video":
        _check_stills(options, kind, source)
        arrays = options.arrays or (None, None)
        stills = open_stills(kind, source, form, arrays=arrays, labels=options.labels, mixed=mixed)
        return _every(stills, options.stride)
    if options.arrays:
        raise ConfigurationError(f"--arrays for {source}: expected an .npz file")
    if suffix(source) == "jsonl":
        raise ConfigurationError(f"{source}: expected the folder of its pictures, and --labels {source}")
    return open_video(
        source,
        size=scaled or form.size,
        fit=form.fit,
        gray=form.gray,
        stride=options.stride,
        rate=options.rate,
        hardware=options.hardware,
        **media_options(options),
    )


def _open_windows(options: argparse.Namespace, source: str) -> Stream[Any]:
    """Open an array file of windows of a signal, which are no pictures to be brought to size."""
    refuse(options, ("size", "fit", "crops"), source, "pictures", "windows of a signal")
    _check_stills(options, "arrays", source)
    image, label = options.arrays or (None, None)
    return _every(open_arrays(source, options.labels, image=image, label=label), options.stride)


def _check_stills(options: argparse.Namespace, kind: str, source: str) -> None:
    """Refuse what only a video knows."""
    found = _CALLED[kind]
    refuse(options, (*MEDIA_ONLY, "hardware"), source, "a video", found)
    if kind == "shards":
        refuse(options, ["labels"], source, "a video, an array file or a folder of images", found)
    if kind != "arrays":
        refuse(options, ["arrays"], source, "an .npz file", found)


def _every(stream: Stream[Any], stride: int) -> Stream[Any]:
    if stride == 1:
        return stream
    kept = islice(stream, 0, None, min(stride, sys.maxsize))
    return Composed(kept, stream, name=f"{stream!r}, one in {stride}", count=lambda frames: -(-frames // stride))


def read_samples(stream: Stream[Any], limit: int | None, failures: list[StreamError]) -> Generator[Any, None, None]:
    """Yield the samples of a stream, `limit` at most; the first Ctrl-C or SIGTERM ends them, as `learn` does.

    So does an error of the stream, which is added to `failures`: what came before it is good.
    """
    with interruption() as interrupted:
        items = iter(stream)
        for _ in count() if limit is None else range(limit):
            try:
                with interrupted.waiting():
                    item = next(items)
            except (StopIteration, StopWaiting):
                return
            except StreamError as error:
                failures.append(error)
                return
            yield item
            if interrupted.requested:
                return


def time_shown(sample: Sample) -> float | None:
    """Return the time that is told beside a sample's source: in its own file, where several come one after another."""
    return sample.t if sample.own_time is None else sample.own_time


def left_out(stream: Stream[Any]) -> str:
    """Return what is said of a stream's damaged samples behind how many there were; nothing where none was damaged."""
    return f" ({stream.stats.corrupt:,} damaged left out)" if stream.stats.corrupt else ""


def read_frames(options: argparse.Namespace, channels: int, size: tuple[int, int] | None, count: int) -> list[Any]:
    """Return the first frames of the source, `count` at most."""
    with open_source(options, channels, size) as stream:
        return [sample.x for sample in islice(stream, count)]


def open_stream(options: argparse.Namespace, net: SoftHebbNet, size: tuple[int, int] | None) -> Stream[Any]:
    """Open the source that `learn` is to learn from, or several as one stream; of live ones, what is new.

    A live source that cannot be reached is reported and left out, as is one that dies later; a file must be there.
    """
    check_sources(options)
    if len(options.source) == 1:
        stream = _open_one(options, net, size, _scaling(options, size), options.source[0])
        live = stream.live
    else:
        streams = _open_several(options, net, size)
        live = any(stream.live for stream in streams.values())
        stream = interleave(streams, by="arrival" if live else "turn")
    if options.share and not live:
        stream.close()
        names = ", ".join(map(mask_credentials, options.source))
        raise ConfigurationError(f"--share {options.share:g} for {names}: expected a camera or another live source")
    return stream


def check_sources(options: argparse.Namespace) -> None:
    """Refuse sources that do not go together, before any is opened: pictures and signals for one network, labels of one."""
    if options.crops and options.fit:
        raise ConfigurationError(f"--crops {options.crops} with --fit {options.fit}: expected one of the two")
    if options.labels and len(options.source) > 1:
        raise ConfigurationError(f"--labels {options.labels}: expected a single source, which they belong to")
    kinds = [signal_of(options, source) or "pictures" for source in options.source]
    for name, kind in zip(options.source, kinds, strict=True):
        if kind != kinds[0]:
            first = options.source[0]
            raise ConfigurationError(f"{first} is read as {kinds[0]}, {name} as {kind}: expected sources of one kind")


def _open_several(
    options: argparse.Namespace, net: SoftHebbNet, size: tuple[int, int] | None
) -> dict[str, Stream[Any]]:
    streams: dict[str, Stream[Any]] = {}
    unreachable: list[tuple[str, StreamError]] = []
    with ExitStack() as opened:
        open_one = partial(_open_one, options, net, size, _scaling(options, size))
        waits = [_begin_to_open(open_one, source, opened) for source in options.source]
        for number, (source, wait) in enumerate(zip(options.source, waits, strict=True), start=1):
            name = mask_credentials(source)
            try:
                stream = wait()
            except (ConnectionLostError, StalledStreamError) as error:
                unreachable.append((name, error))
            else:
                streams[f"{name} ({number})" if name in streams else name] = stream
        live = [stream.live for stream in streams.values()]
        for name, reason in unreachable:
            if not (live and all(live)):
                raise reason  # to leave it out would change the order of the recordings
            log.warning("source %r is left out: %s", name, reason)
        if options.resume and any(live) != all(live):
            raise ConfigurationError("--resume with recordings and live sources: expected only one of the two kinds")
        opened.pop_all()
    return streams


def _begin_to_open(open_one: Callable[[str], Stream[Any]], source: str, opened: ExitStack) -> Callable[[], Stream[Any]]:
    """Return what waits for a source; all but files open at once, so that a silent camera does not hold up the others."""
    if os.path.isfile(source):  # noqa: PTH113  # `Path` fails on a text too long for a path
        return lambda: opened.enter_context(open_one(source))
    opening = started(partial(open_one, source))
    opened.callback(opening.add_done_callback, _close)  # one that still waits is closed as soon as it opens
    return partial(result_of, opening)


def _close(opening: "Future[Stream[Any]]") -> None:
    if opening.exception() is None:
        opening.result().close()


def _open_one(
    options: argparse.Namespace, net: SoftHebbNet, size: tuple[int, int] | None, scaled: ChooseSize, source: str
) -> Stream[Any]:
    options = as_learned(options, net, source)
    if kind := signal_of(options, source):
        refuse(options, ["share"], source, "a camera", kind)
        return open_source(options, net.in_channels, size, source)  # what is done to pictures would not do for it
    into = options.size or size or (32, 32)
    whole = options.size or options.fit or options.labels
    whole = whole or imprints(net)  # what moves shows where a place stays
    if options.crops is None and kind_of(source) == "video" and not whole:
        stream = open_source(options, net.in_channels, size, source, scaled=scaled)
        return _worth_learning(stream, options, lambda frames: crops(frames, into, seed=net.seed))
    stream = open_source(options, net.in_channels, size, source, whole=bool(options.crops), mixed=not imprints(net))
    varied = not imprints(net)  # between a frame and one that is moved or mirrored, all seems to move
    if not options.crops:
        return _worth_learning(stream, options, varied=varied)
    per_frame, scale = options.crops, options.crop_scale
    cut = partial(crops, size=into, per_frame=per_frame, scale=scale, seed=net.seed)
    return _worth_learning(stream, options, cut, varied=varied)


def _scaling(options: argparse.Namespace, size: tuple[int, int] | None) -> ChooseSize:
    """Return what scales frames before pieces are cut of them; of many videos of one size it speaks once."""
    return cache(partial(_scaled, options.size or size or (32, 32), options.crop_scale))


def _scaled(into: tuple[int, int], scale: float, frame: tuple[int, int]) -> tuple[int, int]:
    """Return what a video's frames are scaled to: if much larger than a piece, `scale` times as large, or else as large."""
    (height, width), factor = frame, max(ours / theirs for ours, theirs in zip(into, frame, strict=True))
    if factor * MUCH_LARGER > 1:
        return into
    log.warning(
        "of frames of %d×%d, random pieces of %d×%d are learned; --crops 0 learns whole frames",
        width,
        height,
        *into[::-1],
    )
    factor = min(1.0, scale * factor)
    return round(factor * height), round(factor * width)


def _worth_learning(
    stream: Stream[Any],
    options: argparse.Namespace,
    cut: Callable[[Stream[Any]], Stream[Any]] | None = None,
    *,
    varied: bool = True,
) -> Stream[Any]:
    """Return the pieces cut of frames, and of a live source of those frames that are new, varied as `for_live` does."""
    new = stream.live and not options.every_frame
    if new:
        stream = novel(stream, share=options.share or SHARE, at_least_every=HEARTBEAT)
    shown = stream if cut is None else cut(stream)
    return augment(shown) if new and varied else shown
