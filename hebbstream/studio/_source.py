"""`Source`: where pictures come from; of each, only the newest waits."""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Literal

from hebbstream._credentials import mask_credentials
from hebbstream.adapters.video import open_video
from hebbstream.adapters.video._cameras import find_sources
from hebbstream.errors import HebbstreamError, SourceNotFoundError
from hebbstream.studio._picture import Draw, Picture, Pixels

State = Literal["connecting", "live", "lost", "off"]
_RETRY_SECONDS = 3.0
_STALLED_SECONDS = 3.0
_WAIT_SECONDS = 0.1
_LAST_SECONDS = 0.04  # for which the last frame is shown; a picture is a file of one
_LONGEST_PAUSE = 1.0  # between two frames of a file, whatever its time stamps say
_MOST_BEHIND = 1.0  # that a file makes up for: after it was turned off, it goes on where it was


class Source:
    """A slot for the newest picture: whoever fills it never waits, and a picture that nobody took in time is dropped.

    Parameters
    ----------
    number
        Tells it from the others.
    name
        For people; credentials in it are masked.
    arrived
        Is notified of every picture.
    """

    live = True
    """Whether it goes on whether or not it is read."""

    def __init__(self, number: int, name: str, arrived: threading.Condition) -> None:
        self.number, self.name = number, _shown(name)
        self.latest: Picture | None = None
        self.dropped = 0
        self._arrived = arrived
        self._state: State = "connecting"
        self._problem = ""
        self._wanted = True
        self._waits = False

    def put(self, shown: Pixels | Draw, t: float | None, sample: Pixels | None = None) -> None:
        """Take in a picture, in place of one that still waits; the parameters are those of `Picture`."""
        if not self._wanted:
            return
        with self._arrived:
            number = 1 if self.latest is None else self.latest.number + 1
            self.dropped += self._waits
            self.latest, self._waits = Picture(self.number, number, shown, t, time.monotonic(), sample), True
            self._state, self._problem = "live", ""
            self._arrived.notify_all()

    def take(self) -> Picture | None:
        """Return the picture that waits, if there is one; call it with the lock of `arrived` held."""
        if not self._waits:
            return None
        self._waits = False
        return self.latest

    def fail(self, problem: str) -> None:
        """Note why no pictures come."""
        self._state, self._problem = "lost", _shown(problem)

    def switch(self, wanted: bool) -> None:
        """Turn it on or off."""
        self._wanted = wanted
        if not wanted:
            self._waits = False

    def close(self) -> None:
        """End it."""

    @property
    def wanted(self) -> bool:
        """Whether it is turned on."""
        return self._wanted

    def told(self) -> dict[str, Any]:
        """Return how it stands, in JSON terms."""
        state: State = self._state if self._wanted else "off"
        problem = self._problem
        if state == "live" and self.latest is not None and time.monotonic() - self.latest.captured > _STALLED_SECONDS:
            state, problem = "lost", "no picture for some seconds"
        size = None if self.latest is None else self.latest.size
        return {"id": self.number, "name": self.name, "state": state, "problem": problem, "size": size}


class PlayedSource(Source):
    """A source that a thread of its own plays, and plays again after an end or a fault."""

    def begin(self) -> None:
        """Start the thread."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"hebbstream-source-{self.number}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it; a device that does not answer is left to end by itself."""
        self._closing.set()
        self._thread.join(timeout=2.0)

    def rest(self) -> None:
        """Leave a file where it is while nobody wants it; what a device shows meanwhile is let go."""
        while not self._wanted and not self.live and not self._closing.is_set():
            self._closing.wait(0.2)

    @abstractmethod
    def _play(self) -> None:
        """Open it, and put what it has until it ends."""

    def _work(self) -> None:
        while not self._closing.is_set():
            try:
                self._play()
            except Exception as error:  # whatever a decoder raises, the page says it, and the others go on
                kind = "" if isinstance(error, HebbstreamError) else f"{type(error).__name__}: "
                self.fail(f"{kind}{error}")
                self._closing.wait(_RETRY_SECONDS)


class VideoSource(PlayedSource):
    """A camera, a network stream, or a file: a file is played at its own pace, over and over.

    Parameters
    ----------
    number
        See `Source`.
    address
        What `open_video` opens; it is checked now, and opened in a thread of its own.
    arrived
        See `Source`.
    options
        Of `open_video`.

    Raises
    ------
    SourceNotFoundError
        If there is no such file.
    """

    def __init__(self, number: int, address: str, arrived: threading.Condition, **options: Any) -> None:
        found = find_sources(address, None, options.get("format"))[0]
        if found.kind == "file" and not Path(found.url).exists():  # a camera may still be plugged in
            raise SourceNotFoundError(f"no file at {found.url}")
        super().__init__(number, found.name, arrived)
        self._address, self._options = address, options
        self.begin()

    def _play(self) -> None:
        with open_video(self._address, retry_for=_RETRY_SECONDS, **self._options) as stream:
            self.live = stream.live
            started, before = time.monotonic(), 0.0
            for number in count():
                sample = next(stream, None)
                if sample is None:
                    if number == 0:
                        raise HebbstreamError(f"{self.name}: no frame in it")
                    self._closing.wait(_LAST_SECONDS)
                    return
                t = sample.t or 0.0
                if not stream.live:
                    if not 0 <= t - before <= _LONGEST_PAUSE:
                        started += t - before
                    before, started = t, max(started, time.monotonic() - t - _MOST_BEHIND)
                    self._closing.wait(max(0.0, started + t - time.monotonic()))
                if self._closing.is_set():
                    return
                self.put(sample.x, sample.t)
                self.rest()


def _shown(text: str) -> str:
    """Return a text without credentials, and without what is no UTF-8: the name of a file may be anything."""
    return mask_credentials(text).encode(errors="replace").decode()


def next_picture(
    sources: Sequence[Source], turn: int, arrived: threading.Condition, busy: Callable[[], object]
) -> Picture | None:
    """Return the next picture that waits, of the sources in turn; wait a little where there is none.

    Parameters
    ----------
    sources
        Where it may come from.
    turn
        Number of the source to ask first.
    arrived
        What the sources notify.
    busy
        Whether there is something else to do than to wait.
    """
    with arrived:
        for step in range(len(sources)):
            picture = sources[(turn + step) % len(sources)].take()
            if picture is not None:
                return picture
        if not busy():
            arrived.wait(_WAIT_SECONDS)
    return None
