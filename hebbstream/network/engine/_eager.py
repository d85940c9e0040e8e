"""`EagerEngine`: one layer after the other, in memory that is used again at every step."""

from collections.abc import Sequence

from torch import Tensor

from hebbstream._globals import tensor_float32
from hebbstream.network._frames import flattened, to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network.engine._base import Engine
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._workspace import Workspace


class EagerEngine(Engine):
    """Runs a step operation by operation, on any device.

    Examples
    --------
    >>> from hebbstream import SoftHebbNet
    >>> net = SoftHebbNet.from_preset("cifar10", width=4, engine=EagerEngine())
    >>> net.learn_one(torch.rand(32, 32, 3)).shape
    torch.Size([1024])
    """

    def __init__(self, precision: PrecisionName = "float32") -> None:
        super().__init__(precision)
        self._workspaces: list[Workspace] = []

    def learn(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> Tensor:
        """Let the layers learn one after the other; see `Engine.learn`."""
        self._workspaces.extend(Workspace() for _ in layers[len(self._workspaces) :])
        x = to_input(frames, layers[0].device)
        with tensor_float32(enabled=self.precision == "tf32"):
            for layer, workspace in zip(layers, self._workspaces, strict=False):
                x = layer.learn(x.to(layer.device), workspace, self.multiply)
        return flattened(x)
