"""Frames a second from a video file to learned features, as `open_video` decodes by default, against each part alone."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.timing import alternate
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP


def measure(video: Path, width: int, limit: int, rounds: int) -> store.Result:
    """Take turns at decoding, learning, and both; return frames a second of each."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=width)

    def decode(ahead: int = 0) -> list[Any]:
        with open_video(video, size=32, prefetch=ahead) as stream:
            return [sample.x for sample in islice(stream, limit)]

    def learn(frames: list[Any]) -> None:
        for frame in frames:
            net.learn_one(frame)

    def both(ahead: int) -> None:
        with open_video(video, size=32, prefetch=ahead) as stream:
            for sample in islice(stream, limit):
                net.learn_one(sample.x)

    frames = decode()
    learn(frames[:20])
    calls: dict[str, Callable[[], Any]] = {
        "decode": decode,
        "learn": partial(learn, frames),
        "both, one after the other": partial(both, 0),
        "both, by default": partial(both, 4),
    }
    taken = alternate(calls, seconds=0, warm_up=0, least=rounds)
    rates = {name: round(1e3 * len(frames) / found.median, 1) for name, found in taken.items()}
    return {
        "video": video.name,
        "frames": len(frames),
        "width": width,
        "frames_per_second": rates,
        "default_over_slower_part": round(rates["both, by default"] / min(rates["decode"], rates["learn"]), 3),
    }


def plot(rows: list[store.Result], path: Path) -> None:
    figure, (axis,) = draw.new_figure(1, (7, 4))
    names = rows[0]["frames_per_second"]
    series = {name: [row["frames_per_second"][name] for row in rows] for name in names}
    draw.grouped_bars(axis, [f"width {row['width']}" for row in rows], series)
    axis.set(ylabel="frames a second", yscale="log")
    draw.save(figure, path)


def main() -> None:
    parser = run.arguments("speed/video", __doc__)
    parser.add_argument("--video", type=Path, default=CLIP, help="file to read (default: the bundled clip)")
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 48, 24])
    parser.add_argument("--limit", type=int, default=600, help="frames")
    parser.add_argument("--rounds", type=int, default=5)
    options = run.begin(parser)
    rows = (measure(options.video, width, options.limit, options.rounds) for width in options.widths)
    plot(store.gather(options.output, rows, {}, "videos"), options.output)


if __name__ == "__main__":
    main()
