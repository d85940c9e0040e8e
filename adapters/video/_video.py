"""Frames from video files, cameras and network streams, by PyAV."""

import math
import sys
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from hebbstream.adapters._picture import Fit, PictureFormat
from hebbstream.adapters.video._conversion import FrameConverter
from hebbstream.adapters.video._decoding import Decoder, StreamStats, TimedFrame
from hebbstream.adapters.video._live import live_frames
from hebbstream.adapters.video._recorded import recorded_frames
from hebbstream.adapters.video._source import find_sources
from hebbstream.errors import ConfigurationError
from hebbstream.streams._prefetch import Prefetch
from hebbstream.streams._sample import Sample

_CLOSING_SECONDS = 1.0
_FASTEST = 1e6  # frames a second
Labels = Callable[[float], Hashable]


def open_video(
    source: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    fit: Fit = "stretch",
    gray: bool = False,
    stride: int = 1,
    rate: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    loop: bool = False,
    label: Labels | None = None,
    prefetch: int = 4,
    live: bool | None = None,
    hardware: str | None = None,
    open_timeout: float = 10.0,
    read_timeout: float = 10.0,
    retry_for: float = 300.0,
    options: Mapping[str, str] | None = None,
) -> "VideoStream":
    """Open video as a stream of samples.

    Decoding runs in a thread of its own, so that it overlaps learning. From files no frame is lost: decoding waits for
    learning. A live source cannot wait: when learning is slower, the frames that have waited longest are dropped, so
    that what is learned is at most `prefetch` frames old. When it breaks off it is connected again.

    Parameters
    ----------
    source
        Path of a file in any format that FFmpeg reads; a glob (``"clips/*.mp4"``: one file after another, in order of
        their names, passing over those that cannot be read); the number of a webcam (``"0"``) or its device
        (``"/dev/video0"``); an address (``rtsp://``, ``http://``, ``https://``, ``udp://``, ``tcp://``, …); or a
        picture that FFmpeg makes (``"lavfi:testsrc2=size=64x48"``).
    size
        (height, width) to scale to, or one number for both; ``None`` takes the first frame's for all.
    fit
        For frames of another shape: ``"stretch"``, ``"crop"`` what is too much on both sides, or ``"pad"`` with black.
    gray
        One channel of brightness instead of red, green and blue.
    stride
        Keep every `stride`-th frame.
    rate
        Frames to keep for each second of video; frames are left out, never repeated. Not together with `stride`.
    start, duration
        Seconds to leave out at the start of each file, and to read; ``None`` reads to the end. A live source knows
        only `duration`.
    loop
        Begin again at the end, for ever. Not for a live source.
    label
        Gives a frame's label for its time in seconds, in its own file; ``None`` for no labels.
    prefetch
        Frames to hold ready; 0 decodes each when it is asked for.
    live
        Whether the source goes on whether or not it is read; ``None`` says so of cameras and network streams, except
        those over HTTP that have a length.
    hardware
        Device that decodes: ``"auto"``, or one of FFmpeg's (``"cuda"``, ``"vaapi"``, ``"videotoolbox"``, …). Where it
        cannot, the CPU does, and the log says so. ``None`` is the CPU.
    open_timeout, read_timeout
        Seconds to wait for a camera or network stream to open, and for its next frame before it counts as stalled.
    retry_for
        Seconds without a frame for which a live source is tried again, with growing pauses; 0 never tries again.
    options
        For FFmpeg, as its documentation lists them for the source's format or protocol.

    Returns
    -------
    VideoStream
        An iterator of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, turned upright as the file's
        metadata say; ``t`` in seconds from the start (of a live source: from opening it, by this machine's clock);
        and ``source``, the file's name, or the address without its credentials. A context manager: leaving it closes
        the source.

    Raises
    ------
    SourceNotFoundError
        If there is no such file, camera or stream.
    SourcePermissionError
        If it refuses.
    NotAVideoError
        If the file holds no video that can be decoded.
    TruncatedVideoError
        If the file is cut before the index it needs. While iterating, after the last good frame, if the file ends
        before the length that its header declares.
    ConnectionLostError
        If the source cannot be reached. While iterating, if it broke off and `retry_for` seconds did not help.
    StalledStreamError
        Likewise, if it is there but sends nothing.
    ConfigurationError
        If an option cannot work.

    Examples
    --------
    >>> from hebbstream.clip import CLIP
    >>> with open_video(CLIP, size=32, label=lambda t: "early" if t < 1 else "late") as frames:
    ...     print(next(frames))
    Sample(x=uint8 (32, 32, 3), y='early', t=0.0, source='demo.mp4')
    """
    if stride < 1:
        raise ConfigurationError(f"stride={stride}: expected a positive integer")
    if rate is not None and (stride != 1 or not 0 < rate <= _FASTEST):
        raise ConfigurationError(
            f"rate={rate}, stride={stride}: expected a rate up to a million, or a stride, not both"
        )
    if prefetch < 0:
        raise ConfigurationError(f"prefetch={prefetch}: expected 0 or a positive number of frames")
    for name, seconds in (("duration", duration), ("open_timeout", open_timeout), ("read_timeout", read_timeout)):
        if seconds is not None and not seconds > 0:
            raise ConfigurationError(f"{name}={seconds}: expected a positive number of seconds")
    for name, seconds in (("start", start), ("retry_for", retry_for)):
        if not seconds >= 0 or (name == "start" and math.isinf(seconds)):
            raise ConfigurationError(f"{name}={seconds}: expected 0 or a positive number of seconds")
    convert = FrameConverter(PictureFormat(size, fit, gray))
    stats, closing = StreamStats(), threading.Event()
    sources = find_sources(source, options)
    connect = partial(Decoder, stats=stats, hardware=hardware, open_timeout=open_timeout, read_timeout=read_timeout)
    # One source is opened now, so that what is wrong with it shows now; each of many when its turn comes.
    first = connect(sources[0]) if len(sources) == 1 else None
    if live is None:
        live = first is not None and first.live
    announced = 0
    if first is None or not live:
        frames = recorded_frames(sources, connect, first, stats, start=start, duration=duration, loop=loop)
        if first is not None and not loop:
            announced = _announced(first, stride, rate, start, duration)
    elif start or loop:
        first.close()
        raise ConfigurationError(f"{sources[0].shown}: expected a recording for start or loop, found a live source")
    else:
        frames = live_frames(
            first, partial(connect, sources[0]), stats, duration=duration, retry_for=retry_for, closing=closing
        )
    return VideoStream(
        _thinned(frames, stride, rate),
        convert,
        label,
        first=first,
        live=live,
        prefetch=prefetch,
        stats=stats,
        closing=closing,
        announced=announced,
    )


