"""`DataParallelEngine`: one step of learning from the samples of all ranks, as if they were one mini-batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hebbstream._globals import tensor_float32
from hebbstream.distributed._peers import Peers
from hebbstream.distributed._sums import ChangeSum, as_sums, blank_moments, from_sums
from hebbstream.network._frames import flattened, to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network.engine._base import Engine
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._workspace import Workspace


class DataParallelEngine(Engine):
    """Adds up what the samples of all ranks say before anything is scaled, so that N ranks of one learn as `learn_many` of N.

    Each rank computes from its own samples and the same weights. What travels, for each layer: the moments of its
    input, on which the forward pass waits, and the summed local updates of the neurons that were active on any rank, on
    which nothing waits before the end of the step. All ranks then hold the same bits. Neurons that imprint take over patches
    of one rank's samples: the first one's, or the one's that `lead` names.

    Parameters
    ----------
    peers
        The processes that learn together; each calls the network's `learn_one` or `learn_many` as often as the others.
    precision
        As for `Engine`.

    Examples
    --------
    A process alone, as torchrun would start it:

    >>> from unittest.mock import patch
    >>> from hebbstream import SoftHebbNet
    >>> from hebbstream.distributed import join
    >>> alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    >>> with patch.dict("os.environ", alone), join() as peers:
    ...     net = SoftHebbNet.from_preset("cifar10", width=4, engine=DataParallelEngine(peers))
    ...     features = net.learn_one(torch.rand(32, 32, 3))
    >>> net.samples_seen
    1
    """

    def __init__(self, peers: Peers, precision: PrecisionName = "float32") -> None:
        super().__init__(precision)
        self.peers = peers
        self._workspaces: list[Workspace] = []
        self._announced: int | None = None
        self._own = self._total = 0
        self._leader = 0

    def lead(self, layers: Sequence[SoftHebbLayer], rank: int) -> None:
        """Let neurons imprint what another rank sees, which goes on from what they have seen; all ranks must call it."""
        if rank != self._leader:
            self.agree(layers)
            self._leader = rank

    def agree(self, layers: Sequence[SoftHebbLayer]) -> None:
        """Give all ranks the memory of neurons that imprint, which only one has kept up; all ranks must call it."""
        for layer in layers:
            for tensor in layer.imprinting.buffers() if layer.imprinting is not None else ():
                self.peers.share(tensor, self._leader)

    def announce(self, samples: int) -> None:
        """Say how many samples all ranks bring to the next step, where they have told each other already."""
        self._announced = samples

    def samples_of(self, frames: Tensor) -> int:
        """Return the number of samples that all ranks bring to the step; see `Engine.samples_of`."""
        self._own = frames.shape[0]
        if self._announced is None:
            self._announced = int(self.peers.sum(torch.tensor([self._own], dtype=torch.int64, device="cpu")))
        self._total, self._announced = self._announced, None
        return self._total

    def learn(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> Tensor:
        """Learn from these frames and those of the other ranks; return the features of these. See `Engine.learn`."""
        views = frames.shape[0] // self._own
        x = self._step(layers, to_input(frames, layers[0].device), self._total * views)
        return flattened(x)

    def attend(self, layers: Sequence[SoftHebbLayer], samples: int) -> None:
        """Take part in a step of so many samples, views included, without one of this rank's own."""
        self._announced = None
        self._step(layers, torch.empty(0, device=layers[0].device), samples)

    def _step(self, layers: Sequence[SoftHebbLayer], x: Tensor, samples: int) -> Tensor:
        self._workspaces.extend(Workspace() for _ in layers[len(self._workspaces) :])
        sums: list[ChangeSum] = []
        with tensor_float32(enabled=self.precision == "tf32"):
            for layer, workspace in zip(layers, self._workspaces, strict=False):
                change = None
                moments = layer.moments(x) if len(x) else blank_moments(layer)
                if moments is not None:
                    moments = from_sums(self.peers.sum(as_sums(moments, _pixels(x))), moments, samples)
                if len(x):
                    forward = layer.learn_forward(x.to(layer.device), workspace, self.multiply, moments)
                    if self.peers.rank == self._leader or not layer.spec.imprints:  # one patch, not the sum of several
                        change = layer.change(forward, workspace, self.multiply)
                    x = forward.output
                elif moments is not None and layer.norm is not None:
                    layer.norm.follow(moments)
                if sums:
                    sums[-1].send()
                sums.append(ChangeSum(self.peers, layer, change, workspace))
            sums[-1].send()
            for layer, summed in zip(layers, sums, strict=True):
                layer.apply_change(summed.wait(), samples)
        return x

    def __reduce__(self) -> tuple[type[Engine], tuple[PrecisionName]]:
        # A copy is of one process: the others would not know of it.
        from hebbstream.network.engine._eager import EagerEngine

        return EagerEngine, (self.precision,)


def _pixels(x: Tensor) -> int:
    """Return the number of positions whose moments are taken."""
    return x.numel() // x.shape[1] if len(x) else 0
