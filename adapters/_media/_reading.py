"""`Reading`: one pass through an opened source, from where it stands; and where a pass may begin."""

import errno
import time
from collections import deque
from collections.abc import Generator, Iterator
from typing import Any

import av

from hebbstream.adapters._media._progress import Progress

_ASK_AGAIN = 0.005  # seconds
_UNTIL_KEY_FRAME = 3.0  # timeouts: whoever joins what is live can decode nothing before
_REMEMBERED, _REORDERED = 16, 4  # packets; and how many of them reordering lets overtake another


class Reading(Iterator[Any]):
    """Decodes the frames of an opened source.

    Parameters
    ----------
    container, stream
        The source, and the stream of it that is decoded.
    timeout
        Seconds for which one that has no frame yet is asked again.
    live
        Whether the pass ends when nothing has been decoded for so long, whatever else comes: other tracks, or damage.
    from_start
        Whether the source stands at its very start; elsewhere, what comes before a key frame is passed over.
    """

    def __init__(
        self, container: Any, stream: Any, timeout: float, *, live: bool = False, from_start: bool = True
    ) -> None:
        self.progress = Progress(whole=from_start)
        self.damage: Exception | None = None
        self.waited = 0.0
        """Seconds from the last packet, or of what is live the last frame, to the end."""
        self.container, self._stream, self._timeout, self._live = container, stream, timeout, live
        self._frames = self._decoded()
        self._seen: list[Any] = []

    def __next__(self) -> Any:
        return self._seen.pop() if self._seen else next(self._frames)

    def peek(self) -> Any:
        """Return the next frame without taking it; ``None`` if there is none."""
        frame = next(self, None)
        if frame is not None:
            self._seen.append(frame)
        return frame

    def close(self) -> None:
        """Stop decoding."""
        self._frames.close()

    def packets(self) -> Iterator[Any]:
        """Yield packets, and keep what ended them if that was no good end."""
        tracks = () if self._live else (self._stream,)  # FFmpeg's own timeout begins anew with every track's packets
        demuxed, since = self.container.demux(*tracks), time.monotonic()
        while True:
            try:
                packet = next(demuxed, None)
            except BlockingIOError as error:  # no frame yet
                if time.monotonic() - since > self._timeout:
                    self.damage = error
                    break
                time.sleep(_ASK_AGAIN)
                demuxed = self.container.demux(*tracks)  # an error has ended the one before
                continue
            except (av.error.FFmpegError, EOFError, OSError) as error:
                self.damage = error
                break
            if packet is None:
                break
            if packet.stream.index == self._stream.index:
                before = self.progress.frames
                self.progress.take(packet)
                yield packet
                if not self._live or self.progress.frames > before:
                    since = time.monotonic()
            patience = self._timeout * (1.0 if self.progress.frames else _UNTIL_KEY_FRAME)
            if self._live and time.monotonic() - since > patience:
                self.damage = BlockingIOError(errno.EAGAIN, "nothing of it could be decoded")
                break
        self.waited = time.monotonic() - since

    def _decoded(self) -> Generator[Any, None, None]:
        begun = self.progress.whole
        for packet in self.packets():
            begun = begun or packet.is_keyframe
            if begun:
                yield from self._frames_of(packet)
        if begun and self.damage is not None and not self._live:  # where all is well, an empty packet comes last
            yield from self._frames_of(None)

    def _frames_of(self, packet: Any) -> Generator[Any, None, None]:
        """Yield what a packet makes the decoder give; with ``None``, what it still holds."""
        progress = self.progress
        try:
            frames = self._stream.decode(packet)
        except (av.error.FFmpegError, EOFError, ValueError):
            progress.corrupt += 1
            return
        for frame in frames:
            if frame.is_corrupt:
                progress.corrupt += 1
            else:
                progress.frames += 1
                yield frame


def can_seek(container: Any) -> bool:
    """Tell whether a container knows the times of its packets, so that it may be read from a place inside."""
    flags = av.format.Flags.no_timestamps | av.format.Flags.generic_index
    return container.size > 0 and not container.format.flags & flags.value


def is_indexed(container: Any) -> bool:
    """Tell whether a container has an index of all its packets."""
    return not {"mp4", "avi"}.isdisjoint(container.format.name.split(","))


def is_steady(reading: Reading, until: float) -> bool:
    """Tell whether time stamps go on without falling back, so that they tell the same from every place.

    Where there is no index of all packets they may not; those up to `until` are read, without being decoded.
    """
    latest: float | None = None
    shown: deque[int] = deque(maxlen=_REMEMBERED)
    for packet in reading.packets():
        if not packet.size:
            continue
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None or sum(other > stamp for other in shown) > _REORDERED:
            return False
        shown.append(stamp)
        if packet.dts is not None:
            if latest is not None and packet.dts < latest:
                return False
            latest = packet.dts
        if stamp * packet.time_base >= until:
            break
    return reading.damage is None
