"""Engines: how one learning step is executed on a device. What it computes is the layers' business."""

from hebbstream.engine.base import Engine
from hebbstream.engine.eager import EagerEngine
from hebbstream.engine.graph import CudaGraphEngine
from hebbstream.engine.make import EngineName, make_engine
from hebbstream.engine.pipeline import PipelinedEngine

__all__ = ["CudaGraphEngine", "EagerEngine", "Engine", "EngineName", "PipelinedEngine", "make_engine"]
