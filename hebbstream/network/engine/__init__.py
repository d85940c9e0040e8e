"""Engines: how one learning step is executed on a device. What it computes is the layers' business."""

from hebbstream.network.engine._base import Engine
from hebbstream.network.engine._cuda_graph import CudaGraphEngine
from hebbstream.network.engine._eager import EagerEngine
from hebbstream.network.engine._pipelined import PipelinedEngine

__all__ = ["CudaGraphEngine", "EagerEngine", "Engine", "PipelinedEngine"]
