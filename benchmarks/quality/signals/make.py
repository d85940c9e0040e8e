"""Make the sets of signals and sound, as files of arrays.

    PYTHON benchmarks/quality/signals/make.py FOLDER
    python -m benchmarks.quality.signals.make FOLDER --sounds asterisk/sounds

The first needs aeon, tslearn and seglearn, best in an environment of their own; nothing of them is shipped. Eight are small sets of
aeon's, of which those of unequal length are brought to the median one; `Trace` is tslearn's. The second makes what this
project's environment has: `Digits`, scikit-learn's pictures as eight channels over eight moments, and `Waveform`, river's
generator of noisy waves (Breiman 1984); other sets of river's that need no network are tables without an order, or
one series to forecast. `Watch-a` and `Watch-b` are
seglearn's recordings of a smart watch during seven exercises: windows of 100 rows every 50, of five people each, three to
learn from and two to test. `Voices-a` and `Voices-b` are seconds of the prompts of Debian's asterisk-core-sounds-*-wav in
five languages, each spoken by one person, as log-mel pictures: of letters, digits and the phonetic alphabet, and of
all others; every third prompt tests. Sets of the `CHOOSING` half were looked at while presets were chosen, the others not.
"""

import argparse
import os
import wave
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SETS = (
    "ACSF1",
    "ArrowHead",
    "BasicMotions",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "OSULeaf",
    "PickupGestureWiimoteZ",
)
CHOOSING = ("ACSF1", "BasicMotions", "ItalyPowerDemand", "OSULeaf", "Trace", "Watch-a", "Voices-a")
WINDOW, HOP, MOST = 100, 50, 1500


def stretched(x: Array, length: int) -> Array:
    places = np.linspace(0, x.shape[1] - 1, length)
    return np.stack([np.interp(places, np.arange(x.shape[1]), channel) for channel in x])


def of_aeon(name: str) -> dict[str, Array]:
    import aeon
    from aeon.datasets import load_classification

    folder = os.path.join(os.path.dirname(aeon.__file__), "datasets", "data")  # noqa: PTH118, PTH120
    parts = [load_classification(name, split=split, extract_path=folder) for split in ("train", "test")]
    length = max(16, int(np.median([x.shape[1] for x in parts[0][0]])))
    found = [np.stack([stretched(x, length) for x in xs]).astype(np.float32) for xs, _ in parts]
    return {"train": found[0], "train_y": parts[0][1], "test": found[1], "test_y": parts[1][1]}


def trace() -> dict[str, Array]:
    from tslearn.datasets import CachedDatasets

    x, y, test, test_y = CachedDatasets().load_dataset("Trace")
    x, test = (part.transpose(0, 2, 1).astype(np.float32) for part in (x, test))
    return {"train": x, "train_y": y, "test": test, "test_y": test_y}


def watch(half: int) -> dict[str, Array]:
    from seglearn.datasets import load_watch

    found = load_watch()
    people = sorted(set(found["subject"]))[5 * half : 5 * half + 5]
    arrays = {}
    for name, some in (("train", people[:3]), ("test", people[3:])):
        rows = [
            (x[start : start + WINDOW].T, int(y))
            for x, y, who in zip(found["X"], found["y"], found["subject"], strict=True)
            if who in some
            for start in range(0, len(x) - WINDOW + 1, HOP)
        ]
        arrays[name] = np.stack([x for x, _ in rows]).astype(np.float32)
        arrays[f"{name}_y"] = np.array([y for _, y in rows])
    return arrays


def digits() -> dict[str, Array]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, half = x.reshape(-1, 8, 8).astype(np.float32), len(x) // 2  # the second half was written by other people
    return {"train": x[:half], "train_y": y[:half], "test": x[half:], "test_y": y[half:]}


def waveform() -> dict[str, Array]:
    from river.datasets.synth import Waveform

    rows = list(Waveform(seed=0).take(1500))
    x, y = np.array([[*x.values()] for x, _ in rows], np.float32)[:, None], np.array([y for _, y in rows])
    return {"train": x[:500], "train_y": y[:500], "test": x[500:], "test_y": y[500:]}


def voices(sounds: Path, spelled: bool) -> dict[str, Array]:
    from hebbstream.adapters.audio._log_mel import as_picture, log_mel

    rows: dict[str, list[tuple[Array, str]]] = {"train": [], "test": []}
    for voice in sorted(path for path in sounds.iterdir() if path.is_dir() and "_" in path.name):
        folders = [voice / name for name in ("digits", "letters", "phonetic")] if spelled else [voice]
        files = sorted(path for folder in folders for path in folder.glob("*.wav"))
        for number, path in enumerate(files):
            with wave.open(str(path)) as file:
                sound = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
            if not spelled:
                sound = sound[: 3 * 8000]
            sound = np.pad(sound, (0, max(0, 8120 - len(sound))))
            for start in range(0, len(sound) - 8119, 8000):
                picture = as_picture(log_mel(sound[start : start + 8120], 8000, mels=40))
                rows["test" if number % 3 == 2 else "train"].append((picture[None], voice.name))
    chosen = {name: np.random.default_rng(0).permutation(len(rows[name]))[:MOST] for name in rows}
    arrays = {name: np.stack([rows[name][i][0] for i in chosen[name]]) for name in rows}
    return arrays | {f"{name}_y": np.array([rows[name][i][1] for i in chosen[name]]) for name in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sounds", type=Path, help="make the sounds, of the prompts in this folder")
    options = parser.parse_args()
    if options.sounds:
        made = {"Voices-a": partial(voices, options.sounds, True), "Voices-b": partial(voices, options.sounds, False)}
        made |= {"Digits": digits, "Waveform": waveform}
    else:
        made = {name: partial(of_aeon, name) for name in SETS}
        made |= {"Trace": trace, "Watch-a": partial(watch, 0), "Watch-b": partial(watch, 1)}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, make in made.items():
        arrays = make()
        np.savez(options.folder / f"{name}.npz", **arrays)
        print(name, arrays["train"].shape, arrays["test"].shape, len(set(arrays["train_y"].tolist())), "classes")


if __name__ == "__main__":
    main()
