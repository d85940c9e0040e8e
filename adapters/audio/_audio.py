"""Sound from files, microphones and network streams, by PyAV."""

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
from hebbstream.adapters._media._options import Connection, Thinning
from hebbstream.adapters._media._options import Cut as Part
from hebbstream.adapters._media._recorded import recorded_frames
from hebbstream.adapters._media._source import MediaSource, Source
from hebbstream.adapters.audio._cutting import Cut, Form, SoundFormat, cuts
from hebbstream.adapters.audio._decoding import SoundDecoder
from hebbstream.adapters.audio._microphones import find_sources
from hebbstream.errors import ConfigurationError
from hebbstream.streams._prefetch import Prefetch
from hebbstream.streams._sample import Sample
from hebbstream.streams._stats import StreamStats
from hebbstream.streams._stream import Stream

_CLOSING_SECONDS = 1.0
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

    Decoding runs in a thread of its own. A recording waits for learning; of a live source, when learning is slower, the
    samples that have waited longest are dropped. When that breaks off it is connected again.

    Silence is learned as it is: 0 throughout. Sound that is no number is taken for silence, and counted in
    ``stats.corrupt`` as damaged packets are. Where much of it stands at full scale, the log of ``hebbstream.audio`` says
    once that it is clipped. A rate, a format or a number of channels that changes midway is resampled as it comes. No
    sample reaches across a gap of more than a quarter of a second, or from one file into the next; what is left at
    the end and fills none is left out.

    Parameters
    ----------
    source
        As of `open_video`: a file in any format that FFmpeg reads (of a video its sound), a glob, an address, bytes, a
        file object, ``"-"``, or ``"lavfi:sine=frequency=440"``; ``"mic"`` is the microphone that the system takes by
        default, a number (``0`` or ``"0"``) another, as is its name (``"hw:1,0"`` on Linux, ``"audio=…"`` on Windows).
    form
        ``"mel"``: pictures of bands of frequencies by time, log-mel spectrograms (see `log_mel`) with a hundred
        columns a second, in which 0 is -80 dB and 1 is 20 dB. ``"wave"``: the sound itself, from -1 to 1.
    seconds, hop
        Length of a sample, and from its start to the next one's; ``None`` takes `seconds`.
    rate
        Samples a second of the sound, to which any other is resampled.
    channels
        1, all mixed, or 2.
    mels
        Bands of frequencies.
    start, duration, loop, prefetch, live, format, open_timeout, read_timeout, retry_for, options
        As of `open_video`.
    label
        Gives the label for the time in seconds of a sample's middle, in its own file.
    stream
        Which of several sounds in the source, from 0; ``None`` takes the one marked as default, or the first.

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
    Sample(x=float32 (64, 50), t=0.0, source='sine=frequency=440:duration=2') 2
    """
    if prefetch < 0:
        raise ConfigurationError(f"prefetch={prefetch}: expected 0 or a positive number of samples")
    sound = SoundFormat(form, rate, channels, seconds, seconds if hop is None else hop, mels)
    part, connection = Part(start, duration, loop), Connection(None, open_timeout, read_timeout, retry_for, stream)
    sources = find_sources(source, options, format)  # last, so that an option that cannot work is told first
    if sources[0].once:
        if loop:
            raise ConfigurationError(f"loop with {sources[0].shown}: expected a source that can be read again")
        connection = replace(connection, retry_for=0.0)
    return AudioStream(sound, part, connection, sources, label=label, prefetch=prefetch, live=live)


class AudioStream(Stream[Sample]):
    """Open sound; made by `open_audio`."""

    def __init__(
        self,
        form: SoundFormat,
        part: Part,
        connection: Connection,
        sources: Sequence[MediaSource],
        *,
        label: Labels | None,
        prefetch: int,
        live: bool | None,
    ) -> None:
        stats, self._closing = StreamStats(), threading.Event()
        weakref.finalize(self, self._closing.set)
        connect = partial(SoundDecoder, stats=stats, connection=connection, rate=form.rate, channels=form.channels)
        first = interruptible(partial(connect, sources[0])) if len(sources) == 1 else None
        self._first = first
        live = (first is not None and first.live) if live is None else live
        if first is None or not live:
            pieces = recorded_frames(sources, connect, first, stats, part)
        elif part.start or part.loop:
            first.close()
            raise ConfigurationError(f"{sources[0].shown}: expected a recording for start or loop, found a live source")
        else:
            again = partial(connect, sources[0])
            wait = connection.retry_for
            pieces = live_frames(first, again, stats, duration=part.duration, retry_for=wait, closing=self._closing)
        self._cuts = cuts(pieces, form)
        samples = _samples(self._cuts, form, label, live)
        self._queue = Prefetch(samples, prefetch, "drop_oldest" if live else "block") if prefetch else samples
        seconds = 0.0 if first is None or live or part.loop else min(first.seconds - part.start, part.duration or 1e18)
        length = max(0, int(seconds * form.rate) - form.length + form.stride) // form.stride if seconds > 0 else None
        manner = Thinning(), f"{form}"
        self._fingerprint = partial(fingerprint, sources, part, *manner)
        names = repr(sources[0].name) + (f" and {len(sources) - 1} more" if len(sources) > 1 else "")
        kind = "live" if live else "recorded"
        super().__init__(self._queue, name=f"AudioStream({names}, {kind})", length=length, live=live, stats=stats)

    @property
    def stats(self) -> StreamStats:
        """What has happened so far."""
        dropped = self._queue.dropped if isinstance(self._queue, Prefetch) else 0
        return replace(self._stats, dropped=dropped, frames=self._taken)

    @property
    def fingerprint(self) -> str | None:
        """What tells these sounds, read in this way, from any others."""
        return self._fingerprint()

    def fast_forward(self, count: int) -> int:
        """Pass over samples, to go on from a checkpoint; before the first one no spectrograms are made."""
        if self.live or self._taken:
            return super().fast_forward(count)
        iter(self)  # closed, it says so
        self._taken = sum(1 for _ in islice(self._cuts, count))
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
    pieces: Generator[Cut, None, None], form: SoundFormat, label: Labels | None, live: bool
) -> Generator[Sample, None, None]:
    try:
        for wave, t, own_time, source in pieces:
            y = None if label is None else label(own_time + form.length / form.rate / 2)
            yield Sample(form(wave), y, t, source, time.monotonic() if live else None)
    finally:
        pieces.close()
