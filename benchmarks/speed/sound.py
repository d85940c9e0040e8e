"""Learn an hour of sound at the preset's size: decoding, spectrograms and learning, timed together, and memory by the minute.

The sound is made up, and told to be: a voice-like tone that glides and pauses, hums and noise, all of it different from
second to second. `--sound` reads another file.
"""

import gc
import tempfile
import time
import wave
from pathlib import Path

import numpy as np
import psutil
import torch

import hebbstream as hs
from benchmarks.core import run, store
from hebbstream.adapters.audio import open_audio

RATE = 16_000


def write_sound(path: Path, seconds: int) -> None:
    """Write sound that goes on changing."""
    generator = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for _ in range(seconds):
            low, high, pace = generator.uniform((80, 100, 1), (300, 3000, 8))
            glide = 2 * np.pi * np.cumsum(low + (high - low) * 0.5 * (1 + np.sin(2 * np.pi * pace * t))) / RATE
            voice = sum(np.sin(k * glide) / k for k in range(1, 6)) * (
                np.sin(np.pi * pace * t) > generator.uniform(-1, 1)
            )
            sound = 0.1 * voice + generator.uniform(0, 0.05) * generator.standard_normal(RATE)
            file.writeframes((sound * 32767).clip(-32768, 32767).astype("<i2").tobytes())


class Watch(hs.Callback):
    """Notes how much memory is resident after every so many samples, and when asked."""

    def __init__(self, every_samples: int) -> None:
        self.every_samples, self.resident_mib = every_samples, list[float]()
        self._process = psutil.Process()

    def on_pause(self, learner: hs.Learner) -> None:  # noqa: ARG002  # as every callback
        self.note()

    def note(self) -> None:
        gc.collect()
        self.resident_mib.append(round(self._process.memory_info().rss / 2**20, 1))


def measure(path: Path, width: int | None, limit: int | None) -> store.Result:
    """Learn it once; return what that took."""
    net = hs.SoftHebbNet.from_preset("sound", width=width)
    watch = Watch(60)
    wall, processor = time.perf_counter(), time.process_time()
    with open_audio(path, rate=RATE) as stream:
        report = run.whole(hs.learn(net, stream, limit=limit, callbacks=[watch], progress=False))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    watch.note()  # the end, which sound of less than a minute has alone
    settled = watch.resident_mib[len(watch.resident_mib) // 10 :]
    return {
        "samples": report.samples,
        "width": net.layers[0].spec.channels,
        "threads": torch.get_num_threads(),
        "seconds": round(wall, 1),
        "cpu_seconds": round(processor, 1),
        "times_faster": round(report.samples / wall, 1),
        "resident_mib": {"first": settled[0], "last": settled[-1], "most": max(settled)},
        "resident_mib_every_60": watch.resident_mib,
    }


def main() -> None:
    parser = run.arguments("speed/sound", __doc__)
    parser.add_argument("--sound", type=Path, help="file to learn from (default: an hour that is made up)")
    parser.add_argument("--seconds", type=int, default=3600, help="of the sound that is made up")
    parser.add_argument("--limit", type=int, metavar="N", help="samples, of a second each")
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: the preset's)")
    options = run.begin(parser)
    with tempfile.TemporaryDirectory() as folder:
        path = options.sound or Path(folder) / "hour.wav"
        if options.sound is None:
            write_sound(path, options.seconds)
        result = measure(path, options.width, options.limit)
    print(result)
    store.write(options.output, result)


if __name__ == "__main__":
    main()
