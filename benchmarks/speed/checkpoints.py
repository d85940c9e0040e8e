"""What share of learning do checkpoints take, at the default interval?"""

import tempfile
from pathlib import Path

import numpy as np

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.timing import alternate, timed
from hebbstream.learning._generations import keep_generations

EVERY = 1000  # samples: the default of hebbstream.learn


def measure(width: int | None, seconds: float) -> store.Result:
    """Time a step and a checkpoint of the CIFAR preset with a probe of 10 classes, in turn."""
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=width), hs.SoftmaxProbe()
    frame = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for label in range(10):
        probe.learn_one(net.learn_one(frame), label)
    learner = hs.Learner(net, probe)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "run.safetensors"

        def save() -> None:
            keep_generations(path, 2)
            learner.save(path)

        timings = alternate({"step": lambda: net.learn_one(frame), "checkpoint": save}, seconds=seconds)
        size = path.stat().st_size
    step, checkpoint = timings["step"].median, timings["checkpoint"].median
    return {
        "width": net.layers[0].spec.channels,
        "megabytes": round(size / 1e6, 1),
        **timed(timings),
        "share_of_time": round(checkpoint / (EVERY * step + checkpoint), 5),
    }


def main() -> None:
    options = run.begin(run.width_arguments("speed/checkpoints", __doc__, seconds=20.0))
    rows = store.shown(measure(width, options.seconds) for width in options.widths)
    store.write(options.output, {"every": EVERY, "widths": rows})


if __name__ == "__main__":
    main()
