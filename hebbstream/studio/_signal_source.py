"""`SignalSource`: sound or sensors as windows that follow each other closely, shown as a strip that scrolls."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from hebbstream.errors import ConnectionLostError, HebbstreamError
from hebbstream.streams import Stream
from hebbstream.studio._drawing import Kind, curves, spectrogram
from hebbstream.studio._picture import Pixels, scaled
from hebbstream.studio._source import PlayedSource

Open = Callable[[str], Stream[Any]]

_WINDOWS = 8  # in the strip
_STEP_SECONDS = 0.1  # between two windows of a table without times
_LONGEST_STEP = 2.0
_STRIP_SIZE = 240, 640


class SignalSource(PlayedSource):
    """Plays a recording at its own pace, over and over, or what comes from a microphone as it comes.

    Parameters
    ----------
    number
        See `Source`.
    address
        What is opened, and what people call it.
    arrived
        See `Source`.
    kind
        How it is drawn.
    open_stream
        Opens the address as a stream of windows, (C, T), or spectrograms, (bands, columns).
    hop
        Moments from the start of one window to that of the next.

    Raises
    ------
    HebbstreamError
        If there is no such file or it cannot be read; a microphone that is not there, or is lost later, is tried again.
    """

    def __init__(
        self, number: int, address: str, arrived: threading.Condition, kind: Kind, open_stream: Open, hop: int
    ) -> None:
        super().__init__(number, address, arrived)
        self._address, self._kind, self._open, self._hop = address, kind, open_stream, hop
        self._strip = np.zeros((0, 0), np.float32)
        self._first: Stream[Any] | None = None
        with suppress(ConnectionLostError):  # a microphone may still be plugged in
            self._first = open_stream(address)
        self.begin()

    def _play(self) -> None:
        stream, self._first = self._first or self._open(self._address), None
        with stream:
            self._follow(stream)

    def _follow(self, stream: Stream[Any]) -> None:
        self.live = stream.live
        due, before = time.monotonic(), None
        for sample in stream:
            if not self.live:
                step = _STEP_SECONDS if sample.t is None or before is None else sample.t - before
                due = max(due + min(max(step, 0.0), _LONGEST_STEP), time.monotonic() - 1)
                self._closing.wait(max(0.0, due - time.monotonic()))
                self.rest()
            if self._closing.is_set():
                return
            most = _WINDOWS * sample.x.shape[1]
            self._strip = scrolled(self._strip, sample.x, self._hop, most)
            self.put(partial(self._drawn, self._strip, most), sample.t, sample.x)
            before = sample.t or 0.0
        if before is None:
            raise HebbstreamError(f"{self.name}: too short for one window")

    def _drawn(self, strip: Pixels, most: int) -> Pixels:
        blank = 0.0 if self._kind == "sound" else np.nan  # before the beginning: the present is always at the right
        whole = np.pad(strip, ((0, 0), (most - strip.shape[1], 0)), constant_values=blank)
        return scaled(spectrogram(whole), _STRIP_SIZE) if self._kind == "sound" else curves(whole, _STRIP_SIZE)


def scrolled(strip: Pixels, window: Pixels, hop: int, most: int) -> Pixels:
    """Return a strip (C, T) with what a window brings that it has not yet at its end, at most so many moments.

    A window that does not go on where the strip ends, after a gap or at the beginning, is appended as a whole.

    Examples
    --------
    >>> rows = np.arange(12.0)[None]
    >>> scrolled(rows[:, :5], rows[:, 3:8], 3, 6)[0].tolist()
    [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    """
    if strip.shape[0] != window.shape[0]:
        return window.copy()
    known = window.shape[1] - hop
    goes_on = 0 < known <= strip.shape[1] and np.allclose(strip[:, -known:], window[:, :known], equal_nan=True)
    return np.concatenate([strip, window[:, known:] if goes_on else window], axis=1)[:, -most:]
