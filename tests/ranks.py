"""Processes that learn together, as torchrun would have started them."""

import os
import socket
import traceback
from dataclasses import dataclass
from queue import Empty
from typing import Any

from forked import processes

from hebbstream.distributed import join


@dataclass
class Failed:
    """What a rank ended with, instead of a result."""

    kind: str
    message: str
    trace: str


def start(world, function, *arguments, timeout=30.0):
    """Start so many ranks; each calls `function(peers, *arguments)`. Return processes and the queue of (rank, result)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = processes.Queue()
    given = [(rank, world, port, timeout, results, function, arguments) for rank in range(world)]
    started = [processes.Process(target=_run, args=one) for one in given]
    for process in started:
        process.start()
    return started, results


def together(world, function, *arguments, timeout=30.0) -> list[Any]:
    """Let so many ranks call `function(peers, *arguments)`; return what each of them returned."""
    started, results = start(world, function, *arguments, timeout=timeout)
    found: dict[int, Any] = {}
    while len(found) < world:
        try:
            found |= [results.get(timeout=1)]
        except Empty:
            for rank, process in enumerate(started):
                assert rank in found or process.is_alive(), f"rank {rank} died: exit code {process.exitcode}"
    for process in started:
        process.join(timeout=30)
    for result in found.values():
        assert not isinstance(result, Failed), result.trace
    return [found[rank] for rank in range(world)]


def _run(rank, world, port, timeout, results, function, arguments):
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        with join(timeout=timeout) as peers:
            results.put((rank, function(peers, *arguments)))
            peers.gather_terms("done")  # nobody leaves while another still asks
    except BaseException as error:
        results.put((rank, Failed(type(error).__name__, str(error), traceback.format_exc())))
