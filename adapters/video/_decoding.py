"""`Decoder`: the frames of one opened file, camera or stream, whatever is wrong with it."""

import logging
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import av

from hebbstream.adapters._media._decoder import MediaDecoder
from hebbstream.adapters._media._ending import check_end
from hebbstream.adapters._media._pipe import Pipe
from hebbstream.adapters._media._reading import Reading, can_seek
from hebbstream.adapters.video._clock import Clock
from hebbstream.adapters.video._complete import is_whole
from hebbstream.adapters.video._opening import open_container
from hebbstream.adapters.video._seeking import Opened, Pass, begin, seek
from hebbstream.errors import NotAVideoError, TruncatedVideoError

log = logging.getLogger("hebbstream.video")
_ROUNDING = 1e-6  # seconds
_THINNEST = 20.0


class Decoder(MediaDecoder):
    """An opened source.

    Parameters
    ----------
    source
        What to open.
    stats
        Counts go there.
    connection
        How.

    Raises
    ------
    StreamError
        A subclass that tells what is wrong, if the source cannot be opened.
    """

    def _connect(self) -> None:
        self._container, self._track = open_container(self.source, self._connection)
        self._track.thread_type = self.thread_type
        if self._track.codec_context.name == "mjpeg":  # of a picture that breaks off, FFmpeg else makes the rest up
            self._track.codec_context.options = {"err_detect": "explode"}

    @property
    def video(self) -> Any:
        """The track, an `av.VideoStream`."""
        return self._track

    @property
    def seconds(self) -> float:
        """Duration that the header declares; 0 where it declares none."""
        alone = len(self._container.streams) == 1  # otherwise the longest may be the sound
        whole = float(Fraction(self._container.duration, av.time_base)) if self._container.duration and alone else 0.0
        return super().seconds or whole

    @property
    def pixel_aspect(self) -> float:
        """Width of a pixel by its height; 1 where nothing credible is declared."""
        aspect = float(self.video.sample_aspect_ratio or 1.0)
        return aspect if 1 / _THINNEST < aspect < _THINNEST else 1.0

    @cached_property
    def frame_seconds(self) -> float:  # asked at every frame
        """Mean time between frames that the header declares; 1/25 where it declares none."""
        return 1.0 / float(self.video.average_rate or 25)

    def frames(self, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, av.VideoFrame]]:
        """Yield every frame between two times with its time in seconds, from 0 and always rising.

        Raises
        ------
        TruncatedVideoError
            After the last good frame, if bytes of a recording are missing.
        ConnectionLostError, StalledStreamError
            If a camera or network stream breaks off, or sends nothing.
        """
        reading, clock = self._place(start)
        progress, before, passed = reading.progress, self.stats.corrupt, 0
        with closing(reading):
            for seconds, frame in clock.times(reading):
                if end is not None and seconds >= end - _ROUNDING:
                    return
                if seconds >= start - _ROUNDING:
                    self.stats.frames += 1
                    self.stats.corrupt = before + progress.corrupt - passed
                    yield seconds, frame
                else:
                    passed = progress.corrupt  # not in the part that is asked for
        self.stats.corrupt = before + progress.corrupt - passed
        self._end(reading, clock)

    def _place(self, start: float) -> Pass:
        """Return how to read from a place at or before `start`."""
        if start and self.source.kind != "synthetic" and can_seek(self._container):
            if found := seek(self._opened, start):
                return found
            log.info("%s: reading up to %g s", self.source.shown, start)
            self.close()
            self._connect()
        return begin(self._opened)

    @property
    def _opened(self) -> Opened:
        timeout, local = self._connection.read_timeout, self.source.kind == "file"
        return Opened(self._container, self.video, timeout, self.frame_seconds, self.live, local)

    def _end(self, reading: Reading, clock: Clock) -> None:
        progress, shown = reading.progress, self.source.shown
        damage = check_end(reading, self.source, self._connection.read_timeout, live=self.live, what="frame")
        if self.live:
            return
        ended = clock.latest + self.frame_seconds
        if progress.end is not None and clock.origin is not None:
            # Most containers declare when the last frame ends, not how long it is from the first one's start to there.
            absolute = not self._container.format.flags & av.format.Flags.ts_discont.value
            origin = min(0.0, clock.origin) if absolute else clock.origin
            ended = max(ended, float(progress.end * self.video.time_base) - origin)
        file = Path(self.source.url) if self.source.is_regular_file else None
        content = self.source.content
        size = content.size if isinstance(content, Pipe) else self._container.size  # FFmpeg knows none of a pipe
        whole = is_whole(progress, self._container, self.video, file, size=size, seconds=self.seconds, ended=ended)
        if not progress.frames and (whole or damage is not None):
            raise NotAVideoError(f"{shown}: no frame of it can be decoded")
        if damage is not None or not whole:
            declared = f"{self.video.frames} frames" if self.video.frames else f"{self.seconds:.1f} s"
            known = f"; its header declares {declared}" if self.video.frames or self.seconds > ended else ""
            raise TruncatedVideoError(
                f"{shown}: truncated or damaged after {progress.frames} frames ({ended:.1f} s){known}"
            ) from damage
