"""How CPU threads wait for each other.

The threads of a parallel operation meet at its end, and spin until the last one arrives. GNU OpenMP, which PyTorch's
Linux packages bring, lets them spin for milliseconds. On a machine with other work to do, the late thread then waits
for the processor that the early ones are wasting, and a step can take many times as long. A shorter spin costs
little on an idle machine (`benchmarks/speed/threads.py` measures both).

The runtime reads its settings once, when torch is first imported, so the default is in force only where hebbstream is
imported before torch, as its commands do. Whoever sets ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY`` has the say.
"""

import importlib
import os
import sys

SPIN_COUNT = 1000
_SETTINGS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def import_torch() -> bool:
    """Import torch so that its threads spin briefly, and leave the environment as it was.

    Returns
    -------
    bool
        Whether that took effect: False where torch was there before, or the user has settings of their own.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _SETTINGS):
        return False
    os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
    try:
        importlib.import_module("torch")
    finally:
        del os.environ["GOMP_SPINCOUNT"]
    return True


SHORT_SPIN = import_torch()
"""Whether this process waits as hebbstream would have it."""
