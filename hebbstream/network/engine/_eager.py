"""`EagerEngine`: one layer after the other, in memory that is used again at every step."""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor

from hebbstream.network._frames import to_input
from hebbstream.network._fused import FusedForward
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network.engine._base import Engine
from hebbstream.rule._fast import aside
from hebbstream.rule._precision import PrecisionName, tensor_float32
from hebbstream.rule._workspace import Workspace


class EagerEngine(Engine):
    """Runs a step operation by operation, on any device. With threads to spare, a layer updates while the next computes.

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
            waiting: list[Callable[[], None]] = []
            try:
                for layer, workspace in zip(layers, self._workspaces, strict=False):
                    forward = layer.learn_forward(x.to(layer.device, non_blocking=True), workspace, self.multiply)
                    update = partial(layer.update, forward, workspace, self.multiply)
                    if isinstance(forward, FusedForward) and layer is not layers[-1]:
                        waiting.append(aside(update))  # the next layer needs the output only
                    else:
                        update()
                    x = forward.output
            finally:
                for wait in waiting:
                    wait()
        return x.flatten(1)