class VideoStream(Iterator[Sample]):
    """An open video; made by `open_video`.

    Attributes
    ----------
    live
        Whether the source goes on whether or not it is read.
    """

    def __init__(
        self,
        frames: Generator[TimedFrame, None, None],
        convert: FrameConverter,
        label: Labels | None,
        *,
        first: Decoder | None,
        live: bool,
        prefetch: int,
        stats: StreamStats,
        closing: threading.Event,
        announced: int,
    ) -> None:
        self.live = live
        self._frames, self._convert, self._label, self._first = frames, convert, label, first
        self._stats, self._closing, self._announced = stats, closing, announced
        samples = self._samples()
        self._queue = Prefetch(samples, prefetch, "drop_oldest" if live else "block") if prefetch else samples

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the source; iterating afterwards ends at once."""
        self._closing.set()
        if isinstance(self._queue, Prefetch):
            if not self._queue.close(_CLOSING_SECONDS):
                return  # FFmpeg still waits for the source; the thread closes it when that ends
        else:
            self._queue.close()
        if self._first is not None:
            self._first.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Sample:
        return next(self._queue)

    def __length_hint__(self) -> int:
        """Return the number of samples that the file's header announces; 0 where it announces nothing."""
        return self._announced

    @property
    def stats(self) -> StreamStats:
        """What has happened so far."""
        dropped = self._queue.dropped if isinstance(self._queue, Prefetch) else 0
        return replace(self._stats, dropped=dropped)

    def fast_forward(self, count: int) -> int:
        """Pass over samples without making pictures of them, to go on from a checkpoint; return how many there were.

        A live source goes on from now: nothing is passed over, and `count` returned. Call it before the first sample.

        A recording is decoded from its start, for a resumed run must see the frames of one that was never stopped, bit
        for bit. To seek would be faster and not exact: containers differ in where they land, packets are not frames
        (hidden frames, fields, damage that is left out), frames behind an open group of pictures refer to what was
        passed over, and the clock that mends time stamps depends on every stamp before.
        """
        return count if self.live else sum(1 for _ in islice(self._frames, count))

    def _samples(self) -> Generator[Sample, None, None]:
        try:
            for frame, t, own_time, source in self._frames:
                label = None if self._label is None else self._label(own_time)
                captured = time.monotonic() if self.live else None
                yield Sample(self._convert(frame), label, t, source, captured)
        finally:
            self._frames.close()


def _thinned(
    frames: Generator[TimedFrame, None, None], stride: int, rate: float | None
) -> Generator[TimedFrame, None, None]:
    """Keep every `stride`-th frame, or the first of each 1/`rate` seconds."""
    latest = -1
    try:
        for index, frame in enumerate(frames):
            slot = index // stride if rate is None else int(frame.t * rate + 1e-6)
            if slot > latest:
                latest = slot
                yield frame
    finally:
        frames.close()


def _announced(decoder: Decoder, stride: int, rate: float | None, start: float, duration: float | None) -> int:
    seconds = max(0.0, min(decoder.seconds - start, math.inf if duration is None else duration))
    frames = int(decoder.video.frames)
    if seconds and (start or duration is not None or not frames):
        frames = round(seconds / decoder.frame_seconds)
    if rate is not None:
        return min(frames or sys.maxsize, math.ceil(seconds * rate)) if seconds else 0
    return math.ceil(frames / stride)
