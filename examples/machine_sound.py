"""A machine's sound that turns odd: it is learned as it runs, and what is unlike it is reported.

A network learns from the first ten seconds; how much its features vary is found out from the next ten. Prints, second by
second, by how many deviations they differ from then, and says where that is too much. Nothing was labelled, and nothing
is known of the fault beforehand.

The sound is made up and written to machine.wav in the current folder: a motor's hum with its harmonics, rising and
falling slowly, and noise; after forty seconds a bearing begins to knock, faintly. Another file, a video, an address or
``mic`` may be given instead.
"""

import argparse
import math
import wave

import numpy as np

import hebbstream as hs
from hebbstream.adapters.audio import open_audio

RATE = 16_000


def write_machine(path: str, seconds: int, fault: int) -> None:
    """Write the sound of a motor whose bearing knocks from a certain second on."""
    generator = np.random.default_rng(0)
    t = np.arange(RATE * seconds) / RATE
    speed = 2 * math.pi * np.cumsum(49 + 2 * np.sin(2 * math.pi * t / 17)) / RATE
    hum = sum(0.12 / k * np.sin(k * speed + k) for k in range(1, 12))
    sound = hum + 0.01 * generator.standard_normal(len(t))
    since = t % 0.21  # a knock about five times a second
    knock = 0.05 * np.exp(-since / 0.01) * np.sin(2 * math.pi * 3100 * since)
    sound += np.where(t >= fault, knock, 0.0)
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).clip(-32768, 32767).astype("<i2").tobytes())


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("source", nargs="?", help="sound to listen to (default: the machine that is made up)")
parser.add_argument("--learn", type=float, default=20.0, metavar="S", help="seconds that are normal (default: 20)")
parser.add_argument("--limit", type=int, default=60, metavar="N", help="stop after N seconds (default: 60)")
options = parser.parse_args()
if not options.learn >= 4:
    parser.error(f"argument --learn: {options.learn:g}: expected 4 seconds or more, half of them to see what varies")

source = options.source
if source is None:
    source = "machine.wav"
    write_machine(source, options.limit, fault=2 * options.limit // 3)

# A neuron's mean over time, in eight bands of frequency: when within a sample something is heard does not matter.
spec = hs.LayerSpec(
    channels=24, kernel_size=5, learning_rate=0.05, radius=3.0, update_scale="running_max",
    pool="avg", pool_size=(8, 50), pool_stride=(8, 50),
)  # fmt: skip
net = hs.SoftHebbNet([spec], in_channels=1)
usual: list[np.ndarray] = []
scores: list[float] = []
odd = 0
with open_audio(source, seconds=0.5, duration=options.limit) as sounds:
    for sample in sounds:
        if sample.t < options.learn / 2:
            net.learn_one(sample.x)
            continue
        features = net.transform_one(sample.x).numpy()
        if sample.t < options.learn:  # what it has learned stays from now on; how much features vary is found out
            usual.append(features)
            continue
        mean, deviation = np.mean(usual, axis=0), np.std(usual, axis=0) + 1e-3
        if not scores:
            scores = [float(np.sqrt((((each - mean) / deviation) ** 2).mean())) for each in usual]
        score = float(np.sqrt((((features - mean) / deviation) ** 2).mean()))
        limit = float(np.mean(scores) + 6 * np.std(scores))
        odd = odd + 1 if score > limit else 0
        if sample.t % 1 == 0:
            print(f"{sample.t:6.1f} s  {score:6.2f} deviations  (limit {limit:.2f}){'  odd' if odd else ''}")
        if odd == 3:
            print(f"{sample.t:6.1f} s  the sound has turned odd")
if not scores:
    raise SystemExit(
        f"{source}: nothing came after the {options.learn:g} seconds that are normal; expected a longer sound"
    )
