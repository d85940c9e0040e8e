"""hebbstream: streaming, online, backprop-free feature learning for continuous data."""

from hebbstream import threads  # isort: skip  # first: it must come before torch
from hebbstream._version import __version__
from hebbstream.callback import Callback, Step
from hebbstream.checkpoint import Checkpoint, Counters, load, load_checkpoint, save_checkpoint
from hebbstream.engine import CudaGraphEngine, EagerEngine, Engine, PipelinedEngine
from hebbstream.errors import HebbstreamError
from hebbstream.layer import SoftHebbLayer
from hebbstream.learner import learn
from hebbstream.network import SoftHebbNet
from hebbstream.normalize import StreamNorm
from hebbstream.presets import PRESETS, Preset
from hebbstream.probe import OnlineProbe, RidgeProbe, SldaProbe, SoftmaxProbe
from hebbstream.replay import Replay
from hebbstream.report import Report
from hebbstream.rotation import load_latest_checkpoint
from hebbstream.sample import Sample
from hebbstream.spec import LayerSpec

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
    "threads",
]
