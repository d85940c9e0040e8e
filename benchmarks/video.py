"""Frames a second from a video file to learned features, with decoding in its own thread, against each part alone."""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

import hebbstream as hs
from benchmarks.common import new_figure, output_option, save_figure, write_result
from hebbstream.adapters.video import open_video
from hebbstream.clip import CLIP


def decode(video: Path, limit: int) -> list[Any]:
    """Decode without working ahead."""
    with open_video(video, size=32, prefetch=0) as stream:
        return [sample.x for _, sample in zip(range(limit), stream, strict=False)]


def measure(video: Path, width: int, limit: int, rounds: int) -> dict[str, Any]:
    """Take turns at decoding, learning, and both; return frames a second of each."""
    net = hs.SoftHebbNet.from_preset("cifar10", width=width)
    frames = decode(video, limit)
    for frame in frames[:20]:
        net.learn_one(frame)
    seconds: dict[str, list[float]] = {
        "decode": [],
        "learn": [],
        "both, one after the other": [],
        "both, overlapped": [],
    }
    for _ in range(rounds):
        start = time.perf_counter()
        decode(video, limit)
        seconds["decode"].append(time.perf_counter() - start)
        start = time.perf_counter()
        for frame in frames:
            net.learn_one(frame)
        seconds["learn"].append(time.perf_counter() - start)
        for name, ahead in (("both, one after the other", 0), ("both, overlapped", 4)):
            start = time.perf_counter()
            with open_video(video, size=32, prefetch=ahead) as stream:
                for _, sample in zip(range(limit), stream, strict=False):
                    net.learn_one(sample.x)
            seconds[name].append(time.perf_counter() - start)
    rates = {name: round(len(frames) / float(np.median(values)), 1) for name, values in seconds.items()}
    slower = min(rates["decode"], rates["learn"])
    return {
        "video": video.name,
        "frames": len(frames),
        "width": width,
        "frames_per_second": rates,
        "overlapped_over_slower_part": round(rates["both, overlapped"] / slower, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.video", description=__doc__)
    parser.add_argument("--video", type=Path, default=CLIP, help="file to read (default: the bundled clip)")
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 48, 24])
    parser.add_argument("--limit", type=int, default=600, help="frames")
    parser.add_argument("--rounds", type=int, default=5)
    output_option(parser, "video")
    options = parser.parse_args()
    rows = []
    for width in options.widths:
        rows.append(measure(options.video, width, options.limit, options.rounds))
        print(f"width {width}: {rows[-1]['frames_per_second']}; overlapped / slower part"
              f" {rows[-1]['overlapped_over_slower_part']:.2f}", flush=True)  # fmt: skip
    write_result(options.output, {"videos": rows})
    figure, (axis,) = new_figure(1, (7, 4))
    for index, name in enumerate(rows[0]["frames_per_second"]):
        places = np.arange(len(rows)) + 0.2 * (index - 1.5)
        axis.bar(places, [row["frames_per_second"][name] for row in rows], 0.2, label=name)
    axis.set_xticks(range(len(rows)), [f"width {row['width']}" for row in rows])
    axis.set(ylabel="frames a second", yscale="log")
    axis.legend(fontsize="small", ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
    print(f"picture {save_figure(figure, options.output.with_suffix('.png'))}")


if __name__ == "__main__":
    main()
