"""Runs whose input and results are memory that torch and ONNX Runtime share."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack

_NONE = -1  # a run that neither records a graph nor replays one


@dataclass(slots=True)
class SharedRun:
    """Run a session on tensors, without copies, on the device where they lie.

    Parameters
    ----------
    session
        Of ONNX Runtime, on that device.
    input_name
        Of its model.
    cuda_graph
        Whether it records CUDA graphs, of batches on the device. These replay on the memory that they were recorded on: for
        each shape of batch it is kept, frames are copied into it and results out of it, for one thread at a time.
    """

    session: Any
    input_name: str
    cuda_graph: bool = False
    _graphs: dict[tuple[int, ...], tuple[Tensor, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, outputs: Sequence[str], batch: Tensor) -> list[Tensor]:
        """Return outputs by name, on the device of a contiguous batch."""
        if batch.is_cuda:
            torch.cuda.current_stream(batch.device).synchronize()  # ONNX Runtime computes on a stream of its own
        if self.cuda_graph and batch.is_cuda:
            with self._lock:
                return self._replay(outputs, batch)
        binding = self._bound(outputs, batch)
        # A session for graphs records any run that is not told otherwise, and replays it whatever the next one is bound to.
        self.session.run_with_iobinding(binding, _of_graph(_NONE) if self.cuda_graph else None)
        return [from_dlpack(value) for value in binding.get_outputs()]

    def _replay(self, outputs: Sequence[str], batch: Tensor) -> list[Tensor]:
        names = [value.name for value in self.session.get_outputs()]  # a graph computes all of them
        shape, stream = tuple(batch.shape), torch.cuda.current_stream(batch.device)
        if shape not in self._graphs:
            held = torch.empty_like(batch)
            # A run that records nothing finds out the results' shapes and gets the memory for them.
            first = self._bound(names, held)
            self.session.run_with_iobinding(first, _of_graph(_NONE))
            binding = self.session.io_binding()
            binding.bind_ortvalue_input(self.input_name, _shared(held))
            for name, value in zip(names, first.get_outputs(), strict=True):
                binding.bind_ortvalue_output(name, value)
            self._graphs[shape] = held, binding
        held, binding = self._graphs[shape]
        held.copy_(batch)
        stream.synchronize()
        self.session.run_with_iobinding(binding, _of_graph(list(self._graphs).index(shape) + 1))
        results = dict(zip(names, binding.get_outputs(), strict=True))
        copies = [from_dlpack(results[name]).clone() for name in outputs]
        stream.synchronize()  # another thread may be next, on a stream that does not wait for this one
        return copies

    def _bound(self, outputs: Sequence[str], batch: Tensor) -> Any:
        binding = self.session.io_binding()
        binding.bind_ortvalue_input(self.input_name, _shared(batch))
        for name in outputs:
            binding.bind_output(name, batch.device.type, batch.device.index or 0)
        return binding


def _of_graph(number: int) -> Any:
    from onnxruntime import RunOptions

    options = RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(number))
    return options


def _shared(tensor: Tensor) -> Any:
    from onnxruntime import OrtValue

    return OrtValue.from_dlpack(tensor)
