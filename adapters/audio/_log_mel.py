"""Sound as a picture: how loud each band of frequencies is, over time."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hebbstream._numbers import check_number, quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, NonFiniteError

Array = NDArray[np.float32]
FLOOR_DB, TOP_DB = -80.0, 20.0
_LEAST_POWER = 1e-10
_LINEAR_STEP, _LINEAR_END = 200.0 / 3.0, 1000.0  # of Slaney's scale: Hz for each mel, and where it ends
_LOG_STEP = np.log(6.4) / 27.0


def log_mel(sound: Any, rate: int, *, mels: int = 64, window: int | None = None, step: int | None = None) -> Array:
    """Return the log-mel spectrogram of a sound, in decibels.

    Power spectra of pieces under a Hann window, summed into triangular bands that lie evenly on Slaney's mel scale, each
    of area 1 (Slaney 1998, Auditory Toolbox), as ``10·log10``. These are the numbers of librosa 0.11's
    ``power_to_db(feature.melspectrogram(…, center=False, power=2.0), top_db=None)``.

    Parameters
    ----------
    sound
        Shape (n,), in [-1, 1].
    rate
        Samples a second.
    mels
        Bands, from 0 to half of `rate`.
    window, step
        Samples of a piece, and from one to the next; ``None`` takes 0.025 and 0.01 seconds.

    Returns
    -------
    ndarray
        Shape (mels, 1 + (n - window) // step), float32, at least -100 dB. Lowest band first.

    Raises
    ------
    ConfigurationError
        If the sound is shorter than a piece, or a number is not positive.
    NonFiniteError
        If a value is NaN or infinite.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    >>> picture = log_mel(tone, 16_000)
    >>> picture.shape, int(picture.mean(axis=1).argmax()) in (8, 9)
    ((64, 98), True)
    """
    if not 1 <= quantity(rate) < np.inf:
        raise ConfigurationError(f"rate={quote(rate)}: expected a positive number")
    check_number("mels", mels)
    for name, value in (("window", window), ("step", step)):
        check_number(name, value, optional=True)
    window = max(1, round(rate * 0.025)) if window is None else window
    step = max(1, round(rate * 0.01)) if step is None else step
    wave = np.asarray(sound, np.float32)
    if wave.ndim != 1 or len(wave) < window:
        raise ConfigurationError(f"sound of shape {wave.shape}: expected (n,) with at least {window} samples")
    if not np.isfinite(wave).all():
        raise NonFiniteError(
            f"sound with {np.count_nonzero(~np.isfinite(wave)):,} values of NaN or infinity: expected none"
        )
    pieces = np.lib.stride_tricks.sliding_window_view(wave, window)[::step]
    power = np.abs(np.fft.rfft(pieces * _hann(window), axis=1)) ** 2
    bands = power.astype(np.float32) @ _filters(rate, window, mels)
    return np.ascontiguousarray((10.0 * np.log10(np.maximum(bands, _LEAST_POWER))).T.astype(np.float32))


def as_picture(decibels: Array) -> Array:
    """Bring decibels into [0, 1]: 0 at -80 dB and below, 1 at 20 dB, which the loudest tone can just pass."""
    scaled: Array = (decibels - FLOOR_DB) / (TOP_DB - FLOOR_DB)
    return scaled.clip(0.0, 1.0)


@lru_cache(8)
def _hann(window: int) -> Array:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


@lru_cache(8)
def _filters(rate: int, window: int, mels: int) -> Array:
    """Return the weights of the bands, shape (window // 2 + 1, mels)."""
    edges = _to_hertz(np.linspace(0.0, _to_mels(rate / 2), mels + 2))
    bins = np.fft.rfftfreq(window, 1.0 / rate)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling)) * 2.0 / (edges[2:] - edges[:-2])
    return weights.astype(np.float32)


def _to_mels(hertz: float) -> float:
    linear = hertz / _LINEAR_STEP
    return linear if hertz < _LINEAR_END else _LINEAR_END / _LINEAR_STEP + np.log(hertz / _LINEAR_END) / _LOG_STEP


def _to_hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    end = _LINEAR_END / _LINEAR_STEP
    return np.where(mels < end, mels * _LINEAR_STEP, _LINEAR_END * np.exp(_LOG_STEP * (mels - end)))
