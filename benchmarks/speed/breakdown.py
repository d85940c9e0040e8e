"""Where a learning step's time goes, in torch, without kernels: per layer and per operation, dense and event-driven."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.data import preset_frames
from hebbstream.network import _layer as layer_module
from hebbstream.rule import _plasticity as plasticity
from hebbstream.rule._fast import without_kernels
from hebbstream.rule._normalize import StreamNorm
from hebbstream.rule._sparse import Events

# Each operation is a function that a step calls; what is left of a layer's time goes to "the rest".
_OPERATIONS: list[tuple[Any, str, str]] = [
    (StreamNorm, "learn", "normalise"),
    (hs.SoftHebbLayer, "_patches", "patches"),
    (layer_module, "output", "activate and pool"),
    (layer_module, "find_events", "compete"),
    (plasticity, "plastic_activity", "compete"),
    (Events, "weight_change", "weight change"),
    (plasticity, "weight_change", "weight change"),
    (plasticity, "norm_dependent_rate", "norms and rate"),
    (plasticity, "largest_magnitude", "largest change"),
]
_ORDER = [
    "normalise",
    "patches",
    "weighted input",
    "activate and pool",
    "compete",
    "weight change",
    "largest change",
    "norms and rate",
    "the rest",
]


class Stopwatch:
    """Adds up the seconds of each operation in each layer."""

    def __init__(self) -> None:
        self.layer = 0
        self.seconds: dict[tuple[int, str], list[float]] = defaultdict(list)

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **options)
            self.seconds[self.layer, name].append(time.perf_counter() - start)
            return result

        return call

    @contextmanager
    def watching(self, net: hs.SoftHebbNet) -> Iterator[None]:
        numbers = {id(layer): index for index, layer in enumerate(net.layers, start=1)}
        learn, multiply = hs.SoftHebbLayer.learn, net.engine.multiply

        def numbered(layer: hs.SoftHebbLayer, *arguments: Any) -> Any:
            self.layer = numbers[id(layer)]
            return self.timed("all", learn)(layer, *arguments)

        def product(a: Any, b: Any, out: Any) -> Any:
            forward = out.shape[1] == net.layers[self.layer - 1].spec.channels and out.shape[0] == a.shape[0]
            is_update = out.shape == net.layers[self.layer - 1].weight_matrix.shape
            return (
                self.timed("weighted input", multiply)(a, b, out) if forward and not is_update else multiply(a, b, out)
            )

        product.precision = multiply.precision  # type: ignore[attr-defined]
        with ExitStack() as stack:
            for owner, attribute, name in _OPERATIONS:
                stack.enter_context(patch.object(owner, attribute, self.timed(name, getattr(owner, attribute))))
            stack.enter_context(patch.object(hs.SoftHebbLayer, "learn", numbered))
            stack.enter_context(patch.object(net.engine, "multiply", product))
            yield


def measure(preset: str, width: int | None, batch: int, threshold: float | None, steps: int) -> store.Result:
    """Return the median milliseconds of each operation in each layer."""
    net = hs.SoftHebbNet.from_preset(preset, width=width, event_threshold=threshold)
    frames = preset_frames(preset, 200)
    draw = np.random.default_rng(0)
    for _ in range(10):
        net.learn_many(frames[draw.integers(len(frames), size=batch)])
    watch = Stopwatch()
    with watch.watching(net):
        for _ in range(steps):
            net.learn_many(frames[draw.integers(len(frames), size=batch)])
    layers = []
    for index in range(1, len(net.layers) + 1):
        found = {name: 1e3 * float(np.median(s)) for (layer, name), s in watch.seconds.items() if layer == index}
        whole = found.pop("all")
        found["the rest"] = max(0.0, whole - sum(found.values()))
        layers.append({name: round(found.get(name, 0.0), 4) for name in _ORDER})
    return {"event_threshold": net.layers[0].spec.event_threshold, "ms": layers}


def main() -> None:
    parser = run.arguments("speed/breakdown", __doc__)
    parser.add_argument("--preset", choices=hs.PRESETS, default="cifar10")
    parser.add_argument("--width", type=int, help="neurons of the first layer (default: the preset's)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--steps", type=int, default=200)
    options = run.begin(parser)
    results = []
    for batch in options.batches:
        for name, threshold in (("event-driven", None), ("dense", 0.0)):
            steps = max(10, options.steps // batch)
            with without_kernels():
                found = measure(options.preset, options.width, batch, threshold, steps)
            results.append({"batch": batch, "update": name, **found})
            print(f"batch {batch}, {name}, ms for each operation (median of {steps}):")
            show(found["ms"])
            store.write(options.output, {"preset": options.preset, "width": options.width, "breakdown": results})
    plot(results, options.output)


def show(layers: list[dict[str, float]]) -> None:
    print("  layer  " + "  ".join(_ORDER) + "  sum")
    for index, layer in enumerate(layers, start=1):
        cells = [f"{layer[operation]:{len(operation)}.3f}" for operation in _ORDER]
        print(f"  {index:5}  " + "  ".join(cells) + f"  {sum(layer.values()):.2f}")


def plot(results: list[store.Result], path: Path) -> None:
    figure, axes = draw.new_figure(len(results), (3.4 * len(results), 4.2))
    for axis, result in zip(axes, results, strict=True):
        names = [f"layer {index}" for index in range(1, len(result["ms"]) + 1)]
        bottom = np.zeros(len(names))
        for index, operation in enumerate(_ORDER):
            height = np.array([layer[operation] for layer in result["ms"]])
            axis.bar(names, height, bottom=bottom, label=operation, color=f"C{index}")
            bottom += height
        axis.set_title(f"batch {result['batch']}, {result['update']}", fontsize="medium")
        axis.set_ylabel("ms a step")
    axes[0].legend(fontsize="x-small", loc="upper left")
    draw.save(figure, path)


if __name__ == "__main__":
    main()
