"""`PipelinedEngine`: successive samples in successive layers at the same time."""

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import torch
from torch import Tensor

from hebbstream._globals import tensor_float32, usable_device
from hebbstream._numbers import check_number
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.network._frames import flattened, to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network.engine._base import Engine
from hebbstream.network.engine._eager import EagerEngine
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._workspace import Workspace

_Item = Tensor | BaseException | None  # an exception goes down the pipeline in its sample's place; None ends it
_WAITING_PER_STAGE = 2  # one sample at work and one at the door of each stage


class PipelinedEngine(Engine):
    """Spreads the layers over stages: while one takes a sample, the one before it takes the next.

    No layer waits for another's update, so every layer sees the same inputs in the same order as when they run one
    after the other, and learns exactly the same. What it gains is throughput, at most as many times as there are
    stages, and only through `learn_stream` (which `hebbstream.learn` uses); a sample takes no less time than before.

    Parameters
    ----------
    precision
        As for `Engine`.
    stages
        How many; layers are split into runs of about equal work. ``None`` makes one for each device, or for each
        layer where there are no devices.
    devices
        Where each stage computes, one device a stage; the layers move there at the first step. ``None`` leaves them
        where they are.
    threads
        CPU threads of each stage. Products computed by different numbers of threads may differ in the last bit.

    Raises
    ------
    ConfigurationError
        If a number is not positive, or there are not as many devices as stages.

    Examples
    --------
    >>> from hebbstream import SoftHebbNet
    >>> net = SoftHebbNet.from_preset("cifar10", width=4, engine=PipelinedEngine(stages=2))
    >>> len(list(net.learn_stream(torch.rand(5, 32, 32, 3))))
    5
    """

    overlaps = True

    def __init__(
        self,
        precision: PrecisionName = "float32",
        *,
        stages: int | None = None,
        devices: Sequence[str | torch.device] | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(precision)
        check_number("stages", stages, optional=True)
        check_number("threads", threads)
        if devices is not None and (isinstance(devices, str) or not isinstance(devices, Sequence)):
            raise ConfigurationError(f"devices={quote(devices)}: expected one for each stage, in a list")
        if devices is not None and len(devices) != (stages or len(devices)):
            raise ConfigurationError(f"{len(devices)} devices for {stages} stages: expected one for each")
        self.stages = stages if devices is None else len(devices)
        self.devices = None if devices is None else [usable_device(device) for device in devices]
        self.threads = threads
        self._eager = EagerEngine(precision)

    def learn(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> Tensor:
        """Let one sample through every stage: nothing overlaps; see `Engine.learn`."""
        self._split(layers, frames)
        return self._eager.learn(layers, frames)

    def learn_stream(self, layers: Sequence[SoftHebbLayer], batches: Iterable[Tensor]) -> Generator[Tensor, None, None]:
        """Keep every stage at work with another sample, and yield features in order; see `Engine.learn_stream`."""
        source = iter(batches)
        first = next(source, None)
        if first is None:
            return
        stages = self._split(layers, first)
        with self._running(stages, first.device) as (entrance, exit_):
            in_flight = 0
            failure: Exception | None = None
            try:
                batch: Tensor | None = first
                while batch is not None:
                    entrance.put(batch)
                    in_flight += 1
                    if in_flight == _WAITING_PER_STAGE * len(stages):
                        in_flight -= 1
                        yield _result(exit_)
                    try:
                        batch = next(source, None)
                    except Exception as error:  # samples under way come first, then what went wrong behind them
                        failure, batch = error, None
                while in_flight:
                    in_flight -= 1
                    yield _result(exit_)
            finally:
                entrance.put(None)  # stages finish what was put in before it, and end
            if failure is not None:
                raise failure

    def _split(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> list[Sequence[SoftHebbLayer]]:
        """Cut the layers into runs of about equal work, and move each run to its device."""
        bounds = balanced(multiplications(layers, frames.shape[2], frames.shape[3]), self.stages or len(layers))
        stages = [layers[start:stop] for start, stop in pairwise(bounds)]
        for stage, device in zip(stages, self.devices or [], strict=False):
            for layer in stage:
                if layer.device != device:
                    layer.to(device)
        return stages

    @contextmanager
    def _running(
        self, stages: Sequence[Sequence[SoftHebbLayer]], source: torch.device
    ) -> Iterator[tuple["SimpleQueue[_Item]", "SimpleQueue[_Item]"]]:
        queues: list[SimpleQueue[_Item]] = [SimpleQueue() for _ in range(len(stages) + 1)]
        workspaces = [[Workspace() for _ in stage] for stage in stages]
        streams = current_streams([source, *(layer.device for stage in stages for layer in stage)])
        workers = [
            threading.Thread(
                target=self._work_through, args=(*arguments, streams), name=f"hebbstream-stage-{index}", daemon=True
            )
            for index, arguments in enumerate(zip(stages, workspaces, queues, queues[1:], strict=False), start=1)
        ]
        # Both by now: a stream that is left half read may end with the interpreter, when torch is gone.
        set_threads, threads = torch.set_num_threads, torch.get_num_threads()
        with tensor_float32(enabled=self.precision == "tf32"):
            for worker in workers:
                worker.start()
            try:
                yield queues[0], queues[-1]
            finally:
                for worker in workers:
                    worker.join()
                set_threads(threads)  # which a worker's own setting made the default of later threads

    def _work_through(
        self,
        stage: Sequence[SoftHebbLayer],
        workspaces: Sequence[Workspace],
        source: "SimpleQueue[_Item]",
        target: "SimpleQueue[_Item]",
        streams: Sequence[torch.cuda.Stream],
    ) -> None:
        torch.set_num_threads(self.threads)
        for stream in streams:
            torch.cuda.set_stream(stream)
        while (item := source.get()) is not None:
            if isinstance(item, Tensor):
                try:
                    item = to_input(item, stage[0].device)
                    for layer, workspace in zip(stage, workspaces, strict=True):
                        item = layer.learn(item.to(layer.device), workspace, self.multiply)
                except BaseException as error:
                    item = error
            target.put(item)
        target.put(None)

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"stages": self.stages, "devices": self.devices, "threads": self.threads}


def _result(exit_: "SimpleQueue[_Item]") -> Tensor:
    item = exit_.get()
    if isinstance(item, BaseException):
        raise item
    assert item is not None  # noqa: S101  # the end comes after the last sample
    return flattened(item)


def current_streams(devices: Iterable[torch.device]) -> list[torch.cuda.Stream]:
    """Return the calling thread's stream of each card, for workers to go on with: those of two threads do not wait for each other.

    Examples
    --------
    >>> current_streams([torch.device("cpu")])
    []
    """
    return [torch.cuda.current_stream(device) for device in dict.fromkeys(devices) if device.type == "cuda"]


def multiplications(layers: Sequence[SoftHebbLayer], height: int, width: int) -> list[int]:
    """Return the multiply-adds of each layer's forward pass for one frame."""
    work = []
    for layer in layers:
        positions = 1 if layer.spec.kernel_size is None else height * width
        work.append(positions * layer.weight_matrix.numel())
        height, width = layer.spec.output_size(height, width)
    return work


def balanced(work: Sequence[int], parts: int) -> list[int]:
    """Return the bounds of at most `parts` runs whose heaviest is as light as can be.

    Examples
    --------
    >>> balanced([1, 2, 9], 2)
    [0, 2, 3]
    """
    if parts <= 1 or len(work) <= 1:
        return [0, len(work)]
    cuts = [[*balanced(work[:last], parts - 1), len(work)] for last in range(1, len(work))]
    return min(cuts, key=lambda bounds: max(sum(work[start:stop]) for start, stop in pairwise(bounds)))
