"""Exported models: accuracy and size of each precision on real data, and speed of ONNX Runtime against torch."""

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

import hebbstream as hs
from benchmarks.core import draw, run, store
from benchmarks.core.data import Split, load_task, preset_frames
from benchmarks.core.timing import alternate, timed
from hebbstream.export import OnnxExtractor
from hebbstream.export._to_onnx import export_model

PRECISIONS: tuple[Literal["float32", "float16", "int8"], ...] = ("float32", "float16", "int8")
# Name: preset, neurons of the first layer, growth of width with depth.
NETWORKS = {
    "cifar10, full width": ("cifar10", 96, 4),
    "cifar10, half width": ("cifar10", 48, 4),
    "mnist, half width": ("mnist", 48, 4),
    "mnist-dense": ("mnist-dense", 2000, 4),
    "stl10, quarter width": ("stl10", 24, 4),
    "imagenet160, width 12": ("imagenet160", 12, 4),
}
BATCHES = (1, 16)
CALIBRATION = 200
_CHUNK = 100


def accuracies(data: str, width: int, samples: int | None, seed: int) -> store.Result:
    """Learn features and then a probe, one sample at a time, and test the model of each precision."""
    task = load_task(data)
    train, test = task.train.take(samples, seed), task.test.take(samples, seed)
    order = np.random.default_rng(seed).permutation(len(train))
    net, probe = hs.SoftHebbNet.from_preset(data, width=width, seed=seed), hs.SoftmaxProbe()
    for index in tqdm(order, desc=f"{data}: learn"):
        net.learn_one(train.images[index])
    whole = OnnxExtractor(export_model(net, input_dtype="uint8", layout="NHWC").data)
    for start in tqdm(range(0, len(order), _CHUNK), desc=f"{data}: probe"):
        chosen = order[start : start + _CHUNK]
        probe.learn_many(torch.from_numpy(whole.transform_many(train.images[chosen])), train.labels[chosen].tolist())
    found: store.Result = {"width": width, "samples": len(train), "tested on": len(test)}
    calibration = train.images[order[:CALIBRATION]]
    for precision in PRECISIONS:
        exported = export_model(
            net, probe, input_dtype="uint8", layout="NHWC", precision=precision, frames=calibration, error_limit=np.inf
        )
        found[precision] = {
            "accuracy": round(tested(OnnxExtractor(exported.data), test), 4),
            "error": round(exported.error, 5),
            "bytes": len(exported.data),
        }
        print(data, precision, found[precision], flush=True)
    return found


def tested(extractor: OnnxExtractor, test: Split) -> float:
    classes, right = np.array(extractor.classes), 0
    for start in range(0, len(test), _CHUNK):
        guesses = extractor.predict_proba_many(test.images[start : start + _CHUNK]).argmax(axis=1)
        right += int((classes[guesses] == test.labels[start : start + _CHUNK]).sum())
    return right / len(test)


def speeds(name: str, width: int | None, seconds: float, threads: int) -> store.Result:
    """Time a batch in torch and in ONNX Runtime, by turns."""
    preset, full, factor = NETWORKS[name]
    net = hs.SoftHebbNet.from_preset(preset, width=width or full, width_factor=factor)
    frames = preset_frames(preset, 64)
    for frame in frames[:20]:
        net.learn_one(frame)
    exported = {
        precision: export_model(
            net, input_dtype="uint8", layout="NHWC", precision=precision, frames=frames[::4], error_limit=np.inf
        )
        for precision in PRECISIONS
    }
    extractors = {precision: OnnxExtractor(model.data, threads=threads) for precision, model in exported.items()}
    found: store.Result = {"bytes": {precision: len(model.data) for precision, model in exported.items()}}
    for batch in BATCHES:
        calls = {"torch": partial(net.transform_many, frames[:batch])}
        calls |= {
            precision: partial(extractor.transform_many, frames[:batch]) for precision, extractor in extractors.items()
        }
        taken = alternate(calls, seconds=seconds)
        found[f"batch {batch}"] = timed(taken) | {
            "torch over": {p: round(taken["torch"].median / taken[p].median, 2) for p in PRECISIONS}
        }
        print(name, batch, found[f"batch {batch}"]["torch over"], flush=True)
    return found


def plot(found: store.Result, path: Path) -> None:
    """Draw how many times as long torch takes."""
    figure, axes = draw.new_figure(len(BATCHES), (10, 3.4))
    for axis, batch in zip(axes, BATCHES, strict=True):
        for number, precision in enumerate(PRECISIONS):
            ratios = [row[f"batch {batch}"]["torch over"][precision] for row in found.values()]
            axis.barh(np.arange(len(found)) - 0.25 + 0.25 * number, ratios, height=0.24, label=precision)
        axis.axvline(1.0, color="black", linewidth=0.8)
        axis.set(title=f"batch {batch}", xlabel="torch's time over ONNX Runtime's")
        axis.set_yticks(np.arange(len(found)), list(found) if batch == BATCHES[0] else [])
        axis.invert_yaxis()
    axes[-1].legend(frameon=False, fontsize="small")
    draw.save(figure, path)


def main() -> None:
    parser = run.arguments("speed/deploy", __doc__)
    parser.add_argument("--data", nargs="*", default=["cifar10", "mnist"], choices=("cifar10", "mnist"))
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS, metavar="NAME")
    parser.add_argument(
        "--width", type=int, help="of the first layer (default: 24 for accuracy, each network's for speed)"
    )
    parser.add_argument("--samples", type=int, help="only so many (default: all)")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing for each network and batch")
    parser.add_argument("--threads", type=int, default=1, help="of both runtimes")
    parser.add_argument("--seed", type=int, default=0)
    options = run.begin(parser)
    accuracy = {data: accuracies(data, options.width or 24, options.samples, options.seed) for data in options.data}
    torch.set_num_threads(options.threads)
    speed = {name: speeds(name, options.width, options.seconds, options.threads) for name in options.networks}
    halves = {"accuracy": accuracy, "speed": speed}
    earlier = {half: found for half, found in store.read(options.output).items() if half in halves}
    found = {half: {"measured": run.machine()} | found for half, found in halves.items() if found}
    store.write(options.output, {"seed": options.seed} | earlier | found)
    if speed:
        plot(speed, options.output)


if __name__ == "__main__":
    main()
