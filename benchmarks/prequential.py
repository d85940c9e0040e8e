"""What does a river pipeline add to the network's own step and the probe's?"""

import argparse
from itertools import cycle
from typing import Any

import numpy as np

import hebbstream as hs
from benchmarks.common import alternate, output_option, write_result
from hebbstream.adapters.river import LinearProbe, SoftHebbTransformer

CLASSES = 10


def measure(width: int, seconds: float) -> dict[str, Any]:
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
        **{name: timing.as_dict() for name, timing in timings.items()},
        "pipeline_over_by_hand": round(timings["pipeline"].median / timings["by hand"].median, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prequential", description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[96, 48, 24])
    parser.add_argument("--seconds", type=float, default=30.0, help="of measurement for each")
    output_option(parser, "prequential")
    options = parser.parse_args()
    rows = []
    for width in options.widths:
        rows.append(measure(width, options.seconds))
        print(rows[-1], flush=True)
    write_result(options.output, {"widths": rows})


if __name__ == "__main__":
    main()
