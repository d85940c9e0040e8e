"""Many machines: several processes that learn one network, started by torchrun."""

from hebbstream.distributed._engine import DataParallelEngine
from hebbstream.distributed._peers import Peers, join

__all__ = ["DataParallelEngine", "Peers", "join"]
