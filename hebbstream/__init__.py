"""hebbstream: streaming, online, backprop-free feature learning for continuous data."""

from hebbstream import _starting as _starting  # isort: skip  # first: the others take seconds
from hebbstream import _threads as _threads  # isort: skip  # next: it must come before torch
from hebbstream._version import __version__
from hebbstream.errors import HebbstreamError
from hebbstream.learning import (
    Callback,
    Checkpoint,
    Learner,
    Report,
    Snapshot,
    Step,
    learn,
    load_checkpoint,
    save_checkpoint,
)
from hebbstream.network import PRESETS, LayerSpec, SoftHebbLayer, SoftHebbNet, load
from hebbstream.network.engine import CudaGraphEngine, EagerEngine, Engine, PipelinedEngine
from hebbstream.probe import OnlineProbe, Replay, RidgeProbe, SldaProbe, SoftmaxProbe
from hebbstream.streams._sample import Sample

__all__ = [
    "PRESETS",
    "Callback",
    "Checkpoint",
    "CudaGraphEngine",
    "EagerEngine",
    "Engine",
    "HebbstreamError",
    "LayerSpec",
    "Learner",
    "OnlineProbe",
    "PipelinedEngine",
    "Replay",
    "Report",
    "RidgeProbe",
    "Sample",
    "SldaProbe",
    "Snapshot",
    "SoftHebbLayer",
    "SoftHebbNet",
    "SoftmaxProbe",
    "Step",
    "__version__",
    "learn",
    "load",
    "load_checkpoint",
    "save_checkpoint",
]
