"""`learn_in_stages`: the layers of one network spread over ranks, which hand on what they have computed."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice, pairwise
from typing import Any

import torch
from torch import Tensor

from hebbstream._globals import outside_modes
from hebbstream._numbers import check_number
from hebbstream.distributed._peers import Peers
from hebbstream.errors import ConfigurationError, HebbstreamError
from hebbstream.network import SoftHebbNet
from hebbstream.network._frames import flattened, merge_views, to_input, views
from hebbstream.network.engine._pipelined import balanced, multiplications
from hebbstream.rule._workspace import Workspace
from hebbstream.streams._sample import Sample

_UNDER_WAY = 4  # messages to the next rank, two for each sample
_END = (0, 0, 0, 0)


def learn_in_stages(
    net: SoftHebbNet,
    stream: Iterable[Any],
    peers: Peers,
    *,
    limit: int | None = None,
    take: Callable[[Tensor], object] | None = None,
) -> int:
    """Learn from a stream, each rank with a run of the layers: while one takes a sample, the one before takes the next.

    No layer waits for another's update, so what is learned is bit for bit what one process learns with as many threads.
    In the end every rank has all of it.

    Parameters
    ----------
    net
        The same on all ranks. Its layers are split into as many runs, of about equal work.
    stream
        Frames, pairs (frame, label) or samples. Only rank 0 reads it; what the others pass is left alone. A pause longer
        than the timeout of `join` counts as the loss of a rank.
    peers
        From `join`; no more of them than there are layers.
    limit
        Most samples.
    take
        Is called on the last rank with the features of each sample, in order.

    Returns
    -------
    int
        Samples learned.

    Raises
    ------
    ConfigurationError
        If there are more ranks than layers, or the limit is no positive integer.
    InputError, StreamError
        On rank 0. What was learned before stays, on all ranks.
    PeerError
        If another rank is lost.

    Examples
    --------
    A process alone, as torchrun would start it:

    >>> import torch
    >>> from hebbstream.distributed import join
    >>> from unittest.mock import patch
    >>> alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> with patch.dict("os.environ", alone), join() as peers:
    ...     learn_in_stages(net, torch.rand(5, 3, 32, 32), peers)
    5
    """
    check_number("limit", limit, optional=True)
    if peers.world > len(net.layers):
        raise ConfigurationError(
            f"{len(net.layers)} layers on {peers.world} ranks: expected at least one layer for each"
        )
    most = None if limit is None else min(limit, sys.maxsize)  # `islice` takes no more
    frames = _Frames(net, islice(stream, most) if peers.rank == 0 else ())
    first = next(frames, None)
    size = peers.share(torch.tensor([0, 0] if first is None else first.shape[2:], dtype=torch.int64, device="cpu"), 0)
    height, width = map(int, size)
    learned = 0
    if height:
        bounds = balanced(multiplications(net.layers, height, width), peers.world)
        with outside_modes():
            inputs = _first_inputs(net, chain([first], frames)) if first is not None else _received(net, peers)
            learned = _learn(net, bounds, inputs, peers, take)
        for rank, (start, stop) in enumerate(pairwise(bounds)):
            for tensor in chain.from_iterable(layer.buffers() for layer in net.layers[start:stop]):
                peers.share(tensor, rank)
        net.samples_seen += learned
        net.frame_size = (height, width)
    if frames.error is not None:
        raise frames.error
    return learned


class _Frames(Iterator[Tensor]):
    """Checked frames of a stream; they end at the first error, which is kept."""

    def __init__(self, net: SoftHebbNet, items: Iterable[Any]) -> None:
        self._net, self._items = net, iter(items)
        self.error: HebbstreamError | None = None

    def __next__(self) -> Tensor:
        try:
            return self._net.checked(Sample.of(next(self._items)).x, single=True)
        except HebbstreamError as error:
            self.error = error
            raise StopIteration from None


def _first_inputs(net: SoftHebbNet, frames: Iterable[Tensor]) -> Iterator[Tensor]:
    return (views(to_input(frame, net.device), net.mirror) for frame in frames)


def _received(net: SoftHebbNet, peers: Peers) -> Iterator[Tensor]:
    """Yield what the rank before sends, channels last in memory, as the layers had it."""
    while any(shape := peers.receive(torch.zeros(4, dtype=torch.int64, device="cpu"), peers.rank - 1).tolist()):
        into = torch.empty(shape, dtype=torch.float32, device=net.device)
        yield peers.receive(into, peers.rank - 1).permute(0, 3, 1, 2)


def _learn(
    net: SoftHebbNet, bounds: list[int], inputs: Iterable[Tensor], peers: Peers, take: Callable[[Tensor], object] | None
) -> int:
    """Let this rank's layers learn from all inputs, and hand on their outputs."""
    layers = net.layers[bounds[peers.rank] : bounds[peers.rank + 1]]
    workspaces = [Workspace() for _ in layers]
    sent: deque[Callable[[], Tensor]] = deque()
    last, learned = peers.rank == peers.world - 1, 0

    def send(tensor: Tensor) -> None:
        sent.append(peers.start_send(tensor, peers.rank + 1))
        if len(sent) > _UNDER_WAY:
            sent.popleft()()

    for x in inputs:
        for layer, workspace in zip(layers, workspaces, strict=True):
            x = layer.learn(x, workspace, net.engine.multiply)
        learned += 1
        if not last:
            outputs = x.permute(0, 2, 3, 1).contiguous()
            send(torch.tensor(outputs.shape, dtype=torch.int64, device="cpu"))
            send(outputs)
        elif take is not None:
            take(merge_views(flattened(x), net.mirror).squeeze(0))
    if not last:
        send(torch.tensor(_END, dtype=torch.int64, device="cpu"))
    for wait in sent:
        wait()
    return learned
