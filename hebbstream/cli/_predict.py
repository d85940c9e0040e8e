"""`hebbstream predict`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from select import select
from typing import Any

import av

import hebbstream as hs
from hebbstream._quote import printable
from hebbstream.adapters._picture import PictureFormat
from hebbstream.adapters.video._conversion import FrameConverter
from hebbstream.cli._drawing import Caption, DrawnVideo, drawn_video
from hebbstream.cli._execution import add_device, add_quiet
from hebbstream.cli._medium import as_learned
from hebbstream.cli._signals import called, signal_of
from hebbstream.cli._source import left_out, open_source, read_samples, time_shown
from hebbstream.cli._source_options import add_checkpoint_and_source, add_size
from hebbstream.cli._stills import kind_of
from hebbstream.cli._types import path, positive
from hebbstream.errors import ConfigurationError, EmptyStreamError, StreamError
from hebbstream.inspection._explained import unusual
from hebbstream.inspection._threshold import OnlineThreshold
from hebbstream.streams import Stream

USAGE = "[CHECKPOINT] SOURCE"
WRITES = ("video",)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is said of a frame; ``None`` where there is nothing to say."""

    index: int
    time: float | None
    source: str | None
    label: Any
    confidence: float | None
    novelty: float | None = None
    novel: bool | None = None

    def to_text(self, *, named: bool) -> str:
        """Return a line of text, with the source if it is to be `named`, or if there is no time."""
        parts = [f"{self.index:8}" if self.time is None else f"{self.time:10.3f} s"]
        if named or self.time is None:
            parts.append(printable(self.source or ""))
        if self.confidence is not None:
            parts.append(f"{'-' if self.label is None else printable(self.label)}  {self.confidence:.1%}")
        if self.novelty is not None:
            parts.append(f"novelty {self.novelty:.3f}")
        return "  ".join(parts) + ("  novel" if self.novel else "")

    def to_json(self) -> str:
        """Return a line of JSON; without what was not asked for."""
        values = asdict(self)
        return json.dumps({name: value for name, value in values.items() if name[:5] != "novel" or value is not None})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    add_device(parser)
    add_quiet(parser)
    add_size(parser, "that of the frames learned")
    parser.add_argument("--limit", type=positive, metavar="N", help="stop after N frames")
    add_checkpoint_and_source(parser, "hebbstream learn --labels")
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json", action="store_true", help="print one line of JSON for each frame, and all else to stderr"
    )
    group.add_argument(
        "--video",
        type=path,
        metavar="OUT.mp4",
        help="also write the frames with their labels, without sound, as .mp4, .mov or .mkv",
    )
    group.add_argument(
        "--novelty",
        action="store_true",
        help="score how unusual each frame is, from 0 to 1: the share that the first layer does not explain, and of tables how"
        " much that is, in their columns' variances; mark those above mean + 3 standard deviations of about the last 1,000 (never the first 50). Needs no labels",
    )


def run(options: argparse.Namespace) -> None:
    """Predict the label of each frame."""
    saved = hs.Learner.load(options.checkpoint, options.device)
    options = as_learned(options, saved.net, options.source)
    predict = _Predictor(options, saved)
    if options.video and kind_of(options.source) != "video":
        raise ConfigurationError(f"--video {options.video} for {options.source}: expected a video or a camera")
    said = sys.stderr if options.json else sys.stdout
    failures: list[StreamError] = []
    with _opened(options, saved.net) as (stream, picture, video):
        with closing(read_samples(Stream(_as_printed(stream)), options.limit, failures)) as samples:
            for sample in samples:
                found = predict(sample, picture(sample.x))
                named = found.time != sample.t or _is_one_of_several(options, sample)  # of a later file
                print(found.to_json() if options.json else found.to_text(named=named), flush=True)
                if video is not None:
                    video.write(sample.x, sample.t, _caption(found))
        if not failures and not predict.count:
            raise EmptyStreamError(f"{options.source}: it holds no {called(options)}")
    print(predict.summary(called(options)) + left_out(stream), file=said)
    print(f"video {options.video}" if options.video else "nothing was written", file=said)
    if failures:
        raise failures[0]


def _is_one_of_several(options: argparse.Namespace, sample: hs.Sample) -> bool:
    """Whether a sample is of one of several tables, or signals in one, so that its time does not tell it."""
    return signal_of(options, options.source) == "table" and sample.source != Path(options.source).name


def _as_printed(stream: Stream[Any]) -> Iterator[Any]:
    """Yield each sample when there is room to print what is said of it: a signal ends this wait, and not that of a write."""
    for sample in stream:
        yield sample
        with suppress(OSError, ValueError, TypeError):  # Windows can wait for sockets only; there may be no file
            select([], [sys.stdout], [])


class _Predictor:
    def __init__(self, options: argparse.Namespace, saved: hs.Learner) -> None:
        self._net, self._probe = saved.net, saved.refit_probe(progress=not options.quiet)
        if self._probe is None and not options.novelty:
            option = "--label" if signal_of(options, options.source) == "table" else "--labels"
            raise ConfigurationError(
                f"{options.checkpoint}: it has learned no labels: expected one that has (`hebbstream learn {option}`),"
                " or --novelty"
            )
        self._threshold = OnlineThreshold() if options.novelty else None
        self._passes: Any = None
        self.count = self.novel = 0

    def __call__(self, sample: hs.Sample, frame: Any) -> Prediction:
        self._passes = passes = self._net._forward_one(frame, self._passes)
        label, confidence = None, None
        if self._probe is not None:
            probabilities = self._probe.predict_proba_one(passes.features)
            label, confidence = max(probabilities.items(), key=lambda item: item[1])
            label = label if confidence >= self._probe.min_confidence else None
        found = (self.count, time_shown(sample), sample.source, label, confidence)
        self.count += 1
        if self._threshold is None:
            return Prediction(*found)
        # The first layer's: deeper ones explain what is simple best, and simple is not the same as known.
        score = unusual(self._net, 0, passes.layers[0][1])
        flagged = self._threshold.judge(score)
        self.novel += flagged
        return Prediction(*found, novelty=round(score, 4), novel=flagged)

    def summary(self, one: str) -> str:
        """Return what was done, by what a sample is called."""
        return f"{self.count:,} {one}s" + (f", {self.novel:,} of them novel" if self._threshold else "")


@contextmanager
def _opened(
    options: argparse.Namespace, net: hs.SoftHebbNet
) -> Iterator[tuple[Stream[Any], Callable[[Any], Any], DrawnVideo | None]]:
    """Open the source, how its frames become the network's, and the video to write; a mistyped source writes nothing."""
    if options.video is None:
        with open_source(options, net.in_channels, net.frame_size) as stream:
            yield stream, lambda frame: frame, None
        return
    convert = FrameConverter(PictureFormat(options.size or net.frame_size, options.fit, net.in_channels == 1))
    with open_source(options, 3, None, whole=True) as stream, drawn_video(options.video) as video:
        yield stream, lambda frame: convert(av.VideoFrame.from_ndarray(frame, "rgb24")), video


def _caption(found: Prediction) -> Caption:
    label = "" if found.confidence is None else printable(found.label) if found.label is not None else "?"
    extra = "" if found.novelty is None else f"{'novel' if found.novel else 'novelty'} {found.novelty:.3f}"
    return Caption(label, found.confidence, extra, marked=bool(found.novel))
