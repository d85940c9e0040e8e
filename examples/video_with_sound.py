"""A video with its sound: two networks, one for what is seen and one for what is heard, features side by side.

Every second the clip shows a disc or bars, and sounds high or low; the label is the pair, so that neither eyes nor ears
alone can tell. Prints the accuracy of a probe on the features of each network and of both; each second is predicted by
its first picture, before any of it is learned.

The clip is made up and written to seen_and_heard.mkv in the current folder.
"""

import argparse

import av
import numpy as np
import torch

import hebbstream as hs
from hebbstream.adapters.audio import open_audio
from hebbstream.adapters.video import open_video
from hebbstream.streams import beside

RATE, FPS, SIDE = 16_000, 4, 32
LABELS = [("disc", "low"), ("disc", "high"), ("bars", "low"), ("bars", "high")]


def picture(shape: str, generator: np.random.Generator) -> np.ndarray:
    """Return a picture of a shape, somewhere, in noise."""
    y, x = np.mgrid[:SIDE, :SIDE] - generator.integers(10, 22, (2, 1, 1))
    shown = (x**2 + y**2 < 49) if shape == "disc" else ((x // 3) % 2 == 0) & (abs(x) < 9) & (abs(y) < 7)
    grey = 90 + 80 * shown + generator.normal(0, 25, (SIDE, SIDE))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def write_clip(path: str, labels: list[tuple[str, str]]) -> None:
    """Write a clip with a second for each label."""
    generator = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    with av.open(path, "w") as container:
        video, sound = container.add_stream("ffv1", rate=FPS), container.add_stream("pcm_s16le", rate=RATE)
        video.width = video.height = SIDE
        video.pix_fmt, sound.layout = "bgr0", "mono"
        for second, (shape, pitch) in enumerate(labels):
            hertz = generator.uniform(*((300, 500) if pitch == "low" else (700, 1100)))
            wave = (0.2 * np.sin(2 * np.pi * hertz * t) + generator.normal(0, 0.05, RATE)).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, RATE * second
            for _ in range(FPS):
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture(shape, generator), "rgb24")))
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--limit", type=int, default=160, metavar="N", help="seconds of the clip (default: 160)")
options = parser.parse_args()

chosen = np.random.default_rng(1).integers(0, len(LABELS), options.limit)
write_clip("seen_and_heard.mkv", [LABELS[index] for index in chosen])

eyes = hs.SoftHebbNet.from_preset("video", width=16)
ears = hs.SoftHebbNet.from_preset("sound", width=16)
probes = {"seen": hs.SoftmaxProbe(), "heard": hs.SoftmaxProbe(), "both": hs.SoftmaxProbe()}
right = dict.fromkeys(probes, 0)
seconds, heard, sound_features = -1, None, torch.empty(0)
frames, sounds = open_video("seen_and_heard.mkv", size=SIDE), open_audio("seen_and_heard.mkv", seconds=0.48, hop=0.5)
with beside(frames, sounds) as both:
    for frame, sound in both:
        seen_features = eyes.learn_one(frame.x)
        if sound is not heard:  # it goes on for several pictures, and is learned once
            heard, sound_features = sound, ears.learn_one(sound.x)
        label = "-".join(LABELS[chosen[int(frame.t)]])
        parts = {"seen": [seen_features], "heard": [sound_features], "both": [seen_features, sound_features]}
        for name, probe in probes.items():
            features = torch.cat([part / part.norm().clamp(min=1e-6) for part in parts[name]])
            if int(frame.t) > seconds:
                right[name] += bool(probe.classes) and probe.predict_one(features) == label
            probe.learn_one(features, label)
        seconds = int(frame.t)
for name, count in right.items():
    print(f"{name:6} {count / (seconds + 1):.1%} of {seconds + 1} seconds")
