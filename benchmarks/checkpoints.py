"""What share of learning do checkpoints take, at the default interval?"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import hebbstream as hs
from benchmarks.common import alternate, output_option, write_result
from hebbstream.learning._generations import keep_generations

EVERY = 1000  # samples: the default of hebbstream.learn


def measure(width: int | None, seconds: float) -> dict[str, object]:
    """Time a step and a checkpoint of the CIFAR preset with a probe of 10 classes, in turn."""
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=width), hs.SoftmaxProbe()
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for label in range(10):
        probe.learn_one(net.learn_one(frame), label)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "run.safetensors"

        def save() -> None:
            keep_generations(path, 2)
            hs.save_checkpoint(path, net, probe)

        timings = alternate({"step": lambda: net.learn_one(frame), "checkpoint": save}, seconds=seconds)
        size = path.stat().st_size
    step, checkpoint = timings["step"].median, timings["checkpoint"].median
    return {
        "width": net.layers[0].spec.channels,
        "megabytes": round(size / 1e6, 1),
        "step": timings["step"].as_dict(),
        "checkpoint": timings["checkpoint"].as_dict(),
        "share_of_time": round(checkpoint / (EVERY * step + checkpoint), 5),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.checkpoints", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 48, 24])
    parser.add_argument("--seconds", type=float, default=20.0, help="of measurement for each")
    output_option(parser, "checkpoints")
    options = parser.parse_args()
    rows = []
    for width in options.widths:
        rows.append(measure(width, options.seconds))
        print(rows[-1], flush=True)
    write_result(options.output, {"every": EVERY, "widths": rows})


if __name__ == "__main__":
    main()
