"""Throughput and latency of the pipelined engine against one layer after the other, and whether they learn the same."""

import argparse
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

import hebbstream as hs
from benchmarks.common import output_option, write_result
from hebbstream.clip import clip_frames


def run(net: hs.SoftHebbNet, frames: Any) -> tuple[float, float]:
    """Learn a stream; return seconds a sample, and median seconds from taking a sample in to having its features."""
    entered: list[float] = []
    latency: list[float] = []

    def feed() -> Iterator[Any]:
        for frame in frames:
            entered.append(time.perf_counter())
            yield frame

    start = time.perf_counter()
    for index, _ in enumerate(net.learn_stream(feed())):
        latency.append(time.perf_counter() - entered[index])
    return (time.perf_counter() - start) / len(frames), float(np.median(latency))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[24, 48, 96])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    output_option(parser, "pipeline")
    options = parser.parse_args()
    cores = torch.get_num_threads()
    frames = clip_frames(32, options.frames)
    rows = []
    for width in options.widths:
        engines: dict[str, tuple[hs.Engine, int]] = {
            f"sequential, {cores} threads": (hs.EagerEngine(), cores),
            "sequential, 1 thread": (hs.EagerEngine(), 1),
            "pipelined, 2 stages of 1 thread": (hs.PipelinedEngine(stages=2), 1),
            "pipelined, 3 stages of 1 thread": (hs.PipelinedEngine(stages=3), 1),
        }
        nets = {n: hs.SoftHebbNet.from_preset("cifar10", width=width, engine=e) for n, (e, _) in engines.items()}
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
        for _ in range(options.rounds + 1):
            for name, (_, threads) in engines.items():
                torch.set_num_threads(threads)
                taken[name].append(run(nets[name], frames))
        torch.set_num_threads(cores)
        medians = {name: np.median(np.array(values[1:]), axis=0) for name, values in taken.items()}
        reference = nets["sequential, 1 thread"]
        for name, (seconds, latency) in medians.items():
            same = all(
                torch.equal(a.weight, b.weight) for a, b in zip(nets[name].layers, reference.layers, strict=True)
            )
            rows.append(
                {
                    "width": width,
                    "engine": name,
                    "samples_per_second": round(float(1 / seconds), 1),
                    "latency_ms": round(float(1e3 * latency), 2),
                    "weights_equal_sequential_1_thread": same,
                }
            )
            print(
                f"width {width}, {name}: {rows[-1]['samples_per_second']:.0f} samples a second, latency"
                f" {rows[-1]['latency_ms']:.1f} ms, same weights as sequential with 1 thread: {same}",
                flush=True,
            )
    write_result(options.output, {"frames": options.frames, "engines": rows})


if __name__ == "__main__":
    main()
