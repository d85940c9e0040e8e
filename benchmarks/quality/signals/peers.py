"""What a user would pick instead: MiniRocket and ROCKET of aeon, and river's own models on statistics of each window.

    PYTHON benchmarks/quality/signals/peers.py FOLDER --output AEON.json
    python -m benchmarks.quality.signals.peers FOLDER --also AEON.json

The first needs aeon, best in the environment of `make`, and takes its classifiers as they come; the second measures river's and
this project's, with one thread each. Memory is what was added at most while it was fitted and tested. Models that see one sample at a time are
shown small training sets again, as the network is. Pictures of sound are signals of as many channels as bands.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Fitted = Callable[[Array], Array]
_SHOWN = 1200


def rocket(name: str) -> Callable[[Array, Array], Fitted]:
    def fit(x: Array, y: Array) -> Fitted:
        from aeon.classification import convolution_based

        model = getattr(convolution_based, name)(random_state=0, n_jobs=1).fit(x, y)
        return model.predict  # type: ignore[no-any-return]

    return fit


def statistics(x: Array) -> dict[str, float]:
    """Return what one would try first: of each channel its level, spread, range, steps and crossings, and how it goes."""
    steps, centred = np.abs(np.diff(x, axis=1)), x - x.mean(1, keepdims=True)
    found = {
        "mean": x.mean(1),
        "deviation": x.std(1),
        "least": x.min(1),
        "most": x.max(1),
        "step": steps.mean(1),
        **{f"mean of quarter {n}": part.mean(1) for n, part in enumerate(np.array_split(x, 4, axis=1), start=1)},
        "crossings": (np.diff(centred > 0, axis=1) != 0).mean(1),
    }
    return {f"{name} {channel}": float(v) for name, values in found.items() for channel, v in enumerate(values)}


def online(name: str) -> Callable[[Array, Array], Fitted]:
    def fit(x: Array, y: Array) -> Fitted:
        from river import forest, linear_model, preprocessing

        own = {
            "softmax regression": linear_model.SoftmaxRegression,
            "adaptive random forest": lambda: forest.ARFClassifier(seed=0),
        }
        model, order = preprocessing.StandardScaler() | own[name](), np.random.default_rng(0)
        rows = [statistics(each) for each in x]
        for _ in range(max(1, round(_SHOWN / len(rows)))):
            for index in order.permutation(len(rows)):
                model.learn_one(rows[index], y[index].item())
        return lambda test: np.array([model.predict_one(statistics(each)) for each in test])

    return fit


def learned(x: Array, y: Array) -> Fitted:
    """Fit the network of the preset, and ridge on its features."""
    from benchmarks.quality.signals.__main__ import network, ridge, transformed

    net, order = network(x, "learned", None, 0), np.random.default_rng(0)
    for _ in range(max(1, round(_SHOWN / len(x)))):
        for index in order.permutation(len(x)):
            net.learn_one(x[index])
    model = ridge().fit(transformed(net, x), y)
    return lambda test: np.asarray(model.predict(transformed(net, test)))


CONTENDERS: dict[str, tuple[str, Callable[[Array, Array], Fitted]]] = {
    "MiniRocket": ("aeon", rocket("MiniRocketClassifier")),
    "ROCKET": ("aeon", rocket("RocketClassifier")),
    "river, softmax regression": ("river", online("softmax regression")),
    "river, adaptive random forest": ("river", online("adaptive random forest")),
    "hebbstream": ("hebbstream", learned),
}


def measure(name: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """Fit and test; return how well, and what it took."""
    train, test = arrays["train"], arrays["test"]
    if name != "hebbstream":
        train, test = (x.reshape(len(x), -1, x.shape[-1]) for x in (train, test))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: Linux only
    before, began = _kilobytes("VmRSS"), time.process_time()
    predict = CONTENDERS[name][1](train, arrays["train_y"])
    fitted = time.process_time()
    right = predict(test) == arrays["test_y"]
    tested, peak = time.process_time(), _kilobytes("VmHWM")
    return {
        "accuracy": round(100 * float(right.mean()), 2),
        "cpu_seconds": round(fitted - began, 2),
        "test_cpu_seconds": round(tested - fitted, 2),
        "peak_megabytes": peak // 1024,
        "grown_megabytes": max(0, peak - before) // 1024,
    }


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


def rows(
    files: dict[str, Path], names: list[str], most: int | None, done: set[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    """Yield what each contender makes of each set, but for those of a set and a contender that are done."""
    for name in names:
        left = {each: path for each, path in files.items() if (each, name) not in done}
        for channels in (1, 2) if left else ():  # imports and compiles
            small = np.random.default_rng(0).normal(size=(12, channels, 40)).astype(np.float32)
            CONTENDERS[name][1](small, np.arange(12) % 2)(small)
        for each, path in left.items():
            arrays = dict(np.load(path))
            for part in ("train", "test"):  # as benchmarks.quality.signals chooses them
                chosen = np.random.default_rng(0).permutation(len(arrays[part]))[:most]
                arrays |= {key: arrays[key][chosen] for key in (part, f"{part}_y")}
            try:
                row = {"set": each, "contender": name, **measure(name, arrays)}
            except ValueError as error:  # MiniRocket's, of eight moments
                row = {"set": each, "contender": name, "refused": str(error)}
            print(row, flush=True)
            yield row


def _options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path, help="of the files that make.py wrote")
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="all in the folder, if not given")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, help="default: aeon's where aeon is, else the others"
    )
    parser.add_argument("--most", type=int, metavar="N", help="samples of each part, at most")
    return parser


def _wanted(options: argparse.Namespace, aeon: bool) -> tuple[dict[str, Path], list[str], dict[str, str]]:
    """Return the files of the sets, the contenders, and the versions of their packages."""
    found = {path.stem: path for path in sorted(options.folder.glob("*.npz"))}
    if not found:
        raise SystemExit(f"{options.folder}: no files of arrays; benchmarks/quality/signals/make.py writes them")
    if missing := set(options.sets or ()).difference(found):
        raise SystemExit(f"no {', '.join(sorted(missing))} in {options.folder}: expected some of {', '.join(found)}")
    names = options.contenders or [name for name, (package, _) in CONTENDERS.items() if (package == "aeon") == aeon]
    versions = {package: version(package) for package in sorted({CONTENDERS[name][0] for name in names})}
    return {name: path for name, path in found.items() if name in (options.sets or found)}, names, versions


def _beside_aeon() -> None:
    parser = _options(argparse.ArgumentParser(description=__doc__))
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="for --also")
    options = parser.parse_args()
    files, names, versions = _wanted(options, aeon=True)
    found: list[dict[str, Any]] = []
    for row in rows(files, names, options.most, set()):
        found.append(row)
        options.output.write_text(json.dumps({"versions": versions, "rows": found}, indent=1) + "\n")


def main() -> None:
    if find_spec("aeon") is not None:
        _beside_aeon()
        return
    from benchmarks.core import run, store  # which that environment need not have

    parser = _options(run.arguments("quality/signals-peers", __doc__))
    parser.add_argument("--also", type=Path, metavar="FILE", help="what was measured with aeon")
    options = run.begin(parser)
    files, names, versions = _wanted(options, aeon=False)
    settings = {"most": options.most}
    earlier = store.resume(options.output, settings)
    found = earlier.get("rows", [])
    also = json.loads(options.also.read_text()) if options.also else {"rows": [], "versions": {}}
    done = {(row["set"], row["contender"]) for row in found}
    more = [row for row in also["rows"] if (row["set"], row["contender"]) not in done]
    versions = earlier.get("versions", {}) | also["versions"] | versions
    for row in chain(more, rows(files, names, options.most, done)):
        found.append(row)
        store.write(options.output, {"settings": settings, "versions": versions, "rows": found})


if __name__ == "__main__":
    main()
