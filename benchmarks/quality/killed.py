"""Workers are killed at random moments while torchrun starts them again: what is learned, against a run that nobody disturbed.

The runs learn the same recordings with the same number of ranks, so that every bit should be the same.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

import hebbstream as hs
from benchmarks.core import run, store
from hebbstream.adapters.arrays import open_arrays

_FRAMES = (150, 120, 190, 100, 160, 80)


def recordings(folder: Path) -> list[str]:
    generator = np.random.default_rng(0)
    paths: list[Path] = []
    for number, count in enumerate(_FRAMES):
        rough = generator.integers(0, 256, (count, 4, 4, 3), np.uint8)
        paths.append(folder / f"{number}.npy")
        np.save(paths[-1], rough.repeat(4, axis=1).repeat(4, axis=2))
        with open_arrays(paths[-1]) as stream:
            assert sum(1 for _ in stream) == count
    return list(map(str, paths))


def start(paths: list[str], checkpoint: Path, ranks: int, kills: int) -> subprocess.Popen[bytes]:
    launcher = ["--standalone", "--nproc-per-node", str(ranks), "--max-restarts", str(3 * kills)]
    options = ["--width", "4", "--size", "16", "--quiet", "--checkpoint-every", "20", "--peer-timeout", "20"]
    command = [sys.executable, "-m", "torch.distributed.run", *launcher, "-m", "hebbstream.cli", "learn", *paths]
    with checkpoint.with_suffix(".log").open("w") as log:  # a pipe that nobody reads would fill up, and stop them
        return subprocess.Popen(
            [*command, "--distributed", *options, "--checkpoint", str(checkpoint)], stdout=log, stderr=log
        )


def position(checkpoint: Path) -> int:
    return hs.Learner.load(checkpoint).counters.position if checkpoint.exists() else 0


def disturb(process: subprocess.Popen[bytes], checkpoint: Path, kills: int, seed: int) -> list[int]:
    """Kill a random worker at random moments; return at which saved positions."""
    chance = np.random.default_rng(seed)
    at: list[int] = []
    launcher = psutil.Process(process.pid)
    while len(at) < kills and process.poll() is None:
        saved = position(checkpoint)
        while process.poll() is None and position(checkpoint) <= saved:  # it goes on
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.4))
        workers = launcher.children() if process.poll() is None else []
        if workers:
            workers[chance.integers(len(workers))].kill()
            at.append(position(checkpoint))
            print(f"kill {len(at)} after {at[-1]} saved samples", flush=True)
    return at


def main() -> None:
    parser = run.arguments("quality/killed", __doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--ranks", type=int, default=2)
    options = run.begin(parser)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = recordings(folder)
        ends: dict[str, Path] = {way: folder / f"{way}.safetensors" for way in ("whole", "killed")}
        started = time.monotonic()
        process = start(paths, ends["killed"], options.ranks, options.kills)
        at: list[int] = disturb(process, ends["killed"], options.kills, seed=0)
        process.wait()
        seconds = time.monotonic() - started
        whole = start(paths, ends["whole"], options.ranks, options.kills)
        whole.wait()
        for path in ends.values():
            print(path.with_suffix(".log").read_text()[-500:])
        states = [hs.Learner.load(path) for path in ends.values()]
        tensors = [one.net.state_dict() for one in states]
        found = {
            "ranks": options.ranks,
            "kills": len(at),
            "killed_after": at,
            "samples": [one.counters.position for one in states],
            "expected_samples": sum(_FRAMES),
            "exit_codes": [whole.returncode, process.returncode],
            "bits_equal": all(bool((tensors[0][key] == tensors[1][key]).all()) for key in tensors[0]),
            "seconds": round(seconds, 1),
        }
    print(found)
    store.write(options.output, found)


if __name__ == "__main__":
    main()
