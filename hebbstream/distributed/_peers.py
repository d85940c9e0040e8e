"""`Peers`: the processes that learn one network together, and what they say to each other."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from hebbstream._numbers import quantity
from hebbstream._quote import first_line, quote
from hebbstream.errors import ConfigurationError, PeerError

_STARTED_BY = "torchrun --nproc-per-node 4 -m hebbstream.cli learn --distributed SOURCE ..."
LONGEST_SECONDS = 1e8  # more of them, as nanoseconds from now on, overflow within torch
_SET_BY_TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


class Peers:
    """One process among several; made by `join`.

    All of them must make the same calls in the same order. Sums come to the same bits everywhere.

    Attributes
    ----------
    rank, world
        Which one this is, from 0, and how many there are.
    bytes_sent
        Payload handed to collectives so far, and to other ranks directly. What a sum costs on the wire depends on the
        algorithm: a ring sends ``2·(world − 1)/world`` times that.

    Examples
    --------
    A process alone, as torchrun would start it:

    >>> from unittest.mock import patch
    >>> alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    >>> with patch.dict("os.environ", alone), join() as peers:
    ...     peers.rank, peers.world
    (0, 1)
    """

    def __init__(self) -> None:
        self.rank, self.world = dist.get_rank(), dist.get_world_size()
        self.bytes_sent = 0

    def start_sum(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Begin to add a tensor to those of all ranks, in place; what is returned waits for the sum."""
        return self._start(tensor, dist.ReduceOp.SUM)

    def start_maximum(self, tensor: Tensor) -> Callable[[], Tensor]:
        """Begin to take the greatest of all ranks, element by element, in place."""
        return self._start(tensor, dist.ReduceOp.MAX)

    def sum(self, tensor: Tensor) -> Tensor:
        """Add a tensor to those of all ranks, in place."""
        return self.start_sum(tensor)()

    def gather(self, tensor: Tensor) -> list[Tensor]:
        """Return a tensor, of the same shape on all ranks, of each of them."""
        gathered = [torch.empty_like(tensor) for _ in range(self.world)]
        self.bytes_sent += tensor.nbytes
        with self._reaching():
            dist.all_gather(gathered, tensor)
        return gathered

    def gather_terms(self, value: Any) -> list[Any]:
        """Return a value of JSON's terms of each rank."""
        text = json.dumps(value).encode()
        length = torch.tensor([len(text)], dtype=torch.int64, device="cpu")
        lengths = [int(other) for other in self.gather(length)]
        padded = torch.zeros(max(lengths), dtype=torch.uint8, device="cpu")
        padded[: len(text)] = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        texts = zip(self.gather(padded), lengths, strict=True)
        return [json.loads(bytes(other[:size].tolist())) for other, size in texts]

    def share(self, tensor: Tensor, of: int) -> Tensor:
        """Give a tensor on all ranks the values that it has on one, in place."""
        with self._reaching():
            dist.broadcast(tensor, of)
        return tensor

    def share_bytes(self, content: bytes | None) -> bytes:
        """Return on all ranks what the first one has."""
        size = self.share(torch.tensor([len(content or b"")], dtype=torch.int64, device="cpu"), 0)
        shared = torch.empty(int(size), dtype=torch.uint8, device="cpu")
        if content is not None:
            shared = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return self.share(shared, 0).numpy().tobytes()

    def start_send(self, tensor: Tensor, to: int) -> Callable[[], Tensor]:
        """Begin to send a tensor to another rank; it must not change until what is returned was called."""
        self.bytes_sent += tensor.nbytes
        with self._reaching():
            work = dist.isend(tensor, to)
        return self._waiting(work, tensor)

    def receive(self, into: Tensor, of: int) -> Tensor:
        """Wait for a tensor that another rank sends."""
        with self._reaching():
            dist.recv(into, of)
        return into

    def _start(self, tensor: Tensor, operation: Any) -> Callable[[], Tensor]:
        self.bytes_sent += tensor.nbytes
        with self._reaching():
            work = dist.all_reduce(tensor, operation, async_op=True)
        return self._waiting(work, tensor)

    def _waiting(self, work: Any, tensor: Tensor) -> Callable[[], Tensor]:
        def wait() -> Tensor:
            with self._reaching():
                work.wait()
            return tensor

        return wait

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:  # the latter once the block of `join` is over
            raise PeerError(f"rank {self.rank} of {self.world} has lost the others ({_reason(error)})") from None

    def __repr__(self) -> str:
        return f"Peers(rank={self.rank}, world={self.world})"


@contextmanager
def join(*, timeout: float = 120.0, device: Literal["cpu", "cuda"] = "cpu") -> Iterator[Peers]:
    """Join the other processes that `torchrun` has started, for as long as the block runs.

    Parameters
    ----------
    timeout
        Seconds to wait for another rank, at the start and in every step, before it counts as lost. It must be longer than
        a checkpoint takes, a source to open, or as many samples as each learns alone.
    device
        Where networks will be: ``"cpu"`` talks through gloo, ``"cuda"`` through NCCL as well.

    Raises
    ------
    ConfigurationError
        If this process was not started by torchrun, or by what sets the same variables, or one of them cannot work.
    PeerError
        If the others cannot be reached.

    Examples
    --------
    >>> with join() as peers:
    ...     print(peers)
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: RANK is not set: start all processes with torchrun, such as: torchrun ...
    """
    missing = [name for name in _SET_BY_TORCHRUN if name not in os.environ]
    if missing:
        raise ConfigurationError(f"{missing[0]} is not set: start all processes with torchrun, such as: {_STARTED_BY}")
    if not 0 < quantity(timeout) <= LONGEST_SECONDS:
        raise ConfigurationError(
            f"timeout={quote(timeout)}: expected a positive number of seconds, {LONGEST_SECONDS:,.0f} at most"
        )
    _check_variables()
    backend = "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo"
    try:
        store, rank, world = next(rendezvous("env://", timeout=timedelta(seconds=timeout)))
        if os.environ.get("GROUP_WORLD_SIZE", "1") == "1":
            # A torchrun that starts its processes again may keep the store: addresses of those before are still in it.
            # With several torchruns their counts differ, and TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 gives a new one.
            attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
            store = dist.PrefixStore(f"attempt-{attempt}", store)  # type: ignore[attr-defined]  # exported all the same
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timedelta(seconds=timeout))
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        who = f"rank {os.environ['RANK']} of {os.environ['WORLD_SIZE']}"
        raise PeerError(f"{who} cannot join the others at {where} ({_reason(error)})") from None
    try:
        yield Peers()
    finally:
        with suppress(RuntimeError):
            dist.destroy_process_group()


def _check_variables() -> None:
    """Refuse numbers with which torch would fail in words of its own, or wait for nobody until its timeout."""
    found = {name: os.environ[name] for name in ("RANK", "WORLD_SIZE", "MASTER_PORT")}
    for name, text in found.items():
        if not (text.isascii() and text.isdecimal()):
            raise ConfigurationError(f"{name}={quote(text)}: expected a whole number, from 0 on")
    if not int(found["RANK"]) < int(found["WORLD_SIZE"]):
        raise ConfigurationError(
            f"RANK={found['RANK']} with WORLD_SIZE={found['WORLD_SIZE']}: expected ranks from 0, fewer than the world's size"
        )


def _reason(error: BaseException) -> str:
    """Return what gloo says, without the place in its own source."""
    line = first_line(error)
    line = line.rpartition("cc:")[2].partition("] ")[2] or line
    return line.partition(". This is typically")[0][:200]
