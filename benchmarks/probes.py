"""What a prequential step (predict, then learn) of each probe costs, beside river's softmax regression on dicts."""

import argparse
from collections.abc import Callable, Hashable
from itertools import count
from typing import Any

import numpy as np
from river import linear_model

import hebbstream  # noqa: F401  # before torch
from benchmarks.common import alternate, output_option, write_result
from hebbstream.adapters.river import LinearProbe

CLASSES = 10
SAMPLES = 200
RIVER = "river SoftmaxRegression on dicts"


def step(model: Any, rows: list[Any], labels: list[Hashable], *, predicts: bool = True) -> Callable[[], None]:
    """Return what takes the next sample: it is predicted, so that ridge and slda have to solve, and learned."""
    index = count()

    def take() -> None:
        position = next(index) % len(rows)
        if predicts:
            model.predict_one(rows[position])
        model.learn_one(rows[position], labels[position])

    for row, label in zip(rows[:CLASSES], labels[:CLASSES], strict=True):
        model.learn_one(row, label)
    return take


def measure(features: int, dimensions: list[int], seconds: float) -> dict[str, Any]:
    """Time the steps at one number of features, in turn."""
    rng = np.random.default_rng(0)
    labels: list[Hashable] = [*range(CLASSES), *rng.integers(CLASSES, size=SAMPLES - CLASSES).tolist()]
    rows = list(rng.random((SAMPLES, features), dtype=np.float32))
    dicts = [dict(enumerate(row.tolist())) for row in rows[:CLASSES]]  # a dict of 24,576 floats takes megabytes
    calls = {
        RIVER: step(linear_model.SoftmaxRegression(), dicts, labels[:CLASSES]),
        f"{RIVER}, learning only": step(linear_model.SoftmaxRegression(), dicts, labels[:CLASSES], predicts=False),
        "gradient": step(LinearProbe(), rows, labels),
        "gradient, learning only": step(LinearProbe(), rows, labels, predicts=False),
    }
    for solver in ("ridge", "slda"):
        for d in dimensions:
            size = f"{solver}, {min(d, features)} dimensions"
            calls[f"{size}, learning only"] = step(LinearProbe(solver, dimensions=d), rows, labels, predicts=False)
            calls[size] = step(LinearProbe(solver, dimensions=d), rows, labels)
    timings = alternate(calls, seconds=seconds, warm_up=1)
    found = {name: timing.as_dict() for name, timing in timings.items()}
    river = timings[f"{RIVER}, learning only"].median
    ratio = river / timings["gradient, learning only"].median
    return {"features": features, "steps": found, "gradient_times_faster_than_river": round(ratio, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.probes", description=__doc__)
    parser.add_argument("--features", type=int, nargs="+", default=[4096, 24576])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--seconds", type=float, default=60.0, help="of measurement for each number of features")
    output_option(parser, "probes")
    options = parser.parse_args()
    rows = []
    for features in options.features:
        rows.append(measure(features, options.dimensions, options.seconds))
        print(rows[-1], flush=True)
    write_result(options.output, {"classes": CLASSES, "features": rows})


if __name__ == "__main__":
    main()
