"""The tables of what things cost, from `results/speed`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import read


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


_TIMED = ("learn", "learn, auto", "learn, torch", "learn, dense", "transform", "transform, auto", "ONNX Runtime")


def _step(results: Path) -> str:
    steps = read(results / "speed" / "step.json")["steps"]
    timed = [name for name in _TIMED if any(name in step["ms_per_step"] for step in steps)]
    head = ["preset", "batch", "learn, ms a step", *timed[1:], "learn ÷ transform", "backprop ÷ learn"]
    rows = []
    for step in steps:
        ms = {name: found["median_ms"] for name, found in step["ms_per_step"].items()}
        learn = ms["learn"]
        others = [f"{ms[name] / learn:.2f}" if name in ms else "" for name in ("backprop", "peer")]
        shown = [_ms(ms[name]) if name in ms else "" for name in timed]
        ratio = f"{learn / ms['transform']:.2f}"
        rows.append([step["preset"], step["batch"], *shown, ratio, *others, _ms(step["floor_ms"])])
    return markdown([*head, "authors' demo ÷ learn", "floor"], rows)


def _events(results: Path) -> str:
    runs = read(results / "speed" / "events.json")["runs"]
    seeds = grouped(runs, "seed")
    rows = [
        [f"{threshold:g}" if threshold else "0 (dense)", *(f"{100 * run['test_accuracy']:.2f} %" for run in same)]
        for (threshold,), same in grouped(runs, "threshold").items()
    ]
    return markdown(["threshold", *(f"seed {seed}" for (seed,) in seeds)], rows)


def _video(results: Path) -> str:
    rows = [
        [row["width"], *(f"{rate:.0f}" for rate in row["frames_per_second"].values()), f"{ratio:.2f}"]
        for row in read(results / "speed" / "video.json")["videos"]
        for ratio in [row["overlapped_over_slower_part"]]
    ]
    head = ["width", "decode alone, frames/s", "learn alone", "both, in turns", "both, overlapped"]
    return markdown([*head, "overlapped ÷ slower part"], rows)


def _pipeline(results: Path) -> str:
    rows = [
        [row["width"], row["engine"], f"{row['samples_per_second']:.0f}", f"{row['latency_ms']:.1f}"]
        for row in read(results / "speed" / "pipeline.json")["engines"]
    ]
    return markdown(["width", "engine", "samples/s", "latency, ms"], rows)


def _threads(results: Path) -> str:
    found = read(results / "speed" / "threads.json")
    rows = [
        [f"{busy} of {found['cores']}", *(f"{row['median_ms']:.0f} ms (mean {row['mean_ms']:.0f})" for row in same)]
        for (busy,), same in grouped(found["threads"], "busy_cores").items()
    ]
    settings = [setting for (setting,) in grouped(found["threads"], "setting")]
    return markdown(["cores busy with other work", *settings], rows)


def _deploy_precision(results: Path) -> str:
    precisions = ("float32", "float16", "int8")
    rows = []
    for data, name in (("cifar10", "CIFAR-10"), ("mnist", "MNIST")):
        found = read(results / "speed" / "deploy.json")["accuracy"][data]
        by_precision = [found[precision] for precision in precisions]
        whole, *others = [100 * one["accuracy"] for one in by_precision]
        compared = [f"{value:.2f} % ({value - whole:.2f})" for value in others]
        errors = [f"{100 * one['error']:.1f} %" if one["error"] else "0" for one in by_precision]
        rows += [
            [f"{name}, test accuracy", f"{whole:.2f} %", *compared],
            [f"{name}, error of the features", *errors],
            [f"{name}, file", *(f"{one['bytes'] / 1e6:.2f} MB" for one in by_precision)],
        ]
    return markdown(["", *precisions], rows)


def _deploy_times(results: Path) -> str:
    def rows() -> Iterator[list[Any]]:
        for name, network in read(results / "speed" / "deploy.json")["speed"].items():
            if name != "measured":
                for number, batch in enumerate(("1", "16")):
                    found = network[f"batch {batch}"]
                    ms = [f"{found[who]['median_ms']:.2f}" for who in ("torch", "float32", "float16", "int8")]
                    ratios = [f"{found['torch over'][precision]:.2f}" for precision in ("float32", "int8")]
                    yield ["" if number else name, batch, *ms, *ratios]

    head = ["milliseconds, one thread", "batch", "torch", "float32", "float16", "int8"]
    return markdown([*head, "torch over float32", "over int8"], rows())


def _browser(results: Path) -> str:
    def spread(found: dict[str, float]) -> str:
        return f"{found['median_ms']:.1f} ({found['lower_quartile_ms']:.1f} to {found['upper_quartile_ms']:.1f})"

    rows = [
        [
            row["width"],
            row["precision"],
            spread(row["onnxruntime_web"]),
            f"{row['cpu_ms']['onnxruntime_web']:.1f}",
            spread(row["onnxruntime"]),
            row["page_shows"],
        ]
        for row in read(results / "speed" / "browser.json")["rows"]
    ]
    web = ["onnxruntime-web in Chromium, ms a frame", "of it on a core, ms"]
    return markdown(["cifar10, width", "precision", *web, "ONNX Runtime, one thread, ms", "the page shows"], rows)


def _distributed(results: Path) -> dict[str, Any]:
    return read(results / "speed" / "distributed.json")


def _equal(results: Path) -> str:
    rows = [
        [row["what"], "yes" if row["ranks_equal"] else "no", f"{row['largest_difference']:.1g}"]
        for row in _distributed(results)["equality"]["rows"]
    ]
    return markdown(["", "all ranks hold the same bits", "largest difference, of the largest value"], rows)


def _way(row: dict[str, Any]) -> str:
    return "together" if row["every"] is None else f"every {row['every']}, {row.get('wire', 'float32')}"


def _sent(results: Path) -> str:
    rows = [
        [row["width"], f"{row['weights'] / 1e6:.1f} million", _way(row), f"{row['bytes_a_sample'] / 1e6:.2f} MB"]
        for row in _distributed(results)["sent"]["rows"]
    ]
    return markdown(["cifar10, width", "weights", "", "each rank hands over for each of its samples"], rows)


def _throughput(results: Path) -> str:
    found = grouped(_distributed(results)["throughput"]["rows"], "width")
    ways = [row["way"] for row in next(iter(found.values()))]
    rows = [[width, *(f"{row['samples_per_second']:.0f}" for row in rows)] for (width,), rows in found.items()]
    return markdown(["width", *(f"{way}, samples/s" for way in ways)], rows)


def _slow_network(results: Path) -> str:
    rows = [
        [
            f"{row['one_way_ms']:.0f} ms",
            f"{row['loss']:.0%}",
            _way(row).split(",")[0],
            f"{row['samples_per_second']:.1f}",
        ]
        for row in _distributed(results)["slow"]["rows"]
        if "one_way_ms" in row
    ]
    return markdown(["delay, one way", "packets lost", "", "samples a second of both ranks"], rows)


def _machines(results: Path) -> str:
    shown = (1, 8, 64, 1000)
    groups = grouped(_distributed(results)["model"], "width", "every", "wire", "network")
    rows = []
    for (width, _, _, network), machines in groups.items():
        rates = {row["machines"]: row for row in machines}
        cells = [f"{rates[n]['samples_per_second']:,.0f} ({rates[n]['efficiency']:.0%})" for n in shown]
        rows.append([width, _way(machines[0]), network, *cells])
    return markdown(["width", "", "network", *(f"{n:,} machines" for n in shown)], rows)


TABLES: Tables = {
    "speed/step": _step,
    "speed/events": _events,
    "speed/video": _video,
    "speed/pipeline": _pipeline,
    "speed/threads": _threads,
    "speed/deploy-precision": _deploy_precision,
    "speed/deploy-times": _deploy_times,
    "speed/browser": _browser,
    "speed/distributed-equal": _equal,
    "speed/distributed-sent": _sent,
    "speed/distributed-throughput": _throughput,
    "speed/distributed-slow": _slow_network,
    "speed/distributed-model": _machines,
}
