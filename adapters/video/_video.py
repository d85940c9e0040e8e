"""Frames from video files, cameras and network streams, by PyAV."""

import math
import sys
import time
from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import replace
from functools import partial

from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.adapters._media._fingerprint import fingerprint
from hebbstream.adapters._media._options import Connection, Cut, Thinning, check_label
from hebbstream.adapters._media._source import Source
from hebbstream.adapters._media._stream import Decoded, MediaStream, once
from hebbstream.adapters._picture import Fit, PictureFormat
from hebbstream.adapters.video._cameras import find_sources
from hebbstream.adapters.video._conversion import ChooseSize, FrameConverter
from hebbstream.adapters.video._decoding import Decoder
from hebbstream.errors import ConfigurationError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

Labels = Callable[[float], Hashable]


def open_video(
    source: Source,
    *,
    size: int | tuple[int, int] | ChooseSize | None = None,
    fit: Fit | None = "stretch",
    gray: bool = False,
    stride: int = 1,
    rate: float | None = None,
    start: float = 0.0,
    duration: float | None = None,
    loop: bool = False,
    label: Labels | None = None,
    prefetch: int = 4,
    live: bool | None = None,
    stream: int | None = None,
    format: str | None = None,  # noqa: A002  # as FFmpeg calls it
    hardware: str | None = None,
    open_timeout: float = 10.0,
    read_timeout: float = 10.0,
    retry_for: float = 300.0,
    options: Mapping[str, str] | None = None,
) -> Stream[Sample]:
    """Open video as a stream of samples.

    Files lose no frame: decoding waits for learning. A live source cannot wait: when learning is slower, the oldest waiting
    frames are dropped, so that what is learned is at most `prefetch` frames old. When it breaks off, it is connected
    again. Decoding runs in its own thread, except of small frames of a file.

    Parameters
    ----------
    source
        Path of a file in any format that FFmpeg reads, whatever its name; a glob (``"clips/*.mp4"``: one file after
        another, in order of their names, passing over those that cannot be read); the number of a webcam (``0`` or
        ``"0"``) or its device (``"/dev/video0"``); an address (``rtsp://``, ``http://``, ``https://``, ``udp://``,
        ``tcp://``, …); a picture that FFmpeg makes (``"lavfi:testsrc2=size=64x48"``); a file's content as bytes; a
        file object, open in binary mode, which stays open; or ``"-"``, the standard input.
    size
        (height, width) to scale to, or one number for both; or a function that returns it for the first frame's, with
        square pixels; ``None`` takes that as it is. All frames come in the same size.
    fit
        For frames of another shape: ``"stretch"``, ``"crop"`` what is too much on both sides, or ``"pad"`` with black.
        The last two respect the shape of a pixel. ``None`` stretches, too, and a warning in the log says so once.
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
        At the end, begin again, without end. Not for a live source.
    label
        Gives a frame's label for its time in seconds, in its own file; ``None`` for no labels.
    prefetch
        Frames to hold ready; small ones of a file are decoded up to 32 at a time all the same. 0 decodes each when it is
        asked for.
    live
        Whether the source goes on even if nobody reads; ``None`` takes cameras and network streams for live, except
        those over HTTP that have a length.
    stream
        Which of several videos in the source, from 0, not counting covers; ``None`` takes the one marked as default,
        or of several such, or none, the largest.
    format
        FFmpeg's name of the source's format, where it cannot find out: ``"mjpeg"``, ``"h264"``, … or of a device:
        ``"x11grab"``, ….
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
    Stream
        Of `Sample` with ``x`` of shape (H, W, 3), or (H, W) if `gray`, uint8, turned upright, and
        mirrored, as the file's metadata say; ``t`` in seconds from the start of the first file (of a live source: from opening it, by this machine's clock);
        ``own_time`` from that of its own; and ``source``, the file's name (of several files of which two have one name, the
        path), or the address without its credentials. A context manager: leaving it closes the source.

    Raises
    ------
    SourceNotFoundError
        If there is no such file, camera or stream.
    SourcePermissionError
        If it refuses.
    NotAVideoError
        If the file holds no video that can be decoded.
    TruncatedVideoError
        If the file is cut before the index it needs. While iterating, after the last good frame, if a part of the
        recording is missing; that its header declares more than there is does not say so alone.
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
    check_label(label)
    if as_index(prefetch) < 0:
        raise ConfigurationError(f"prefetch={quote(prefetch)}: expected 0 or a positive number of frames")
    size, choose = (None, size) if callable(size) else (size, None)
    form, cut, thinning = PictureFormat(size, fit, gray), Cut(start, duration, loop), Thinning(stride, rate)
    connection = Connection(hardware, open_timeout, read_timeout, retry_for, stream)
    sources = find_sources(source, options, format)  # last, so that an option that cannot work is told first
    connection, stats = once(sources, cut, connection), StreamStats()
    converter = FrameConverter(form, choose)
    return VideoStream(
        sources,
        partial(Decoder, stats=stats, connection=connection),
        cut,
        connection,
        select=partial(_thinned, thinning=thinning),
        make=partial(_samples, convert=converter, label=label),
        announce=partial(_announced, cut=cut, thinning=thinning),
        fingerprint=partial(fingerprint, sources, cut, thinning),
        shown=[] if converter.size is None else ["×".join(map(str, converter.size))],
        prefetch=prefetch,
        live=live,
        stats=stats,
    )


class VideoStream(MediaStream):
    """An open video; made by `open_video`."""

    @property
    def stats(self) -> StreamStats:
        """What has happened so far; of a recording, without frames that are held ready.

        Those that a `stride` or `rate` passes over between them are counted.
        """
        stats, queue = super().stats, self._queue
        held = 0 if self.live or isinstance(queue, Generator) else queue.held
        return replace(stats, frames=stats.frames - held)


def _samples(
    frames: Decoded, live: bool, *, convert: FrameConverter, label: Labels | None
) -> Generator[Sample, None, None]:
    try:
        for frame, t, own_time, source, pixel_aspect in frames:
            y = None if label is None else label(own_time)
            captured = time.monotonic() if live else None
            yield Sample(convert(frame, pixel_aspect), y, t, source, captured, own_time)
    finally:
        frames.close()


def _thinned(frames: Decoded, thinning: Thinning) -> Decoded:
    latest, stride, rate = -1, thinning.stride, thinning.rate
    try:
        for index, frame in enumerate(frames):
            slot = index // stride if rate is None else int(frame.t * rate + 1e-6)
            if slot > latest:
                latest = slot
                yield frame
    finally:
        frames.close()


def _announced(decoder: Decoder, cut: Cut, thinning: Thinning) -> int | None:
    """Return the number of samples that the file's header announces; ``None`` where it announces nothing."""
    seconds = decoder.seconds_of(cut)
    if decoder.seconds and not seconds:
        return 0
    frames = int(decoder.video.frames)
    if seconds and (cut.start or cut.duration is not None or not frames):
        frames = round(seconds / decoder.frame_seconds)
    if thinning.rate is not None:
        return min(frames or sys.maxsize, math.ceil(seconds * thinning.rate)) if seconds else None
    return math.ceil(frames / thinning.stride) or None
