"""From pieces of sound, as they are decoded, to samples of one length."""

import logging
import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from hebbstream.adapters._media._timed import TimedFrame
from hebbstream.adapters.audio._log_mel import as_picture, log_mel
from hebbstream.errors import ConfigurationError

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
    rate, channels, mels
        As of `open_audio`.
    seconds, hop
        Length of a sample, and from one's start to the next one's.

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
        if not 1000 <= self.rate <= 192_000:
            raise ConfigurationError(f"rate={self.rate}: expected 1,000 to 192,000 samples a second")
        for name, value in (("seconds", self.seconds), ("hop", self.hop)):
            if not _STEP <= value < math.inf:
                raise ConfigurationError(f"{name}={value}: expected at least {_STEP:g} seconds")
        if not 1 <= self.mels <= self.window // 2:
            raise ConfigurationError(f"mels={self.mels}: expected 1 to {self.window // 2} bands at this rate")

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


def cuts(pieces: Generator[TimedFrame, None, None], form: SoundFormat) -> Generator[Cut, None, None]:
    """Cut sound into samples; none reaches across a gap or from one file into the next."""
    kept = np.zeros((form.channels, 0), np.float32)
    t = own_time = 0.0
    source, clipped, ahead = "", False, 0
    try:
        for timed in pieces:
            wave, begins = timed.frame
            if begins or timed.source != source:
                kept, ahead = kept[:, :0], 0
                t, own_time, source = timed.t, timed.own_time, timed.source
            kept = np.concatenate([kept, wave], axis=1) if kept.shape[1] else wave
            while kept.shape[1] >= ahead + form.length:
                kept = kept[:, ahead:]
                t, own_time = t + ahead / form.rate, own_time + ahead / form.rate
                cut = kept[:, : form.length].copy()
                if not clipped and (np.abs(cut) >= _FULL).mean() > _MUCH:
                    clipped = True
                    log.warning("%s: clipped at %.1f s: the sound is louder than it can be recorded", source, own_time)
                yield Cut(cut, t, own_time, source)
                ahead = form.stride
    finally:
        pieces.close()
