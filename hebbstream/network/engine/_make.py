"""`make_engine`: an engine by its name."""

from typing import Literal

from hebbstream._choices import check_choice
from hebbstream.network.engine._base import Engine
from hebbstream.network.engine._cuda_graph import CudaGraphEngine
from hebbstream.network.engine._eager import EagerEngine
from hebbstream.network.engine._pipelined import PipelinedEngine
from hebbstream.rule import _fast as fast
from hebbstream.rule._precision import PrecisionName

EngineName = Literal["eager", "cuda-graph", "pipelined"]
_ENGINES: dict[str, type[Engine]] = {
    "eager": EagerEngine,
    "cuda-graph": CudaGraphEngine,
    "pipelined": PipelinedEngine,
}


def make_engine(engine: Engine | EngineName, precision: PrecisionName = "float32") -> Engine:
    """Return an engine by name, with its default settings; an `Engine` is returned as it is.

    Raises
    ------
    ConfigurationError
        If there is no such engine.

    Examples
    --------
    >>> make_engine("eager")
    EagerEngine(precision='float32')
    >>> make_engine("lazy")
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: engine='lazy': expected one of 'eager', 'cuda-graph', 'pipelined'
    """
    fast.prepare()  # a network is about to need them
    if isinstance(engine, Engine):
        return engine
    check_choice("engine", engine, _ENGINES)
    return _ENGINES[engine](precision)
