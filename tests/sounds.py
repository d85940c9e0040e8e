"""Sounds for tests, and files of them."""

import io

import av
import numpy as np

RATE = 16_000


def tone(hertz, seconds=1.0, rate=RATE, loudness=0.5):
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def encode(wave, rate=RATE, form="wav", codec="pcm_s16le", layout=None, into=None):
    """Return the bytes of a file, or write them to a path; `wave` is (n,) or (channels, n)."""
    wave = np.atleast_2d(np.asarray(wave, np.float32))
    target = io.BytesIO() if into is None else into
    with av.open(target if into is None else str(into), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout or ("mono" if len(wave) == 1 else "stereo")
        for start in range(0, wave.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave[:, start : start + 1024]), format="fltp", layout=stream.layout.name
            )
            frame.sample_rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue() if into is None else into
