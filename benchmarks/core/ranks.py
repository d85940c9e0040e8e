"""Processes that learn together, as torchrun would have started them; if asked for, each in a network namespace of its own."""

import ctypes
import multiprocessing
import os
import socket
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any

import torch

from hebbstream.distributed import join

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["benchmarks.core.ranks", "hebbstream.rule._kernels"])
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def together(
    world: int,
    function: Callable[..., Any],
    *arguments: Any,
    timeout: float = 60.0,
    hosts: Sequence[tuple[str, str, str]] = (),
) -> list[Any]:
    """Let each rank call ``function(peers, *arguments)``; return what each returned, or its error as text.

    `hosts` names the network namespace, the address and the interface of each rank.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = _PROCESSES.Queue()
    processes = []
    for rank in range(world):
        host = hosts[rank] if hosts else None
        address = hosts[0][1] if hosts else "127.0.0.1"
        variables = {"RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": address, "MASTER_PORT": port}
        given = (variables, host, timeout, results, function, arguments)
        processes.append(_PROCESSES.Process(target=_run, args=given))
        processes[-1].start()
    found: dict[int, Any] = {}
    while len(found) < world:
        try:
            found |= [results.get(timeout=1)]
        except Empty:
            for rank, process in enumerate(processes):
                if not process.is_alive() and rank not in found and results.empty():
                    found[rank] = f"died: exit code {process.exitcode}"
    for process in processes:
        process.join(timeout=20)
        process.kill()
    return [found[rank] for rank in range(world)]


def _run(
    variables: dict[str, Any],
    host: tuple[str, str, str] | None,
    timeout: float,
    results: Any,
    function: Callable[..., Any],
    arguments: Sequence[Any],
) -> None:
    os.environ |= {name: str(value) for name, value in variables.items()}
    if host is not None:
        with open(f"/var/run/netns/{host[0]}") as namespace:  # noqa: PTH123
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "setns")
        os.environ["GLOO_SOCKET_IFNAME"] = host[2]
    torch.set_num_threads(1)
    try:
        with join(timeout=timeout) as peers:
            results.put((variables["RANK"], function(peers, *arguments)))
            peers.gather_terms("done")
    except Exception as error:
        results.put((variables["RANK"], f"{type(error).__name__}: {error}"))
