"""`CountsTensors`: memory as river reports it, the tensors' included."""

import gc
import types
from typing import Any

import numpy as np
from torch import Tensor

_ELSEWHERE = (type, types.ModuleType, types.FunctionType)  # all that is imported hangs on these


class CountsTensors:
    """Makes ``_memory_usage``, of this estimator and of a pipeline with it, count the memory of tensors.

    River adds up ``sys.getsizeof`` of all that a model holds, in which a tensor is 80 bytes whatever it holds.
    """

    def __sizeof__(self) -> int:
        """Return the bytes of this object, and of the tensors that it holds."""
        memory: dict[int, int] = {}
        counted = 0
        seen: set[int] = set()
        pending: list[Any] = gc.get_referents(self)
        while pending:
            held = pending.pop()
            if id(held) in seen or isinstance(held, (*_ELSEWHERE, CountsTensors)):
                continue
            seen.add(id(held))
            if isinstance(held, Tensor):
                storage = held.untyped_storage()
                memory[storage.data_ptr()] = storage.nbytes()
            elif isinstance(held, np.ndarray) and held.base is not None:
                counted += held.nbytes  # a tensor's memory, which river counts as this array's
            pending += gc.get_referents(held)
        return object.__sizeof__(self) + max(0, sum(memory.values()) - counted)
