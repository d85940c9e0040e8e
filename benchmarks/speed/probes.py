"""What a step of each probe costs, beside river's softmax regression on dicts: learning, and predicting before it."""

from collections.abc import Callable, Hashable
from itertools import count
from typing import Any

import numpy as np
import torch
from river import linear_model

from benchmarks.core import run, store
from benchmarks.core.timing import alternate
from hebbstream.adapters.river import LinearProbe

CLASSES = 10
SAMPLES = 200
STEPS = 50  # of a quick probe in one measurement: after river's, the first of them finds the caches empty


def steps(model: Any, rows: list[Any], labels: list[Hashable], taken: int, *, predicts: bool) -> Callable[[], None]:
    """Return what takes some samples, having shown the model every class; it predicts each first, or not."""
    index = count()

    def take() -> None:
        for position in (next(index) % len(rows) for _ in range(taken)):
            if predicts:
                model.predict_one(rows[position])
            model.learn_one(rows[position], labels[position])

    for row, label in zip(rows[:CLASSES], labels[:CLASSES], strict=True):
        model.learn_one(row, label)
    return take


def measure(features: int, dimensions: list[int], seconds: float) -> store.Result:
    """Time the steps at one number of features; river's and the gradient solver's in turn."""
    rng = np.random.default_rng(0)
    labels: list[Hashable] = [*range(CLASSES), *rng.integers(CLASSES, size=SAMPLES - CLASSES).tolist()]
    rows = list(torch.from_numpy(rng.random((SAMPLES, features), dtype=np.float32)))  # as a network gives them
    dicts = [dict(enumerate(row.tolist())) for row in rows[:CLASSES]]  # each takes a megabyte
    found: dict[str, dict[str, float]] = {}
    for predicts, what in ((True, "predict and learn"), (False, "learn")):
        timings = alternate(
            {
                "river": steps(linear_model.SoftmaxRegression(), dicts, labels[:CLASSES], 1, predicts=predicts),
                "gradient": steps(LinearProbe(), rows, labels, STEPS, predicts=predicts),
            },
            seconds=seconds,
        )
        found[f"river SoftmaxRegression on dicts, {what}"] = timings["river"].as_dict()
        found[f"gradient, {what}"] = timings["gradient"].of_each(STEPS).as_dict()
        for solver in ("ridge", "slda"):
            for d in dimensions:
                taken = 1 if predicts else STEPS  # a prediction after a label has to solve
                call = steps(LinearProbe(solver, dimensions=d, solve_every=1), rows, labels, taken, predicts=predicts)
                timing = alternate({"call": call}, seconds=seconds)["call"]
                found[f"{solver}, {min(d, features)} dimensions, {what}"] = timing.of_each(taken).as_dict()
    ratios = {
        what: found[f"river SoftmaxRegression on dicts, {what}"]["median_ms"] / found[f"gradient, {what}"]["median_ms"]
        for what in ("predict and learn", "learn")
    }
    return {
        "features": features,
        "steps": found,
        "gradient_times_faster_than_river": {what: round(ratio, 1) for what, ratio in ratios.items()},
    }


def main() -> None:
    parser = run.arguments("speed/probes", __doc__)
    parser.add_argument("--features", type=int, nargs="+", default=[4096, 24576])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--seconds", type=float, default=5.0, help="of measurement for each step")
    options = run.begin(parser)
    rows = (measure(features, options.dimensions, options.seconds) for features in options.features)
    store.gather(options.output, rows, {"classes": CLASSES}, "features")


if __name__ == "__main__":
    main()
