"""The log-mel spectrogram, against librosa's numbers (scripts/make_log_mel_reference.py)."""

from pathlib import Path

import numpy as np
import pytest

from hebbstream import errors
from hebbstream.adapters.audio import log_mel

REFERENCE = np.load(Path(__file__).parents[2] / "data" / "log_mel.npz")


def sound(rate):
    """As in the script."""
    t = np.arange(rate) / rate
    noise = np.random.default_rng(7).standard_normal(rate)
    wave = 0.4 * np.sin(2 * np.pi * (100 + 900 * t) * t) + 0.2 * np.sin(2 * np.pi * (0.4 * rate - 300 * t) * t)
    wave += 0.01 * noise * t
    wave[rate // 2] += 0.5
    return wave.astype(np.float32)


@pytest.mark.parametrize(("name", "rate", "mels"), [("speech", 8000, 40), ("wide", 22_050, 128), ("usual", 16_000, 64)])
def test_the_numbers_are_librosas(name, rate, mels):
    found = log_mel(sound(rate), rate, mels=mels)[:, ::7]
    assert found.shape == REFERENCE[name].shape
    # In decibels; where all but nothing is left of a band, the two round differently.
    loud = REFERENCE[name] > -70
    assert loud.mean() > 0.9
    np.testing.assert_allclose(found[loud], REFERENCE[name][loud], atol=0.02)
    np.testing.assert_allclose(found, REFERENCE[name], atol=1.0)


def test_silence_is_the_floor():
    np.testing.assert_allclose(log_mel(np.zeros(8000), 16_000), -100)


@pytest.mark.parametrize(
    ("wave", "options", "message"),
    [
        (np.zeros(399), {}, r"sound of shape \(399,\): expected \(n,\) with at least 400 samples"),
        (np.zeros((2, 4000)), {}, r"sound of shape \(2, 4000\)"),
        (np.array([0.0, np.nan, -np.inf] * 200), {}, "sound with 400 values of NaN or infinity: expected none"),
        (np.zeros(4000), {"mels": 0}, "mels=0: expected a positive integer"),
        (np.zeros(4000), {"step": 0}, "step=0: expected a positive integer"),
        (np.zeros(4000), {"window": 400.5}, "window=400.5: expected a positive integer"),
        (np.zeros(4000), {"rate": "16000"}, "rate='16000': expected a positive number"),
    ],
)
def test_what_cannot_work_is_refused(wave, options, message):
    with pytest.raises(errors.HebbstreamError, match=message):
        log_mel(wave, **{"rate": 16_000} | options)
