"""Sound from files, microphones and network streams, by PyAV."""

import time
from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import replace
from functools import partial

from hebbstream._numbers import as_index
from hebbstream._quote import quote
from hebbstream.adapters._media._fingerprint import fingerprint
from hebbstream.adapters._media._options import Connection, Thinning, check_label
from hebbstream.adapters._media._options import Cut as Part
from hebbstream.adapters._media._source import Source
from hebbstream.adapters._media._stream import MediaStream, once
from hebbstream.adapters.audio._cutting import Cut, Form, SoundFormat, cuts
from hebbstream.adapters.audio._decoding import SoundDecoder
from hebbstream.adapters.audio._microphones import find_sources
from hebbstream.errors import ConfigurationError
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

Labels = Callable[[float], Hashable]


def open_audio(
    source: Source,
    *,
    form: Form = "mel",
    seconds: float = 1.0,
    hop: float | None = None,
    rate: int = 16_000,
    channels: int = 1,
    mels: int = 64,
    start: float = 0.0,
    duration: float | None = None,
    loop: bool = False,
    label: Labels | None = None,
    prefetch: int = 4,
    live: bool | None = None,
    stream: int | None = None,
    format: str | None = None,  # noqa: A002  # as FFmpeg calls it
    open_timeout: float = 10.0,
    read_timeout: float = 10.0,
    retry_for: float = 300.0,
    options: Mapping[str, str] | None = None,
) -> Stream[Sample]:
    """Open sound as a stream of samples: spectrograms, or the waves themselves.

    Decoding runs in its own thread. A recording waits for learning. When learning is slower than a live source, the oldest
    waiting samples are dropped. When such a source breaks off, it is connected again.

    Silence is learned as it is: 0 throughout. Sound that is no number is taken for silence, and counted in
    ``stats.corrupt`` as damaged packets are. Where much of it stands at full scale, the log of ``hebbstream.audio`` says
    once that it is clipped. A rate, a format or a number of channels that changes midway is resampled as it comes. No
    sample reaches across a gap of more than a quarter of a second, or from one file into the next. What is left at
    the end and fills none is left out; the last window of a spectrogram may reach past the end, into silence.

    Parameters
    ----------
    source
        As of `open_video`: a file in any format that FFmpeg reads (of a video its sound), a glob, an address, bytes, a
        file object, ``"-"``, or ``"lavfi:sine=frequency=440"``; ``"mic"`` is the microphone that the system takes by
        default, a number (``0`` or ``"0"``) another, as is its name (``"hw:1,0"`` on Linux, ``"audio=…"`` on Windows).
    form
        ``"mel"``: pictures of bands of frequencies by time, log-mel spectrograms (see `log_mel`) with a
        hundred columns a second, in which 0 is -80 dB and 1 is 20 dB. ``"wave"``: the sound itself, from -1 to 1.
    seconds, hop
        Length of a sample, and from its start to the next one's; ``None`` takes `seconds`.
    rate
        Samples a second of the sound, to which any other is resampled.
    channels
        1, all mixed, or 2; more are mixed down to left and right where the file says where each belongs, or else the
        first two are taken.
    mels
        Bands of frequencies.
    start, duration, loop
        As of `open_video`.
    label
        Gives the label for the time in seconds of a sample's middle, in its own file.
    prefetch, live
        As of `open_video`.
    stream
        Which of several sounds in the source, from 0; ``None`` takes the one marked as default, or the first.
    format, open_timeout, read_timeout, retry_for, options
        As of `open_video`.

    Returns
    -------
    Stream
        Of `Sample` with ``x`` float32: (mels, columns), or of two channels (2, mels, columns); or (channels, n) of
        waves; ``t`` in seconds at which it begins; and ``source``. A context manager.

    Raises
    ------
    SourceNotFoundError, SourcePermissionError, ConnectionLostError, StalledStreamError
        As of `open_video`.
    NotASoundError
        If the file holds no sound that can be decoded.
    DamagedFileError
        While iterating, after the last good sample, if a part of the recording is missing.
    ConfigurationError
        If an option cannot work.

    Examples
    --------
    >>> with open_audio("lavfi:sine=frequency=440:duration=2", seconds=0.5) as samples:
    ...     print(next(samples), len(list(samples)))
    Sample(x=float32 (64, 50), t=0.0, source='sine=frequency=440:duration=2') 3
    """
    check_label(label)
    if as_index(prefetch) < 0:
        raise ConfigurationError(f"prefetch={quote(prefetch)}: expected 0 or a positive number of samples")
    sound = SoundFormat(form, rate, channels, seconds, seconds if hop is None else hop, mels)
    part, connection = Part(start, duration, loop), Connection(None, open_timeout, read_timeout, retry_for, stream)
    sources = find_sources(source, options, format)  # last, so that an option that cannot work is told first
    connection, stats = once(sources, part, connection), StreamStats()
    return AudioStream(
        sources,
        partial(SoundDecoder, stats=stats, connection=connection, rate=rate, channels=channels),
        part,
        connection,
        select=partial(cuts, form=sound, stats=stats),
        make=partial(_samples, form=sound, label=label),
        announce=partial(_announced, part=part, form=sound),
        fingerprint=partial(fingerprint, sources, part, Thinning(), other=f"{sound}"),
        prefetch=prefetch,
        live=live,
        stats=stats,
    )


class AudioStream(MediaStream):
    """Open sound; made by `open_audio`."""

    @property
    def stats(self) -> StreamStats:
        """What has happened so far; of frames it counts samples."""
        return replace(super().stats, frames=self._taken)


def _samples(
    pieces: Generator[Cut, None, None], live: bool, *, form: SoundFormat, label: Labels | None
) -> Generator[Sample, None, None]:
    try:
        for wave, t, own_time, source in pieces:
            y = None if label is None else label(own_time + form.length / form.rate / 2)
            yield Sample(form(wave), y, t, source, time.monotonic() if live else None, own_time)
    finally:
        pieces.close()


def _announced(decoder: SoundDecoder, part: Part, form: SoundFormat) -> int | None:
    """Return the number of samples that the file's header announces; ``None`` where it announces nothing."""
    seconds = decoder.seconds_of(part)
    return max(0, int(seconds * form.rate) - form.least + form.stride) // form.stride if seconds > 0 else None
