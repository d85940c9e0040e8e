"""Frames from video files, cameras and network streams, by PyAV."""

import math
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from hebbstream.adapters._media._fingerprint import fingerprint
from hebbstream.adapters._media._interruptible import interruptible
from hebbstream.adapters._media._live import live_frames
from hebbstream.adapters._media._options import Connection, Cut, Thinning
from hebbstream.adapters._media._recorded import recorded_frames
from hebbstream.adapters._media._source import MediaSource, Source
from hebbstream.adapters._media._timed import TimedFrame
from hebbstream.adapters._picture import Fit, PictureFormat
from hebbstream.adapters.video._cameras import find_sources
from hebbstream.adapters.video._conversion import FrameConverter
from hebbstream.adapters.video._decoding import Decoder
from hebbstream.errors import ConfigurationError
from hebbstream.streams._prefetch import Prefetch
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

_CLOSING_SECONDS = 1.0
Labels = Callable[[float], Hashable]


def open_video(
    source: Source,
    *,
    size: int | tuple[int, int] | None = None,
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

    Decoding runs in a thread of its own, so that it overlaps learning. From files no frame is lost: decoding waits for
    learning. A live source cannot wait: when learning is slower, the frames that have waited longest are dropped, so
    that what is learned is at most `prefetch` frames old. When it breaks off it is connected again.

    Parameters
    ----------
    source
        Path of a file in any format that FFmpeg reads, whatever its name; a glob (``"clips/*.mp4"``: one file after
        another, in order of their names, passing over those that cannot be read); the number of a webcam (``0`` or
        ``"0"``) or its device (``"/dev/video0"``); an address (``rtsp://``, ``http://``, ``https://``, ``udp://``,
        ``tcp://``, …); a picture that FFmpeg makes (``"lavfi:testsrc2=size=64x48"``); a file's content as bytes; a
        file object, open in binary mode, which stays open; or ``"-"``, the standard input.
    size
        (height, width) to scale to, or one number for both; ``None`` takes the first frame's for all, with square
        pixels.
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
        Begin again at the end, for ever. Not for a live source.
    label
        Gives a frame's label for its time in seconds, in its own file; ``None`` for no labels.
    prefetch
        Frames to hold ready; 0 decodes each when it is asked for.
    live
        Whether the source goes on whether or not it is read; ``None`` says so of cameras and network streams, except
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
        mirrored, as the file's metadata say; ``t`` in seconds from the start (of a live source: from opening it, by this machine's clock);
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
    if prefetch < 0:
        raise ConfigurationError(f"prefetch={prefetch}: expected 0 or a positive number of frames")
    form, cut, thinning = PictureFormat(size, fit, gray), Cut(start, duration, loop), Thinning(stride, rate)
    connection = Connection(hardware, open_timeout, read_timeout, retry_for, stream)
    sources = find_sources(source, options, format)  # last, so that an option that cannot work is told first
    if sources[0].once:
        if loop:
            raise ConfigurationError(f"loop with {sources[0].shown}: expected a source that can be read again")
        connection = replace(connection, retry_for=0.0)
    return VideoStream(
        form,
        cut,
        thinning,
        connection,
        sources,
        label=label,
        prefetch=prefetch,
        live=live,
    )


class VideoStream(Stream[Sample]):
    """An open video; made by `open_video`."""

    def __init__(
        self,
        form: PictureFormat,
        cut: Cut,
        thinning: Thinning,
        connection: Connection,
        sources: Sequence[MediaSource],
        *,
        label: Labels | None,
        prefetch: int,
        live: bool | None,
    ) -> None:
        stats, self._closing = StreamStats(), threading.Event()
        weakref.finalize(self, self._closing.set)  # a live source's thread ends when nobody holds the stream any more
        connect = partial(Decoder, stats=stats, connection=connection)
        # One source is opened now, so that what is wrong with it shows now; each of many when its turn comes.
        self._first = interruptible(partial(connect, sources[0])) if len(sources) == 1 else None
        if live is None:
            live = self._first is not None and self._first.live
        if self._first is None or not live:
            frames = recorded_frames(sources, connect, self._first, stats, cut)
        elif cut.start or cut.loop:
            self._first.close()
            raise ConfigurationError(f"{sources[0].shown}: expected a recording for start or loop, found a live source")
        else:
            frames = live_frames(
                self._first,
                partial(connect, sources[0]),
                stats,
                duration=cut.duration,
                retry_for=connection.retry_for,
                closing=self._closing,
            )
        self._frames = _thinned(frames, thinning)
        samples = _samples(self._frames, FrameConverter(form), label, live)
        self._queue = Prefetch(samples, prefetch, "drop_oldest" if live else "block") if prefetch else samples
        length = None if self._first is None or live else _announced(self._first, cut, thinning)
        self._fingerprint = partial(fingerprint, sources, cut, thinning)
        super().__init__(self._queue, name=_shown(sources, form, live), length=length, live=live, stats=stats)

    @property
    def stats(self) -> StreamStats:
        """What has happened so far."""
        dropped = self._queue.dropped if isinstance(self._queue, Prefetch) else 0
        return replace(self._stats, dropped=dropped)

    @property
    def fingerprint(self) -> str | None:
        """What tells these videos, read in this way, from any others."""
        return self._fingerprint()

    def fast_forward(self, count: int) -> int:
        """Pass over samples, to go on from a checkpoint; return how many there were.

        Before the first sample no pictures are made of them. A live source goes on from now: nothing is passed over,
        and `count` returned.

        A recording is decoded from its start, for a resumed run must see the frames of one that was never stopped, bit
        for bit. To seek would be faster and not exact: containers differ in where they land, packets are not frames
        (hidden frames, fields, damage that is left out), frames behind an open group of pictures refer to what was
        passed over, and the clock that mends time stamps depends on every stamp before.
        """
        if self.live or self._taken:
            return super().fast_forward(count)
        iter(self)  # closed, it says so
        self._taken = sum(1 for _ in islice(self._frames, count))
        return self._taken

    def _release(self) -> None:
        self._closing.set()
        if isinstance(self._queue, Prefetch):
            if not self._queue.close(_CLOSING_SECONDS):
                return  # FFmpeg still waits for the source; the thread closes it when that ends
        else:
            self._queue.close()
        if self._first is not None:
            self._first.close()


def _samples(
    frames: Generator[TimedFrame, None, None], convert: FrameConverter, label: Labels | None, live: bool
) -> Generator[Sample, None, None]:
    try:
        for frame, t, own_time, source, pixel_aspect in frames:
            y = None if label is None else label(own_time)
            captured = time.monotonic() if live else None
            yield Sample(convert(frame, pixel_aspect), y, t, source, captured)
    finally:
        frames.close()


def _thinned(frames: Generator[TimedFrame, None, None], thinning: Thinning) -> Generator[TimedFrame, None, None]:
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
    if cut.loop:
        return None
    left = decoder.seconds - cut.start
    seconds = max(0.0, left if cut.duration is None else min(left, cut.duration))
    if decoder.seconds and not seconds:
        return 0
    frames = int(decoder.video.frames)
    if seconds and (cut.start or cut.duration is not None or not frames):
        frames = round(seconds / decoder.frame_seconds)
    if thinning.rate is not None:
        return min(frames or sys.maxsize, math.ceil(seconds * thinning.rate)) if seconds else None
    return math.ceil(frames / thinning.stride) or None


def _shown(sources: Sequence[MediaSource], form: PictureFormat, live: bool) -> str:
    size = [] if form.shape is None else ["×".join(map(str, form.shape))]
    names = repr(sources[0].name) + (f" and {len(sources) - 1} more" if len(sources) > 1 else "")
    return f"VideoStream({', '.join([names, *size, 'live' if live else 'recorded'])})"
