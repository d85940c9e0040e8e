"""Many machines: several processes that learn one network, started by torchrun."""

from hebbstream.distributed._engine import DataParallelEngine
from hebbstream.distributed._learn import learn_together
from hebbstream.distributed._local import LocalEngine
from hebbstream.distributed._peers import Peers, join
from hebbstream.distributed._stages import learn_in_stages

__all__ = ["DataParallelEngine", "LocalEngine", "Peers", "join", "learn_in_stages", "learn_together"]
