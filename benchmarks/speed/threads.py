"""What a busy machine does to a step: other processes keep 0, 1 or all cores busy, under different thread settings.

Each setting is a process of its own, because OpenMP reads its settings once.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from benchmarks.core import draw, run, store
from benchmarks.core.timing import alternate
from hebbstream.clip._clip import clip_frames

_BUSY = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"  # until what started it ends, however it does


def busy_process() -> subprocess.Popen[bytes]:
    """Start a process that keeps a core busy."""
    return subprocess.Popen([sys.executable, "-c", _BUSY, str(os.getpid())])


def child(threads: int, width: int, seconds: float) -> None:
    """Learn for a while and print the timings."""
    import torch

    import hebbstream as hs

    torch.set_num_threads(threads)
    net = hs.SoftHebbNet.from_preset("cifar10", width=width)
    frames = cycle(clip_frames(32, 50))
    taken = alternate({"learn": lambda: net.learn_one(next(frames))}, seconds=seconds, warm_up=10)
    print(json.dumps(taken["learn"].as_dict()))


def measure(options: argparse.Namespace, cores: int) -> Iterator[store.Result]:
    """Yield a row for each setting beside 0, 1 or all cores at work."""
    settings: dict[str, tuple[int, dict[str, str]]] = {
        "torch's own waiting": (cores, {"GOMP_SPINCOUNT": "300000"}),  # libgomp's default, said aloud
        "hebbstream's default": (cores, {}),
        "no spinning": (cores, {"OMP_WAIT_POLICY": "passive"}),
        "one thread": (1, {}),
    }
    command = [sys.executable, "-m", "benchmarks.speed.threads", "--uncommitted"]  # which was looked into before
    command += ["--width", str(options.width), "--seconds", str(options.seconds), "--child"]
    for busy in (0, 1, cores):
        for name, (threads, changes) in settings.items():
            neighbours = [busy_process() for _ in range(busy)]
            try:
                environment = os.environ | changes
                done = subprocess.run(
                    [*command, str(threads)], check=True, stdout=subprocess.PIPE, text=True, env=environment
                )
            finally:
                for neighbour in neighbours:
                    neighbour.kill()
                    neighbour.wait()
            yield {"busy_cores": busy, "setting": name, "threads": threads, **json.loads(done.stdout)}


def plot(rows: list[store.Result], cores: int, path: Path) -> None:
    figure, (axis,) = draw.new_figure(1, (7, 4))
    settings = dict.fromkeys(row["setting"] for row in rows)
    series = {name: [row["median_ms"] for row in rows if row["setting"] == name] for name in settings}
    draw.grouped_bars(axis, [f"{busy} of {cores} cores busy" for busy in (0, 1, cores)], series)
    axis.set(ylabel="ms a learning step")
    draw.save(figure, path)


def main() -> None:
    parser = run.arguments("speed/threads", __doc__)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--child", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    options = run.begin(parser)
    if options.child:
        child(options.child, options.width, options.seconds)
        return
    cores = len(os.sched_getaffinity(0))
    settings = {"width": options.width, "cores": cores}
    rows = store.gather(options.output, measure(options, cores), settings, "threads")
    plot(rows, cores, options.output)


if __name__ == "__main__":
    main()
