"""Write tests/data/log_mel.npz: what librosa makes of two sounds, for tests that run without it.

Run once, with librosa 0.11.0 in an environment of its own: ``python scripts/make_log_mel_reference.py``.
"""

from pathlib import Path

import librosa
import numpy as np

RATES = {"speech": (8000, 40), "wide": (22_050, 128), "usual": (16_000, 64)}


def sound(rate: int) -> np.ndarray:
    """Two gliding tones, noise and a click: something in every band."""
    t = np.arange(rate) / rate
    noise = np.random.default_rng(7).standard_normal(rate)
    wave = 0.4 * np.sin(2 * np.pi * (100 + 900 * t) * t) + 0.2 * np.sin(2 * np.pi * (0.4 * rate - 300 * t) * t)
    wave += 0.01 * noise * t
    wave[rate // 2] += 0.5
    return wave.astype(np.float32)


found = {}
for name, (rate, mels) in RATES.items():
    window, step = round(rate * 0.025), round(rate * 0.01)
    power = librosa.feature.melspectrogram(
        y=sound(rate), sr=rate, n_fft=window, hop_length=step, n_mels=mels, center=False, power=2.0
    )
    found[name] = librosa.power_to_db(power, ref=1.0, amin=1e-10, top_db=None).astype(np.float32)[:, ::7]
np.savez_compressed(Path(__file__).parent.parent / "tests" / "data" / "log_mel.npz", **found)
