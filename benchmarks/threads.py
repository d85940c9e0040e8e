"""What a busy machine does to a step: other processes keep 0, 1 or all cores busy, under different thread settings.

Each setting is a process of its own, because OpenMP reads its settings once.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import new_figure, output_option, save_figure, timing, write_result
from hebbstream.clip import clip_frames

_BUSY = "while True: pass"


def child(threads: int, width: int, seconds: float) -> None:
    """Learn for a while and print the timings."""
    import torch

    import hebbstream as hs

    torch.set_num_threads(threads)
    net = hs.SoftHebbNet.from_preset("cifar10", width=width)
    frames = clip_frames(32, 50)
    for frame in frames[:10]:
        net.learn_one(frame)
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        net.learn_one(frames[len(taken) % len(frames)])
        taken.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({**timing(taken).as_dict(), "mean_ms": sum(taken) / len(taken)}))


def plot(rows: list[dict[str, Any]], cores: int, path: Path) -> None:
    figure, (axis,) = new_figure(1, (7, 4))
    for index, name in enumerate(dict.fromkeys(row["setting"] for row in rows)):
        chosen = [row for row in rows if row["setting"] == name]
        axis.bar(
            [i + 0.2 * (index - 1.5) for i in range(len(chosen))], [r["median_ms"] for r in chosen], 0.2, label=name
        )
    axis.set_xticks(range(3), [f"{busy} of {cores} cores busy" for busy in (0, 1, cores)])
    axis.set(ylabel="ms a learning step")
    axis.legend(fontsize="small", ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)
    print(f"picture {save_figure(figure, path)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--child", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    output_option(parser, "threads")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.width, options.seconds)
        return
    cores = len(os.sched_getaffinity(0))
    settings: dict[str, tuple[int, dict[str, str]]] = {
        "torch's own waiting": (cores, {"GOMP_SPINCOUNT": "300000"}),  # libgomp's default, said aloud
        "hebbstream's default": (cores, {}),
        "no spinning": (cores, {"OMP_WAIT_POLICY": "passive"}),
        "one thread": (1, {}),
    }
    rows: list[dict[str, Any]] = []
    for busy in (0, 1, cores):
        for name, (threads, environment) in settings.items():
            neighbours = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(busy)]
            try:
                command = [sys.executable, "-m", "benchmarks.threads", "--child", str(threads)]
                command += ["--width", str(options.width), "--seconds", str(options.seconds)]
                found = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=os.environ | environment
                ).stdout
            finally:
                for neighbour in neighbours:
                    neighbour.kill()
                    neighbour.wait()
            rows.append({"busy_cores": busy, "setting": name, "threads": threads, **json.loads(found)})
            print(f"{busy} of {cores} cores busy, {name}: median {rows[-1]['median_ms']:.1f} ms", flush=True)
    write_result(options.output, {"width": options.width, "cores": cores, "threads": rows})
    plot(rows, cores, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
