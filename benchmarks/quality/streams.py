"""What each stream function does to the features learned from a camera that shows nearly the same thing all the time.

The camera plays two clips of real scenes over and over, each frame several times, with a sensor's noise. Every row learns
from as many samples, however many frames that takes; the features are then probed on CIFAR-10, which no row but one has
seen.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import numpy as np

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.data import Split, cifar10, folder
from benchmarks.core.probe import probe_accuracy
from benchmarks.paper.run import Run
from benchmarks.quality.tables import by_row, streams
from hebbstream.adapters.video import open_video
from hebbstream.inspection import observe, summarize
from hebbstream.streams import augment, crops, novel, schedule, shuffle

_SIDE = 32
_LARGE = {"bikes.mp4": (68, 160), "carphone_pristine.mp4": (72, 88)}  # a quarter and a half of the clips' own size
_SHOWN = 4  # times that each frame comes: a camera four times as fast as the scene
_NOISE = 2.0  # standard deviation of the sensor's noise, of 255
_BUFFER = 1000
_STATISTICS = 2000  # samples for the normalisation of random weights
_OBSERVED = 200  # images to watch the neurons on

Composition = Callable[[Iterable[Any], int], Iterable[Any]]

# Of whole frames, scaled to 32×32, and of larger ones.
WHOLE: dict[str, Composition] = {
    "as it comes": lambda s, _: s,
    "schedule": lambda s, _: schedule(s, learn=50, skip=450),
    "shuffle": lambda s, seed: shuffle(s, _BUFFER, seed=seed),
    "novel": lambda s, _: novel(s),
    "augment": lambda s, seed: augment(s, seed=seed),
    "novel, augment": lambda s, seed: augment(novel(s), seed=seed),
}
LARGE: dict[str, Composition] = {
    "crops": lambda s, seed: crops(s, _SIDE, per_frame=4, seed=seed),
    "novel, crops": lambda s, seed: crops(novel(s), _SIDE, per_frame=4, seed=seed),
    "crops, shuffle": lambda s, seed: shuffle(crops(s, _SIDE, per_frame=4, seed=seed), _BUFFER, seed=seed),
    "novel, crops, augment, shuffle": lambda s, seed: shuffle(
        augment(crops(novel(s), _SIDE, per_frame=4, seed=seed), seed=seed), _BUFFER, seed=seed
    ),
}
REFERENCES = ("random weights, camera", "random weights, CIFAR-10", "CIFAR-10")
ROWS = (*REFERENCES, *WHOLE, *LARGE)


class Camera:
    """An endless stream of noisy frames, which counts them."""

    def __init__(self, frames: list[Any], seed: int) -> None:
        self.frames, self.generator, self.shown = frames, np.random.default_rng(seed), 0

    def __iter__(self) -> Iterator[hs.Sample]:
        for frame in cycle(self.frames):
            for _ in range(_SHOWN):
                noise = _NOISE * self.generator.standard_normal(frame.shape, dtype=np.float32)
                self.shown += 1
                yield hs.Sample((frame + noise).round().clip(0, 255).astype(np.uint8))


def clips(*, large: bool) -> list[Any]:
    """Decode the clips, scaled to the network's input or larger."""
    frames: list[Any] = []
    for name, size in _LARGE.items():
        with open_video(folder() / "video" / name, size=size if large else _SIDE) as stream:
            frames.extend(sample.x for sample in stream)
    return frames


def learned(row: str, options: argparse.Namespace, train: Split, seed: int) -> tuple[hs.SoftHebbNet, int, int]:
    """Return a network that has learned from a row's stream, the samples it had, and the frames they took."""
    random = row.startswith("random")
    net = Run(rule="random" if random else "soft", protocol="stream", width=options.width, seed=seed).network()
    samples = min(options.samples, _STATISTICS) if random else options.samples
    if row.endswith("CIFAR-10"):
        for index in np.random.default_rng(seed).permutation(len(train))[:samples]:
            net.learn_one(train.images[index])
        return net, samples, samples
    camera = Camera(clips(large=row in LARGE), seed)
    compose = (WHOLE | LARGE).get(row, WHOLE["as it comes"])
    for item in islice(compose(camera, seed), samples):
        net.learn_one(item.x)
    return net, samples, camera.shown


def measure(row: str, options: argparse.Namespace, train: Split, test: Split, seed: int) -> store.Result:
    started = time.perf_counter()
    net, samples, frames = learned(row, options, train, seed)
    seconds = time.perf_counter() - started
    activity = observe(net, test.take(_OBSERVED, seed).images)
    labelled, tested = train.take(options.labels, seed), test.take(options.tested, seed)
    return {
        "test_accuracy": round(probe_accuracy(net, labelled, tested, options.epochs, seed), 4),
        "samples": samples,
        "frames": frames,
        "r1_fraction": [round(layer.r1_fraction, 3) for layer in summarize(net)],
        "dead": [round(layer.dead / len(layer.wins), 3) for layer in activity],
        "win_entropy": [round(layer.win_entropy, 3) for layer in activity],
        "learning_seconds": round(seconds, 1),
    }


def main() -> None:
    parser = run.arguments("quality/streams", __doc__)
    parser.add_argument("--width", type=int, default=24, help="neurons of the first layer (default 24: quarter width)")
    parser.add_argument("--samples", type=int, default=5_000, help="to learn from")
    parser.add_argument("--labels", type=int, default=10_000, help="labelled images for the probe")
    parser.add_argument("--tested", type=int, default=5_000, help="test images")
    parser.add_argument("--epochs", type=int, default=12, help="of the probe")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW", help="only some of the rows")
    options = run.begin(parser)
    train, test = cifar10("train"), cifar10("test")
    settings = {name: getattr(options, name) for name in ("width", "samples", "labels", "tested", "epochs")}
    pairs = product(range(options.seeds), options.rows)
    jobs = (({"row": row, "seed": seed}, partial(measure, row, options, train, test, seed)) for seed, row in pairs)
    runs = store.complete(options.output, settings, jobs, "runs")
    print(streams(runs))
    plot(runs, options.output)


def plot(runs: list[store.Result], path: Path) -> None:
    """Draw each row's accuracy, one mark a seed."""
    rows = list(by_row(runs).items())[::-1]
    figure, (axis,) = draw.new_figure(1, (7, 4))
    for place, (row, seeds) in enumerate(rows):
        color = "0.5" if row in REFERENCES else "#0072b2"
        axis.plot([100 * one["test_accuracy"] for one in seeds], [place] * len(seeds), "o", color=color)
    axis.set_yticks(range(len(rows)), [row for row, _ in rows])
    axis.grid(axis="x", alpha=0.4)
    axis.set(xlabel="CIFAR-10 test accuracy of a linear probe, %")
    draw.save(figure, path)


if __name__ == "__main__":
    main()
