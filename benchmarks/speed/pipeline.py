"""Throughput and latency of the pipelined engine against one layer after the other, and whether they learn the same."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.timing import alternate
from hebbstream.clip._clip import clip_frames


def learn(net: hs.SoftHebbNet, threads: int, frames: Any, latencies: list[float]) -> None:
    """Learn a stream; note the median milliseconds from taking a sample in to having its features."""
    torch.set_num_threads(threads)
    entered: list[float] = []

    def feed() -> Iterator[Any]:
        for frame in frames:
            entered.append(time.perf_counter())
            yield frame

    taken = [time.perf_counter() - entered[index] for index, _ in enumerate(net.learn_stream(feed()))]
    latencies.append(1e3 * float(np.median(taken)))


def measure(width: int, frames: Any, rounds: int) -> Iterator[store.Result]:
    """Let the engines take turns; yield a row for each."""
    cores = torch.get_num_threads()
    engines: dict[str, tuple[hs.Engine, int]] = {
        f"sequential, {cores} threads": (hs.EagerEngine(), cores),
        "sequential, 1 thread": (hs.EagerEngine(), 1),
        "pipelined, 2 stages of 1 thread": (hs.PipelinedEngine(stages=2), 1),
        "pipelined, 3 stages of 1 thread": (hs.PipelinedEngine(stages=3), 1),
    }
    nets = {n: hs.SoftHebbNet.from_preset("cifar10", width=width, engine=e) for n, (e, _) in engines.items()}
    latencies: dict[str, list[float]] = {name: [] for name in engines}
    calls = {n: partial(learn, nets[n], threads, frames, latencies[n]) for n, (_, threads) in engines.items()}
    taken = alternate(calls, seconds=0, warm_up=1, least=rounds)
    torch.set_num_threads(cores)
    reference = nets["sequential, 1 thread"]
    for name, found in taken.items():
        layers = zip(nets[name].layers, reference.layers, strict=True)
        yield {
            "width": width,
            "engine": name,
            "samples_per_second": round(1e3 * len(frames) / found.median, 1),
            "latency_ms": round(float(np.median(latencies[name][1:])), 2),
            "weights_equal_sequential_1_thread": all(torch.equal(a.weight, b.weight) for a, b in layers),
        }


def main() -> None:
    parser = run.arguments("speed/pipeline", __doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[24, 48, 96])
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = run.begin(parser)
    frames = clip_frames(32, options.frames)
    rows = (row for width in options.widths for row in measure(width, frames, options.rounds))
    store.gather(options.output, rows, {"frames": options.frames}, "engines")


if __name__ == "__main__":
    main()
