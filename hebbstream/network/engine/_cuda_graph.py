"""`CudaGraphEngine`: the whole step captured once for each input shape, then replayed by a single launch."""

import warnings
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, cuda

from hebbstream._globals import tensor_float32
from hebbstream._quote import first_line
from hebbstream.network._frames import pinned, to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._parts import Forward
from hebbstream.network.engine._base import Engine
from hebbstream.network.engine._eager import EagerEngine
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._workspace import Workspace

_WARM_UP_STEPS = 3  # before a capture: libraries choose kernels and allocate then, which a capture forbids
_MOST_GRAPHS = 8  # each holds the memory of a step


class CudaGraphEngine(Engine):
    """Captures a step as a CUDA graph, in which the updates overlap the forward pass of the layers after them.

    A step of a small network is hundreds of small kernels, and launching them one by one takes longer than they do. A
    graph is launched at once. The first steps of a new input shape run uncaptured; they are ordinary steps, and
    nothing is learned twice. The eight latest shapes are kept.

    Where it cannot work, on another device or where a capture fails, it warns with the reason and runs eagerly.

    Examples
    --------
    >>> from hebbstream import SoftHebbNet
    >>> net = SoftHebbNet.from_preset("cifar10", width=4, engine=CudaGraphEngine(precision="bfloat16"))
    >>> net.engine
    CudaGraphEngine(precision='bfloat16')
    """

    def __init__(self, precision: PrecisionName = "float32") -> None:
        super().__init__(precision)
        self._eager = EagerEngine(precision)
        self._steps: OrderedDict[Hashable, _Step] = OrderedDict()
        # One to capture on, and one for each layer's update. Torch has few streams; to each it gives a workspace of many megabytes.
        self._streams: dict[torch.device, list[cuda.Stream]] = {}
        self._refused, self._told = False, ""

    def learn(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> Tensor:
        """Replay the step for this input shape, or capture it first; see `Engine.learn`."""
        device = layers[0].device
        if not _on_one_cuda_device(layers):  # it may come to one yet
            self._steps.clear()
            self._tell(f"the network is on {device}, expected one CUDA device")
        elif not self._refused:
            step = self._step(_key(layers, frames), len(layers))
            with cuda.device(device), tensor_float32(enabled=self.precision == "tf32"):
                capturing, *sides = self._streams_on(device, 1 + len(layers))
                if step.recording is None and step.warm_up_steps < _WARM_UP_STEPS:
                    step.warm_up_steps += 1
                    return _run(layers, to_input(frames, device), step, self, sides)
                try:
                    step.recording = step.recording or _record(layers, frames, step, self, capturing, sides)
                except RuntimeError as error:  # nothing has run yet, so nothing is lost
                    self._refused = True
                    self._steps.clear()
                    self._tell(f"the step could not be captured: {first_line(error)}")
                else:
                    return step.recording.replay(frames)
        return self._eager.learn(layers, frames)

    def _streams_on(self, device: torch.device, count: int) -> list[cuda.Stream]:
        held = self._streams.setdefault(device, [])
        held += [cuda.Stream() for _ in range(len(held), count)]  # type: ignore[no-untyped-call]
        return held[:count]

    def _step(self, key: Hashable, layers: int) -> "_Step":
        if key not in self._steps:
            self._steps[key] = _Step(layers)
        self._steps.move_to_end(key)
        if len(self._steps) > _MOST_GRAPHS:
            self._steps.popitem(last=False)
        return self._steps[key]

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            self._told = reason
            warnings.warn(f"CUDA graph engine runs eagerly: {reason}", RuntimeWarning, stacklevel=5)


class _Step:
    """A step for one input shape: its memory and, once captured, its graph."""

    def __init__(self, layers: int) -> None:
        # Each captured graph has fixed addresses, so each shape has its own workspaces.
        self.workspaces = [Workspace() for _ in range(layers)]
        self.warm_up_steps = 0
        self.recording: _Recording | None = None


@dataclass(slots=True)
class _Recording:
    graph: cuda.CUDAGraph
    frames: Tensor
    features: Tensor

    def replay(self, frames: Tensor) -> Tensor:
        self.frames.copy_(pinned(frames), non_blocking=True)
        self.graph.replay()
        return self.features.clone()  # the next replay writes over them


def _record(
    layers: Sequence[SoftHebbLayer],
    frames: Tensor,
    step: _Step,
    engine: Engine,
    capturing: cuda.Stream,
    sides: Sequence[cuda.Stream],
) -> _Recording:
    graph = cuda.CUDAGraph()
    static_frames = torch.empty_like(frames, device=layers[0].device)
    # Each thread has its own, which a capture may not make; another thread may have taken the steps before.
    cuda.current_blas_handle()  # type: ignore[no-untyped-call]
    # By itself torch captures on a stream of whichever card it first captured on, and leaves its stream the current one where
    # a capture fails. Other threads, such as one that decodes video, may allocate meanwhile.
    with (
        cuda.stream(cuda.current_stream()),
        cuda.graph(graph, stream=capturing, capture_error_mode="thread_local"),
    ):
        features = _run(layers, to_input(static_frames, layers[0].device), step, engine, sides)
    return _Recording(graph, static_frames, features)


def _run(
    layers: Sequence[SoftHebbLayer], x: Tensor, step: _Step, engine: Engine, sides: Sequence[cuda.Stream]
) -> Tensor:
    """Launch a step, each layer's update on a stream of its own beside the forward pass of the layers after it."""
    main = cuda.current_stream()
    # Memory of the main stream must not be given out again while a side stream reads it: hold it until they join.
    held: list[Forward] = []
    for layer, workspace, side in zip(layers, step.workspaces, sides, strict=True):
        forward = layer.learn_forward(x, workspace, engine.multiply)
        held.append(forward)
        side.wait_stream(main)
        with cuda.stream(side):
            layer.update(forward, workspace, engine.multiply)
        x = forward.output
    for side in sides:
        main.wait_stream(side)
    return x.flatten(1)


def _on_one_cuda_device(layers: Sequence[SoftHebbLayer]) -> bool:
    return layers[0].device.type == "cuda" and all(layer.device == layers[0].device for layer in layers)


def _key(layers: Sequence[SoftHebbLayer], frames: Tensor) -> Hashable:
    """Tell apart everything a graph has fixed: the input's shape and layout, and where the state lies."""
    state = tuple((layer.spec, *(buffer.data_ptr() for buffer in layer.buffers())) for layer in layers)
    return tuple(frames.shape), frames.stride(), frames.dtype, state
