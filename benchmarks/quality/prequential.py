"""What does a river pipeline add to the network's own step and the probe's?"""

from itertools import cycle

import numpy as np

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.timing import alternate, timed
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer

CLASSES = 10


def measure(width: int, seconds: float) -> store.Result:
    """Time one prequential sample by hand and in a pipeline, in turn, on the same images."""
    frames = cycle(np.random.default_rng(0).integers(0, 256, (500, 32, 32, 3), np.uint8))
    net, probe = hs.SoftHebbNet.from_preset("cifar10", width=width), LinearProbe()
    model = SoftHebbTransformer("cifar10", width=width) | LinearProbe()
    labels = cycle(range(CLASSES))

    def by_hand() -> None:
        features = net.learn_one(next(frames))
        probe.predict_one(features)
        probe.learn_one(features, next(labels))

    def pipeline() -> None:
        frame = next(frames)
        model.predict_one(frame)
        model.learn_one(frame, next(labels))

    timings = alternate({"by hand": by_hand, "pipeline": pipeline}, seconds=seconds, warm_up=110)
    return {
        "width": width,
        **timed(timings),
        "pipeline_over_by_hand": round(timings["pipeline"].median / timings["by hand"].median, 3),
    }


def main() -> None:
    options = run.begin(run.width_arguments("quality/prequential", __doc__, seconds=30.0))
    store.gather(options.output, (measure(width, options.seconds) for width in options.widths), {}, "widths")


if __name__ == "__main__":
    main()
