"""The experiments: for each, the runs that it compares."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.paper.run import Rule, Run
from hebbstream.network._presets import get_preset

WIDTHS = {"full": 1.0, "half": 0.5, "quarter": 0.25}


@dataclass(frozen=True, slots=True)
class Experiment:
    """What it shows, and its runs at a seed, as (name in tables and plots, run)."""

    title: str
    runs: Callable[[int, str], list[tuple[str, Run]]]


def _width(preset: str, name: str) -> int:
    return int(get_preset(preset).layers[0].channels * WIDTHS[name])


def _benchmark(data: str, *others: Rule, preset: str | None = None) -> Callable[[int, str], list[tuple[str, Run]]]:
    """Both protocols on a data set, and the other rules that the paper has for it."""

    def runs(seed: int, width: str) -> list[tuple[str, Run]]:
        base = Run(data=data, preset=preset, width=_width(preset or data, width), seed=seed)
        return [
            ("paper", base),
            ("paper, layer after layer", replace(base, mode="successive")),
            ("stream", replace(base, protocol="stream")),
            *((rule, replace(base, rule=rule)) for rule in others),
        ]

    return runs


def _authors(seed: int, width: str) -> list[tuple[str, Run]]:  # noqa: ARG001  # their demo has one width
    return [(data, Run(data=data, rule="authors", width=96, seed=seed)) for data in ("cifar10", "mnist")]


def _beyond(seed: int, width: str) -> list[tuple[str, Run]]:
    runs = []
    for data in ("cifar10", "mnist"):
        base = Run(data=data, protocol="stream", width=_width(data, width), seed=seed)
        runs += [
            (f"{data}: paper", replace(base, protocol="paper")),
            (f"{data}: stream", base),
            (f"{data}: + standardised features", replace(base, standardize=True)),
        ]
    mirrored = Run(protocol="stream", width=_width("cifar10", width), mirror=True, standardize=True, seed=seed)
    return [
        *runs,
        ("cifar10: + mirror", mirrored),
        ("cifar10: paper + both", replace(mirrored, protocol="paper")),
        ("cifar10: random + both", replace(mirrored, rule="random")),
    ]


def _depth(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(width=_width("cifar10", width), probes=(1, 2, 3), epochs=20, seed=seed)
    rules: tuple[Rule, ...] = ("soft", "hard", "random")
    return [(rule, replace(base, rule=rule)) for rule in rules] + [
        ("stream", replace(base, protocol="stream")),
        *((f"backprop, {depth} layers", replace(base, rule="backprop", depth=depth, probes=())) for depth in (1, 2, 3)),
    ]


def _width_factor(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(width=_width("cifar10", width), probes=(1, 2, 3), epochs=20, seed=seed)
    return [(f"factor {factor}", replace(base, width_factor=factor)) for factor in (1, 2, 4)]


def _layer_width(seed: int, width: str) -> list[tuple[str, Run]]:
    widths = (12, 24, 48, 96)
    return [
        (f"{first}", Run(width=first, epochs=20, seed=seed)) for first in widths if first <= _width("cifar10", width)
    ]


def _single(seed: int, width: str) -> Run:
    """One layer on part of the data: the base of the studies of one hyper-parameter."""
    return Run(width=_width("cifar10", width), depth=1, samples=20_000, labels=20_000, epochs=20, seed=seed)


def _temperature(seed: int, width: str) -> list[tuple[str, Run]]:
    base = _single(seed, width)
    values = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0, 10.0)
    soft = [(f"{value:g}", replace(base, changes=((1, "inverse_temperature", value),))) for value in values]
    return [*soft, ("hard", replace(base, rule="hard"))]


def _temperature_of_all(seed: int, width: str) -> list[tuple[str, Run]]:
    base = replace(_single(seed, width), depth=None)
    return [
        (f"{value:g}", replace(base, changes=((0, "inverse_temperature", value),)))
        for value in (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 10.0)
    ] + [("hard", replace(base, rule="hard"))]


def _radius(seed: int, width: str) -> list[tuple[str, Run]]:
    base = _single(seed, width)
    return [
        (f"{value:g}", replace(base, changes=((1, "radius", value),)))
        for value in (0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 100.0)
    ]


def _rate(seed: int, width: str) -> list[tuple[str, Run]]:
    base = replace(_single(seed, width), samples=None)
    runs = []
    for samples in (500, 2_000, 10_000, 50_000):
        adaptive = replace(base, samples=samples)
        decay = (1, "decay_samples", samples)
        runs += [
            (f"adaptive, {samples}", adaptive),
            (f"linear decay, {samples}", replace(adaptive, changes=((1, "rate_power", 0.0), decay))),
            (f"constant, {samples}", replace(adaptive, changes=((1, "rate_power", 0.0),))),
        ]
    return runs


def _activations(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(width=_width("cifar10", width), epochs=20, seed=seed)
    variants = {
        "ReLU": (("activation", "relu"),),
        "tanh": (("activation", "tanh"),),
        "softmax": (("activation", "softmax"), ("activation_inverse_temperature", 4.0)),
        "RePU": (("activation", "repu"), ("power", 0.7)),
        "RePU + Triangle": (),
    }
    return [
        (name, replace(base, changes=tuple((0, field, value) for field, value in changes)))
        for name, changes in variants.items()
    ]


def _modes(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(width=_width("cifar10", width), epochs=20, seed=seed)
    return [
        ("successive", replace(base, mode="successive")),
        ("consecutive", base),
        ("simultaneous", replace(base, mode="simultaneous", epochs=None)),
    ]


def _finetune(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(width=_width("cifar10", width), epochs=5, seed=seed)
    return [("finetune", replace(base, rule="finetune")), ("backprop", replace(base, rule="backprop"))]


def _dense(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(data="mnist", preset="mnist-dense", width=_width("mnist-dense", width), seed=seed)
    hard = replace(base, changes=((1, "plasticity", "hard_wta"),))
    return [
        ("paper", base),
        ("stream", replace(base, protocol="stream")),
        ("hard", hard),
        ("random", replace(base, rule="random")),
    ]


def _order(seed: int, width: str) -> list[tuple[str, Run]]:
    base = Run(protocol="stream", width=_width("cifar10", width), epochs=20, seed=seed)
    return [
        ("shuffled", base),
        ("sorted", replace(base, order="sorted")),
        ("sorted+shuffle", replace(base, order="sorted+shuffle")),
        ("video", replace(base, order="video")),
    ]


# Of each layer: one over the peak of its changes after 3,000 samples at quarter width.
_CONSTANT_SCALE = (1 / 16_000, 1 / 74_000, 1 / 2_300)


def _ablation(seed: int, width: str) -> list[tuple[str, Run]]:
    """The streaming regime, one setting changed at a time, on part of the data."""
    base = Run(protocol="stream", width=_width("cifar10", width), samples=30_000, labels=20_000, epochs=12, seed=seed)

    def changed(field: str, value: float | str) -> Run:
        return replace(base, changes=((0, field, value),))

    def rates(*factors: float) -> Run:
        scaled = [factor * spec.learning_rate for factor, spec in zip(factors, base.specs(), strict=True)]
        return replace(
            base, changes=tuple((layer, "learning_rate", rate) for layer, rate in enumerate(scaled, start=1))
        )

    unscaled = rates(*_CONSTANT_SCALE)
    unscaled = replace(unscaled, changes=(*unscaled.changes, (0, "update_scale", "none")))
    return [
        ("default", base),
        ("untrained", replace(base, rule="random")),
        ("paper: batches of 10", replace(base, protocol="paper")),
        ("momentum 0.1", changed("momentum", 0.1)),
        ("momentum 0.001", changed("momentum", 0.001)),
        ("statistics of each sample", changed("normalization", "batch")),
        ("scale: each step's maximum", changed("update_scale", "max")),
        ("scale: a constant", unscaled),
        ("rates × 3.2", rates(3.16, 3.16, 3.16)),
        ("rates × 0.32 (√ of the batch sizes' ratio)", rates(0.316, 0.316, 0.316)),
        ("rates × 1, 3.2, 3.2", rates(1, 3.16, 3.16)),
        ("rates × 0.32, 1, 1", rates(0.316, 1, 1)),
        ("radius 5", changed("radius", 5.0)),
        ("radius 50", changed("radius", 50.0)),
        ("every activity (dense)", changed("event_threshold", 0.0)),
        ("activities above 0.01", changed("event_threshold", 0.01)),
        ("successive", replace(base, mode="successive")),
    ]


EXPERIMENTS: dict[str, Experiment] = {
    "cifar10": Experiment("CIFAR-10 (Table 1)", _benchmark("cifar10", "random")),
    "mnist": Experiment("MNIST (section 4)", _benchmark("mnist", "random", "backprop")),
    "stl10": Experiment("STL-10 (section 4, Table 2)", _benchmark("stl10", "random", "hard", "backprop", "finetune")),
    "imagenette": Experiment(
        "ImageNette (section 4)", _benchmark("imagenette", "random", "backprop", preset="imagenet160")
    ),
    "imagenet160": Experiment("ImageNet at 160 pixels (Table 2)", _benchmark("imagenet160", "random")),
    "authors": Experiment("The authors' own layers, on the same data", _authors),
    "beyond": Experiment("Beyond the paper, at equal width", _beyond),
    "depth": Experiment("Accuracy by depth (Fig. 1 and 3)", _depth),
    "width-factor": Experiment("Growth of width with depth (Fig. 4)", _width_factor),
    "width": Experiment("Width of the layers (Fig. B.4)", _layer_width),
    "temperature": Experiment("Temperature, accuracy and R1 features (Fig. B.1)", _temperature),
    "temperature-of-all": Experiment("One temperature for three layers (Fig. B.2)", _temperature_of_all),
    "radius": Experiment("Radius of the initial weights (Fig. B.3A)", _radius),
    "rate": Experiment("Adaptive rate against linear decay (Fig. B.3B)", _rate),
    "activations": Experiment("Forward activations (appendix B.3)", _activations),
    "modes": Experiment("Training modes", _modes),
    "finetune": Experiment("Fine-tuning by backpropagation (section 4)", _finetune),
    "dense": Experiment("One dense layer on MNIST (section 4)", _dense),
    "ablation": Experiment("The streaming regime, one change at a time", _ablation),
    "order": Experiment("Order of the samples, one at a time", _order),
}
