"""Train hebbstream/clip/example.safetensors: a small network that has watched the bundled clip.

It learns with larger steps than the presets, from a smaller start, so that its first layer has become edges and
colours. It grows less with depth than the presets do, which keeps the file small. `hebbstream.clip.load_example` reads it.

    python scripts/train_example.py [--output FILE] [--limit N] [--film docs/_static/filters.gif]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

import hebbstream as hs
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP, clip_label
from hebbstream.streams import augment

EXAMPLE = Path(__file__).parent.parent / "hebbstream" / "clip" / "example.safetensors"
WIDTH, WIDTH_FACTOR = 16, 2
SAMPLES = 9_000  # a pass and a half
RADIUS, RATE_SCALE = 3.0, 5.0
ROUNDS = 2  # of the film, besides the first: what moves for ever keeps people from reading what stands beside it
EVERY, SCALE, GAP, ACROSS = (
    60,
    10,
    6,
    8,
)  # of the film: samples, pixels for each weight, pixels between, neurons in a row


def layers() -> list[hs.LayerSpec]:
    return [
        replace(spec, radius=RADIUS, learning_rate=RATE_SCALE * spec.learning_rate, momentum=1e-4)
        for spec in hs.PRESETS["cifar10"].resolve(width=WIDTH, width_factor=WIDTH_FACTOR, normalization="whiten")
    ]


def picture(net: hs.SoftHebbNet) -> Image.Image:
    """Draw the first layer's weights, each neuron scaled to its own range."""
    weights = net.layers[0].weight.permute(0, 2, 3, 1).numpy()
    low, high = weights.min((1, 2, 3), keepdims=True), weights.max((1, 2, 3), keepdims=True)
    tiles = (255 * (weights - low) / (high - low)).astype(np.uint8).repeat(SCALE, 1).repeat(SCALE, 2)
    tiles = np.pad(tiles, ((0, 0), (GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)
    rows = [np.concatenate(tiles[start : start + ACROSS], axis=1) for start in range(0, len(tiles), ACROSS)]
    return Image.fromarray(np.concatenate(rows))


class Film(hs.Callback):
    """Keeps a picture now and then."""

    every_samples = EVERY

    def __init__(self) -> None:
        self.pictures: list[Image.Image] = []

    def on_start(self, learner: hs.Learner) -> None:
        self.pictures.append(picture(learner.net))

    def on_pause(self, learner: hs.Learner) -> None:
        self.pictures.append(picture(learner.net))

    def write(self, path: Path) -> None:
        first, *rest = [shown.quantize(64) for shown in self.pictures]
        lasts = [120] * len(rest) + [2500]
        first.save(path, save_all=True, append_images=rest, duration=lasts, loop=ROUNDS, optimize=True)
        print(f"{path}: {len(self.pictures)} pictures, {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=EXAMPLE, metavar="FILE")
    parser.add_argument("--limit", type=int, default=SAMPLES, metavar="N")
    parser.add_argument("--film", type=Path, metavar="FILE.gif", help="also film the first layer")
    options = parser.parse_args()
    film = Film()
    learner = hs.Learner(
        hs.SoftHebbNet(layers(), 3, seed=0),
        hs.SoftmaxProbe(),
        replay=hs.Replay(),
        callbacks=[film] if options.film else [],
    )
    with open_video(CLIP, size=32, label=clip_label(), loop=True) as frames:
        print(learner.learn(augment(frames, seed=0), limit=options.limit))
    if options.film:
        film.write(options.film)
    # The probe that learned along remembers features that are no more; what it learned from is of no use to others.
    hs.Learner(learner.net, learner.refit_probe()).save(options.output)
    print(f"{options.output}: {options.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
