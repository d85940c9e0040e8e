"""Frames a second from several cameras, where a step takes what has arrived, up to so many."""

from collections.abc import Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.timing import alternate
from hebbstream.clip._clip import clip_frames
from hebbstream.streams import interleave

_CAMERAS = 4
_AHEAD = 4  # frames held of each camera


def learn(net: hs.SoftHebbNet, frames: Any, batch: int, steps: list[int]) -> None:
    """Learn the frames, spread over cameras that always have one; note the number of steps."""
    cameras = {str(camera): iter(frames[camera::_CAMERAS]) for camera in range(_CAMERAS)}
    taken: list[int] = []
    once = net.engine.learn

    def counted(layers: Any, x: Any) -> Any:
        taken.append(len(x))
        return once(layers, x)

    net.engine.learn = counted  # type: ignore[method-assign]  # to see how large steps are
    try:
        with interleave(cameras, by="arrival", ahead=_AHEAD, batch=batch) as samples:
            run.whole(hs.learn(net, samples, progress=False))
    finally:
        del net.engine.learn
    steps.append(len(taken))


def measure(width: int, options: Any) -> Iterator[store.Result]:
    """Let the batch sizes take turns; yield a row for each."""
    frames = list(islice(cycle(clip_frames(32, min(options.frames, 200))), options.frames))
    steps: dict[int, list[int]] = {batch: [] for batch in options.batches}
    nets = {batch: hs.SoftHebbNet.from_preset("cifar10", width=width) for batch in options.batches}
    for net in nets.values():
        net.engine = hs.EagerEngine(options.precision)
    calls = {str(b): partial(learn, nets[b], frames, b, steps[b]) for b in options.batches}
    for batch, found in alternate(calls, seconds=0, warm_up=1, least=options.rounds).items():
        yield {
            "width": width,
            "batch": int(batch),
            "frames_per_second": round(1e3 * len(frames) / found.median, 1),
            "samples_a_step": round(len(frames) * len(steps[int(batch)]) / sum(steps[int(batch)]), 2),
        }


def main() -> None:
    parser = run.arguments("speed/cameras", __doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[48, 24])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="float32")
    options = run.begin(parser)
    rows = (row for width in options.widths for row in measure(width, options))
    settings = {"cameras": _CAMERAS, "frames": options.frames, "precision": options.precision}
    store.gather(options.output, rows, {"settings": settings})


if __name__ == "__main__":
    main()
