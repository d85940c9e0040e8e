"""The tables of what things cost, from `results/speed`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.core.page import Tables, grouped, markdown
from benchmarks.core.store import read
from benchmarks.speed.distributed import model
from benchmarks.speed.studio_tables import STUDIO_TABLES


def _ms(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


_TIMED = {
    "learn": "learn",
    "learn, auto": "learn, auto",
    "learn, torch": "without kernels",
    "learn, dense": "dense",
    "transform": "transform",
    "transform, auto": "transform, auto",
    "ONNX Runtime": "ONNX Runtime",
    "backprop": "backprop",
    "peer": "authors' demo",
}


def _steps(results: Path) -> list[dict[str, Any]]:
    return list(read(results / "speed" / "step.json")["steps"])


def _most_threads(results: Path) -> list[dict[str, Any]]:
    steps = _steps(results)
    most = max(step.get("threads", 0) for step in steps)  # earlier results do not say
    return _of_threads(steps, most)


def _of_threads(steps: list[dict[str, Any]], threads: int) -> list[dict[str, Any]]:
    return [step for step in steps if step.get("threads", 0) == threads]


def _head(step: dict[str, Any]) -> list[Any]:
    return [step["preset"], step["width"] or "the paper's", step["batch"]]


def _medians(step: dict[str, Any]) -> dict[str, float]:
    return {name: found["median_ms"] for name, found in step["ms_per_step"].items()}


def _step(results: Path) -> str:
    steps = _most_threads(results)
    timed = {name: shown for name, shown in _TIMED.items() if any(name in step["ms_per_step"] for step in steps)}
    rows = []
    for step in steps:
        ms = _medians(step)
        times = [_ms(ms[name]) if name in ms else "" for name in timed]
        floors = [_ms(step[name]) for name in ("floor_ms", "floor_bfloat16_ms") if name in step]
        rows.append([*_head(step), *times, ", ".join(floors)])
    return markdown(["preset", "width", "batch", *timed.values(), "floors"], rows)


_RATIOS = {
    "learn ÷ transform": ("learn", "transform"),
    "the same, auto": ("learn, auto", "transform, auto"),
    "late ÷ fresh": ("learn, late", "learn"),
    "late ÷ fresh, auto": ("learn, auto, late", "learn, auto"),
    "transform ÷ ONNX Runtime": ("transform", "ONNX Runtime"),
    "transform, auto ÷ ONNX Runtime": ("transform, auto", "ONNX Runtime"),
    "backprop ÷ learn": ("backprop", "learn"),
    "demo ÷ learn": ("peer", "learn"),
    "demo ÷ learn, auto": ("peer", "learn, auto"),
}


def _step_ratios(results: Path) -> str:
    return _ratios(_most_threads(results))


def _one_thread(results: Path) -> str:
    return _ratios(_of_threads(_steps(results), 1))


def _ratios(steps: list[dict[str, Any]]) -> str:
    medians = [(step, _medians(step)) for step in steps]
    shown = {name: (a, b) for name, (a, b) in _RATIOS.items() if any(a in ms and b in ms for _, ms in medians)}
    rows = [
        [*_head(step), *(f"{ms[a] / ms[b]:.2f}" if a in ms and b in ms else "" for a, b in shown.values())]
        for step, ms in medians
    ]
    return markdown(["preset", "width", "batch", *shown], rows)


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
        for ratio in [row["default_over_slower_part"]]
    ]
    head = ["width", "decode alone, frames/s", "learn alone", "both, in turns", "both, by default"]
    return markdown([*head, "by default ÷ slower part"], rows)


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
    engines = read(results / "speed" / "pipeline.json")["engines"]
    groups = grouped(model(_distributed(results)["sent"]["rows"], engines), "width", "every", "wire", "network")
    rows = []
    for (width, _, _, network), machines in groups.items():
        rates = {row["machines"]: row for row in machines}
        cells = [f"{rates[n]['samples_per_second']:,.0f} ({rates[n]['efficiency']:.0%})" for n in shown]
        rows.append([width, _way(machines[0]), network, *cells])
    return markdown(["width", "", "network", *(f"{n:,} machines" for n in shown)], rows)


def _sound(results: Path) -> str:
    found = read(results / "speed" / "sound.json")
    memory = found["resident_mib"]
    row = [f"{found['samples']:,}", found["width"], found["threads"], found["seconds"], f"{found['times_faster']:.0f}"]
    head = ["seconds of sound", "width", "threads", "learned in, s", "times faster than it plays"]
    memories = [f"{memory[key]:.0f}" for key in ("first", "last", "most")]
    return markdown([*head, "MiB resident after a tenth", "at the end", "at most"], [[*row, *memories]])


def _cameras(results: Path) -> str:
    """Of each width: frames a second by the most frames in a step."""
    rows = read(results / "speed" / "cameras.json")["rows"]
    batches = [batch for (batch,) in grouped(rows, "batch")]
    table = [
        [width, *(f"{row['frames_per_second']:.0f}" for row in same)]
        for (width,), same in grouped(rows, "width").items()
    ]
    return markdown(["width", "one a step", *(f"up to {batch}" for batch in batches[1:])], table)


TABLES: Tables = {
    "speed/cameras": _cameras,
    **STUDIO_TABLES,
    "speed/sound": _sound,
    "speed/step": _step,
    "speed/step-ratios": _step_ratios,
    "speed/step-one-thread": _one_thread,
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
