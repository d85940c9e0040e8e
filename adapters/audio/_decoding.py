"""`SoundDecoder`: the sound of one opened file, microphone or stream, at one rate, whatever is wrong with it."""

import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np
from av.audio.resampler import AudioResampler
from av.stream import Disposition
from numpy.typing import NDArray

from hebbstream.adapters._media._decoder import MediaDecoder
from hebbstream.adapters._media._ending import check_end
from hebbstream.adapters._media._opening import Medium, ask, open_source
from hebbstream.adapters._media._options import Connection
from hebbstream.adapters._media._origin import origin
from hebbstream.adapters._media._reading import Reading
from hebbstream.adapters._media._source import MediaSource
from hebbstream.errors import ConfigurationError, DamagedFileError, NotASoundError
from hebbstream.streams._stats import StreamStats

log = logging.getLogger("hebbstream.audio")
_SOUND = Medium("sound", NotASoundError, "*.wav")
_GAP = 0.25  # seconds between time stamps
_STEADY = 50  # stamps in a row that tell a drift from jitter
_SLACK = 0.5  # seconds by which a header may be wrong
_MOST = (1 << 31) - (1 << 16)  # bytes that a header of WAV declares; whoever writes into a pipe declares more
_FASTEST, _MOST_SAMPLES = 1 << 24, 1 << 26  # a second; made of one packet: of a few bytes that claim to last for hours
_DECLARED = ("wav", "flac", "aiff", "mov,mp4,m4a,3gp,3g2,mj2")  # containers whose headers know their length


class Piece(NamedTuple):
    """Some sound."""

    wave: NDArray[np.float32]
    """Shape (channels, n)."""
    begins: bool
    """Whether it does not follow what came before."""


