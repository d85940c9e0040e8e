"""From pieces of sound, as they are decoded, to samples of one length."""

import logging
import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.adapters._media._timed import TimedFrame
from hebbstream.adapters.audio._log_mel import as_picture, log_mel
from hebbstream.errors import ConfigurationError
from hebbstream.streams._stats import StreamStats

log = logging.getLogger("hebbstream.audio")
Form = Literal["mel", "wave"]
_STEP, _WINDOW = 0.01, 0.025  # seconds of a column of a spectrogram
_FULL, _MUCH = 0.999, 0.01  # a sample at full scale; the share of them that is no accident


@dataclass(frozen=True, slots=True)
class SoundFormat:
    """What samples of sound look like.

    Parameters
    ----------
    form
        ``"mel"`` or ``"wave"``.
    rate, channels
        As of `open_audio`.
    seconds, hop
        Length of a sample, and from one's start to the next one's.
    mels
        As of `open_audio`.

    Raises
    ------
    ConfigurationError
        If they cannot work.
    """

    form: Form
    rate: int
    channels: int
    seconds: float
    hop: float
    mels: int

    def __post_init__(self) -> None:
        if self.form not in get_args(Form):
            raise ConfigurationError(f"form={self.form!r}: expected {' or '.join(map(repr, get_args(Form)))}")
        if self.channels not in (1, 2):
            raise ConfigurationError(f"channels={self.channels}: expected 1 or 2")
        if not 1000 <= quantity(self.rate) <= 192_000:
            raise ConfigurationError(f"rate={quote(self.rate)}: expected 1,000 to 192,000 samples a second")
        for name, value in (("seconds", self.seconds), ("hop", self.hop)):
            if not _STEP <= quantity(value) < math.inf:
                raise ConfigurationError(f"{name}={quote(value)}: expected at least {_STEP:g} seconds")
        if not 1 <= quantity(self.mels) <= self.window // 2:
            raise ConfigurationError(f"mels={quote(self.mels)}: expected 1 to {self.window // 2} bands at this rate")

    @property
    def window(self) -> int:
        """Samples that a column of a spectrogram is made of."""
        return round(self.rate * _WINDOW)

    @property
    def step(self) -> int:
        """Samples from one column to the next."""
        return round(self.rate * _STEP)

    @property
    def length(self) -> int:
        """Samples that are read for one of the stream."""
        if self.form == "wave":
            return round(self.seconds * self.rate)
        return (max(1, round(self.seconds / _STEP)) - 1) * self.step + self.window

    @property
    def least(self) -> int:
        """Samples that are enough where sound ends: the last windows of a spectrogram may reach into silence."""
        return self.length if self.form == "wave" else self.length - self.window + self.step

    @property
    def stride(self) -> int:
        """Samples from one start to the next."""
        return round(self.hop * self.rate) if self.form == "wave" else max(1, round(self.hop / _STEP)) * self.step

    def __call__(self, wave: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is learned of (channels, length): itself, or its spectrogram (mels, columns), one for each channel."""
        if self.form == "wave":
            return wave
        options: dict[str, Any] = {"mels": self.mels, "window": self.window, "step": self.step}
        pictures = [as_picture(log_mel(channel, self.rate, **options)) for channel in wave]
        return pictures[0] if len(pictures) == 1 else np.stack(pictures)


class Cut(NamedTuple):
    """A sample's sound."""

    wave: NDArray[np.float32]
    t: float
    own_time: float
    source: str


def cuts(
    pieces: Generator[TimedFrame, None, None], form: SoundFormat, stats: StreamStats
) -> Generator[Cut, None, None]:
    """Cut sound into samples, and count them; none reaches across a gap or from one file into the next."""
    cutter = _Cutter(form, stats)
    try:
        for timed in pieces:
            wave, begins = timed.frame
            if begins or timed.source != cutter.source:
                yield from cutter.cut(form.least)
                cutter.begin(timed)
            cutter.kept = np.concatenate([cutter.kept, wave], axis=1)
            yield from cutter.cut(form.length)
        yield from cutter.cut(form.least)
    finally:
        pieces.close()


class _Cutter:
    """Sound that hangs together, and how much of it samples have been made of."""

    def __init__(self, form: SoundFormat, stats: StreamStats) -> None:
        self.form, self.stats = form, stats
        self.source, self.clipped = "", False
        self.kept = np.zeros((form.channels, 0), np.float32)
        self.ahead = 0  # samples of `kept` that lie before the next one's start
        self.t = self.own_time = 0.0  # at which `kept` begins

    def begin(self, timed: TimedFrame) -> None:
        """Forget what is left: something else comes."""
        self.kept, self.ahead = self.kept[:, :0], 0
        self.t, self.own_time, self.source = timed.t, timed.own_time, timed.source

    def cut(self, least: int) -> Iterator[Cut]:
        """Yield the samples of which at least so much is here, filled up with silence."""
        form = self.form
        while self.kept.shape[1] >= self.ahead + least:
            self.kept = self.kept[:, self.ahead :]
            self.t, self.own_time = self.t + self.ahead / form.rate, self.own_time + self.ahead / form.rate
            wave = self.kept[:, : form.length]
            wave = np.pad(wave, ((0, 0), (0, form.length - wave.shape[1])))
            if not self.clipped and (np.abs(wave) >= _FULL).mean() > _MUCH:
                self.clipped = True
                log.warning(
                    "%s: clipped at %.1f s: the sound is louder than it can be recorded", self.source, self.own_time
                )
            self.stats.frames += 1
            self.ahead = form.stride
            yield Cut(wave, self.t, self.own_time, self.source)
