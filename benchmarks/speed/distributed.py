"""Several processes that learn one network: whether they learn what one does, what they send, how fast they are."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch

import hebbstream as hs
from benchmarks.core import run, store
from benchmarks.core.link import HOSTS, slow_network
from benchmarks.core.ranks import together
from hebbstream.clip._clip import clip_frames
from hebbstream.distributed import DataParallelEngine, Peers, learn_in_stages, learn_together

_SPEEDS = {
    "1 Gb/s, 0.2 ms": (1e9 / 8, 2e-4),
    "10 Gb/s, 0.05 ms": (1e10 / 8, 5e-5),
    "100 Gb/s, 0.01 ms": (1e11 / 8, 1e-5),
}
_EVERY = 50
_MACHINES = (1, 2, 4, 8, 16, 64, 256, 1000)
_WAITS = 8  # of a step: words, a sum and a list of neurons in each layer, the last large sum


def network(width: int, engine: Any = "eager") -> hs.SoftHebbNet:
    return hs.SoftHebbNet.from_preset("cifar10", width=width, seed=0, engine=engine)


def state_of(net: hs.SoftHebbNet) -> dict[str, Any]:
    return {name: value.double().numpy() for name, value in net.state_dict().items()}


def synchronous(peers: Peers, width: int, frames: Any) -> dict[str, Any]:
    net = network(width, DataParallelEngine(peers))
    for step in frames.reshape(-1, peers.world, *frames.shape[1:]):
        net.learn_one(step[peers.rank])
    return state_of(net)


def staged(peers: Peers, width: int, frames: Any) -> dict[str, Any]:
    net = network(width)
    learn_in_stages(net, frames, peers)
    return state_of(net)


def labelled(peers: Peers, width: int, frames: Any) -> Any:
    """Return what a ridge probe of all ranks, and one that heard every label in turn, have come to."""
    heard: list[tuple[Any, int]] = []
    before = hs.RidgeProbe.learn_one

    def learn_one(self: Any, x: Any, y: Any, w: float = 1.0) -> None:
        heard.append((x.numpy().copy(), y))
        before(self, x, y, w)

    hs.RidgeProbe.learn_one = learn_one  # type: ignore[method-assign]
    learner = hs.Learner(network(width), hs.RidgeProbe(dimensions=256))
    shares = np.array_split(frames, peers.world)
    sources = {str(n): lambda part=part: [(x, int(x.mean()) % 3) for x in part] for n, part in enumerate(shares)}
    learn_together(learner, sources, peers, progress=False)
    weight, bias = learner.probe.affine()  # type: ignore[union-attr]
    order = np.argsort(learner.probe.classes)  # type: ignore[union-attr]
    return weight.numpy()[order], bias.numpy()[order], heard


def equality(width: int, steps: int) -> Iterator[store.Result]:
    for ranks in (2, 4):
        frames = clip_frames(16, steps * ranks)
        reference = network(width)
        for step in frames.reshape(steps, ranks, *frames.shape[1:]):
            reference.learn_many(step)
        found = together(ranks, synchronous, width, frames)
        yield _compared(f"together, {ranks} ranks, {steps} steps, against learn_many({ranks})", found, reference)
    for ranks in (2, 3):
        frames = clip_frames(32, steps)
        reference = network(width)
        for frame in frames:
            reference.learn_one(frame)
        yield _compared(f"stages, {ranks} ranks, {steps} samples", together(ranks, staged, width, frames), reference)
    found = together(2, labelled, width, clip_frames(32, min(steps, 400)))
    single = hs.RidgeProbe(dimensions=256)
    for features, label in (one for rank in found for one in rank[2]):
        single.learn_one(features, label)
    weight, order = single.affine()[0].numpy(), np.argsort(single.classes)
    yield {
        "what": "ridge probe, 2 ranks, against one that heard all labels",
        "ranks_equal": bool((found[0][0] == found[1][0]).all()),
        "largest_difference": float(abs(found[0][0] - weight[order]).max() / abs(weight).max()),
    }


def _compared(what: str, found: list[dict[str, Any]], reference: hs.SoftHebbNet) -> store.Result:
    expected = state_of(reference)
    differences = [
        abs(found[0][name] - expected[name]).max() / abs(expected[name]).max().clip(1e-30) for name in expected
    ]
    return {
        "what": what,
        "ranks_equal": all(bool((one[name] == found[0][name]).all()) for one in found for name in one),
        "largest_difference": float(max(differences)),
    }


def timed(peers: Peers, width: int, every: int | None, wire: str, count: int) -> dict[str, float]:
    """Return seconds and bytes for each sample of a rank, from learning `count` of them after as many to warm up."""
    learner = hs.Learner(network(width))
    frames = clip_frames(32, count)
    sources = {str(rank): lambda: frames for rank in range(peers.world)}
    learn_together(learner, sources, peers, every=every, wire=wire, limit=count, progress=False)
    peers.bytes_sent = 0
    started = time.perf_counter()
    learn_together(learner, sources, peers, every=every, wire=wire, limit=count * peers.world, progress=False)
    return {"seconds": (time.perf_counter() - started) / count, "bytes": peers.bytes_sent / count}


def sent(widths: list[int], count: int) -> Iterator[store.Result]:
    for width in widths:
        for every, wire in ((None, "float32"), (_EVERY, "float32"), (_EVERY, "float16")):
            found = together(2, timed, width, every, wire, count)
            parameters = sum(layer.weight_matrix.numel() for layer in network(width).layers)
            yield {
                "width": width,
                "every": every,
                "wire": wire,
                "weights": parameters,
                "bytes_a_sample": found[0]["bytes"],
            }


def throughput(widths: list[int], count: int, rounds: int) -> Iterator[store.Result]:
    """Let one process of two threads and two of one take turns; each says how long its samples took, not its start."""
    for width in widths:
        rates: dict[str, list[float]] = {}

        def single(threads: int, width: int = width) -> float:
            torch.set_num_threads(threads)
            net = network(width)
            frames = clip_frames(32, count)
            for frame in frames[: count // 4]:
                net.learn_one(frame)
            started = time.perf_counter()
            for frame in frames:
                net.learn_one(frame)
            return count / (time.perf_counter() - started)

        def ranks(every: int | None, width: int = width) -> float:
            return 2 / max(rank["seconds"] for rank in together(2, timed, width, every, "float32", count))

        ways: dict[str, Callable[[], float]] = {
            "1 process, 1 thread": partial(single, 1),
            "1 process, 2 threads": partial(single, 2),
            "2 ranks of 1 thread, together": partial(ranks, None),
            "2 ranks of 1 thread, every 50": partial(ranks, 50),
        }
        for _ in range(rounds):
            for name, way in ways.items():
                rates.setdefault(name, []).append(way())
        torch.set_num_threads(1)
        for name, found in rates.items():
            yield {"width": width, "way": name, "samples_per_second": round(float(np.median(found)), 1)}


def cut_off(peers: Peers) -> float:
    """Learn for ever; the error that ends it is the result."""
    net = network(4, DataParallelEngine(peers))
    while True:
        net.learn_one(torch.rand(3, 16, 16))


def slow(width: int, steps: int) -> Iterator[store.Result]:
    for delay, loss in ((0.0, 0.0), (0.02, 0.0), (0.02, 0.01)):
        for every in (None, 50):
            with slow_network(delay, loss) as link:
                found = together(2, timed, width, every, "float32", steps, hosts=HOSTS, timeout=60)
                row = {"one_way_ms": 1e3 * delay, "loss": loss, "every": every, "packets_lost": link.lost}
            whole = isinstance(found[0], dict)
            yield row | ({"samples_per_second": 2 / found[0]["seconds"]} if whole else {"error": found[0]})
    with slow_network(0.02, 0.0) as link:
        timer = _later(8.0, lambda: setattr(link, "cut", True))
        started = time.monotonic()
        found = together(2, cut_off, hosts=HOSTS, timeout=10)
        timer.join()
        yield {"cut after, s": 8, "timeout, s": 10, "all ended after, s": time.monotonic() - started, "errors": found}


def _later(seconds: float, action: Callable[[], None]) -> Any:
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


def model(rows: list[store.Result], engines: list[store.Result]) -> Iterator[store.Result]:
    """Say how many samples a second so many machines learn, from what was measured and what a network is said to do.

    Computing takes what `benchmarks.speed.pipeline` has measured for one thread (`engines`). A sum over W machines by a
    ring, as gloo does it, sends 2·(W − 1)/W times its bytes from each and takes 2·(W − 1) latencies. Together, a step waits for the words of all, for a
    small sum in each of three layers and for the last layer's large one; the other large ones overlap with computing. Of
    the neurons, a share p is active on one machine, and 1 − (1 − p)^W on any of W, as if each chose its own.
    """
    rates = {row["width"]: row["samples_per_second"] for row in engines if row["engine"] == "sequential, 1 thread"}
    for row in rows:
        compute, every, dense = 1 / rates[row["width"]], row["every"], 4 * row["weights"]
        inactive = math.sqrt(1 - row["bytes_a_sample"] / dense)  # on one machine, where that is so on both
        for name, (bandwidth, latency) in _SPEEDS.items():
            for machines in _MACHINES:
                share, hops = 2 * (machines - 1) / machines, 2 * (machines - 1)
                sent_bytes = row["bytes_a_sample"] if every is not None else dense * (1 - inactive**machines)
                travel = share * sent_bytes / bandwidth
                waits = (_WAITS if every is None else 2 / every) * hops * latency
                seconds = waits + (max(compute, travel) if every is None else compute + travel)
                rate = machines / seconds
                yield {
                    "width": row["width"],
                    "every": every,
                    "wire": row["wire"],
                    "network": name,
                    "machines": machines,
                    "samples_per_second": round(rate, 1),
                    "efficiency": round(compute / seconds, 3),
                }


_PARTS = ("equality", "sent", "throughput", "slow")


def main() -> None:
    parser = run.arguments("speed/distributed", __doc__)
    parser.add_argument("--parts", nargs="+", choices=_PARTS, default=_PARTS)
    parser.add_argument("--widths", type=int, nargs="+", default=[48, 96])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--count", type=int, default=200, help="samples of a timing")
    parser.add_argument("--rounds", type=int, default=3)
    options = run.begin(parser)
    found = store.read(options.output)
    parts: dict[str, Callable[[], Iterator[store.Result]]] = {
        "equality": lambda: equality(8, options.steps),
        "sent": lambda: sent(options.widths, options.count),
        "throughput": lambda: throughput(options.widths, options.count, options.rounds),
        "slow": lambda: slow(8, 100),
    }
    for name in ("machine", "model"):  # earlier results held the model, of a speed that was measured anew later
        found.pop(name, None)
    for part in options.parts:
        found[part] = {"measured": run.machine(), "rows": store.shown(parts[part]())}
        store.write(options.output, found)


if __name__ == "__main__":
    main()