class SoundDecoder(MediaDecoder):
    """An opened source of sound.

    Parameters
    ----------
    source, stats, connection
        As of a video's `Decoder`.
    rate, channels
        Of the sound that it gives.

    Raises
    ------
    StreamError
        A subclass that tells what is wrong, if the source cannot be opened.
    """

    def __init__(
        self, source: MediaSource, stats: StreamStats, connection: Connection, *, rate: int, channels: int
    ) -> None:
        self._rate, self._channels = rate, channels
        super().__init__(source, stats, connection)
        self._length = 0.0
        self._broken = 0  # pieces with sound that is no number
        self._begins: float | None = None  # when its first piece does

    def _connect(self) -> None:
        source, connection = self.source, self._connection
        self._container, self._track = open_source(
            source, connection, _SOUND, lambda: ask(source, connection), self._chosen
        )
        self._track.thread_type = self.thread_type

    @property
    def frame_seconds(self) -> float:
        """Length of the latest piece."""
        return self._length

    def frames(self, start: float = 0.0, end: float | None = None) -> Iterator[tuple[float, Piece]]:
        """Yield the sound between two times, piece by piece, each with the time at which it begins.

        Raises
        ------
        DamagedFileError
            After the last good piece, if a part of a recording is missing.
        NotASoundError
            If none of it can be decoded, or what its header says cannot be.
        ConnectionLostError, StalledStreamError
            If a microphone or network stream breaks off, or sends nothing.
        """
        reading = Reading(self._container, self._track, self._connection.read_timeout, live=self.live)
        before = self.stats.corrupt
        began, t, self._broken, self._begins = False, 0.0, 0, None
        with closing(reading):
            for t, wave, broken in _timed(self._credible(reading), self._rate, self._channels == 2, self._zero):
                self.stats.corrupt = before + reading.progress.corrupt + self._broken
                self._begins = t if self._begins is None else self._begins
                first, last = (0 if edge is None else round((edge - t) * self._rate) for edge in (start, end))
                wave = wave[:, max(0, first) : None if end is None else max(0, last)]
                if wave.shape[1]:
                    self._length = wave.shape[1] / self._rate
                    yield max(t, start), Piece(self._mixed(wave), broken or not began)
                    began = True
                if end is not None and last <= 0:
                    return
        self.stats.corrupt = before + reading.progress.corrupt + self._broken
        self._end(reading, t + self.frame_seconds)

    def _credible(self, reading: Reading) -> Iterator[Any]:
        """Yield frames, and refuse one that would become more sound than memory holds."""
        for frame in reading:
            rate, count = frame.sample_rate, frame.samples * frame.layout.nb_channels
            if not 0 < rate <= _FASTEST or count * self._rate > _MOST_SAMPLES * rate:
                raise NotASoundError(
                    f"{self.source.shown}: {frame.samples:,} samples at {rate:,} a second in one piece: expected sound"
                )
            yield frame

    def _mixed(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sound in as many channels as asked for, finite and in [-1, 1]."""
        if not np.isfinite(wave).all():
            self._broken += 1
            wave = np.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0)
        if self._channels == 1:
            wave = wave.mean(axis=0, keepdims=True)
        elif len(wave) != self._channels:
            wave = np.repeat(wave.mean(axis=0, keepdims=True), 2, axis=0) if len(wave) == 1 else wave[:2]
        return wave.clip(-1.0, 1.0)

    def _zero(self, first: float) -> float:
        return first if self.live else origin(self._container, first)

    def _end(self, reading: Reading, ended: float) -> None:
        damage = check_end(reading, self.source, self._connection.read_timeout, live=self.live, what="sound")
        shown, length = self.source.shown, ended - (self._begins or 0.0)
        declared = self._declared()
        short = declared is not None and length < declared - _SLACK
        if self.live:
            return
        if not reading.progress.frames:
            raise NotASoundError(f"{shown}: no sound of it can be decoded")
        if damage is not None or short:
            known = f"; its header declares {declared:.1f} s" if short else ""
            raise DamagedFileError(f"{shown}: truncated or damaged after {length:.1f} s{known}") from damage

    def _declared(self) -> float | None:
        """Return the seconds that the header declares, if it knows them; of WAV, FFmpeg tells those that are there."""
        if self._container.format.name not in _DECLARED:
            return None
        head, size = self.source.head(8), self._container.size
        declared = 8 + int.from_bytes(head[4:], "little") if head[:4] == b"RIFF" else 0
        return self.seconds * declared / size if 0 < size < declared <= _MOST else self.seconds

    def _chosen(self, container: Any) -> Any:
        sounds, number, shown = container.streams.audio, self._connection.stream, self.source.shown
        if container.format.name == "tty" or not sounds:
            raise NotASoundError(f"{shown}: it holds no sound")
        if number is not None and number >= len(sounds):
            raise ConfigurationError(f"stream={number}: expected one of the {len(sounds)} in {shown}, from 0")
        default = next((each for each in sounds if each.disposition & Disposition.default), sounds[0])
        chosen = default if number is None else sounds[number]
        if chosen.codec_context is None:
            raise NotASoundError(f"{shown}: FFmpeg here has no decoder for its sound")
        return chosen


def _timed(
    frames: Iterable[Any], rate: int, stereo: bool, zero: Callable[[float], float]
) -> Iterator[tuple[float, NDArray[np.float32], bool]]:
    """Yield sound at `rate`, when it begins, and whether something is missing before it; time only rises.

    Parameters
    ----------
    frames, rate
        What is decoded, and to how many samples a second.
    stereo
        Whether more than two channels are mixed down to two.
    zero
        Gives the stamp that stands for 0 seconds, for the first one.
    """
    resampler, form, missing = None, None, False
    begins, stamped, t = None, 0.0, 0.0  # the stamp of 0; the end of what was stamped; of what was yielded
    counted, late = 0.0, deque[float](maxlen=_STEADY)  # the end by counting; by how much stamps are later than that
    for frame in frames:
        broken = False
        if frame.time is not None:
            begins = zero(frame.time) if begins is None else begins
            own = frame.time - begins
            late.append(own - counted)
            # By one gap, or by many small ones: stamps that jitter are not always late.
            broken = own > stamped + _GAP or (len(late) == _STEADY and min(late) > _GAP)
            stamped = own if broken or stamped - own < _GAP else stamped
            if broken:
                counted = own
                late.clear()
        found = frame.format.name, frame.layout.name, frame.sample_rate
        if resampler is None or form != found or broken:
            for wave in _flushed(resampler):
                yield t, wave, missing
                missing, t = False, t + wave.shape[1] / rate
            if form is not None and form != found:
                log.info("sound changes from %s to %s", form, found)
            resampler, form = AudioResampler("flt", _layout(frame, stereo), rate), found
            t = max(t, stamped) if broken else t
        missing = missing or broken
        stamped += frame.samples / frame.sample_rate
        counted += frame.samples / frame.sample_rate
        frame.pts = None  # whatever is wrong with it, it is no matter of the resampler's
        for part in resampler.resample(frame):
            wave = _array(part)
            yield t, wave, missing
            missing, t = False, t + wave.shape[1] / rate
    for wave in _flushed(resampler):
        yield t, wave, missing


def _layout(frame: Any, stereo: bool) -> Any:
    """Return what FFmpeg mixes it to: it knows where the speakers of a named layout stand."""
    named = re.match(r"\d+\.\d|quad", frame.layout.name)
    return "stereo" if stereo and named and frame.layout.nb_channels > 2 else frame.layout


def _flushed(resampler: AudioResampler | None) -> list[NDArray[np.float32]]:
    return [] if resampler is None else [_array(part) for part in resampler.resample(None)]


def _array(frame: Any) -> NDArray[np.float32]:
    """Return its sound as (channels, n). It is packed, as PyAV reads planes beyond the eighth from stray memory."""
    array: NDArray[np.float32] = frame.to_ndarray()
    return array.reshape(-1, frame.layout.nb_channels).T
