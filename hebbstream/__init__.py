"""hebbstream: streaming, online, backprop-free feature learning for continuous data."""

from hebbstream import _threads as _threads  # isort: skip  # first: it must come before torch
from hebbstream._version import __version__
from hebbstream.errors import HebbstreamError
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._checkpoint import Checkpoint, Counters, load, load_checkpoint, save_checkpoint
from hebbstream.learning._generations import load_latest_checkpoint
from hebbstream.learning._learner import learn
from hebbstream.learning._report import Report
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._presets import PRESETS, Preset
from hebbstream.network._spec import LayerSpec
from hebbstream.network.engine import CudaGraphEngine, EagerEngine, Engine, PipelinedEngine
from hebbstream.probe import OnlineProbe, Replay, RidgeProbe, SldaProbe, SoftmaxProbe
from hebbstream.rule._normalize import StreamNorm
from hebbstream.streams._sample import Sample

__all__ = [
    "PRESETS",
    "Callback",
    "Checkpoint",
    "Counters",
    "CudaGraphEngine",
    "EagerEngine",
    "Engine",
    "HebbstreamError",
    "LayerSpec",
    "OnlineProbe",
    "PipelinedEngine",
    "Preset",
    "Replay",
    "Report",
    "RidgeProbe",
    "Sample",
    "SldaProbe",
    "SoftHebbLayer",
    "SoftHebbNet",
    "SoftmaxProbe",
    "Step",
    "StreamNorm",
    "__version__",
    "learn",
    "load",
    "load_checkpoint",
    "load_latest_checkpoint",
    "save_checkpoint",
]
