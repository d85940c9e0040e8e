"""`LocalEngine`: many samples alone, then the average of what the ranks have come to."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hebbstream._choices import check_choice
from hebbstream._globals import tensor_float32
from hebbstream.distributed._sums import as_sums, blank_moments, from_sums
from hebbstream.errors import ConfigurationError
from hebbstream.network._frames import flattened, to_input
from hebbstream.network._layer import SoftHebbLayer
from hebbstream.network.engine._base import Engine
from hebbstream.rule._precision import PrecisionName
from hebbstream.rule._workspace import Workspace

_WIRES = {"float32": torch.float32, "float16": torch.float16}


class LocalEngine(Engine):
    """Learns alone, and keeps what has to be told to the others: how far it has come from where all began.

    A round is: `begin`, some samples, `told` to the others, and `take_over` of the sum. Weights become those at the
    beginning plus the mean of the changes, each weighted by its samples (the outer loop of DiLoCo, Douillard et al. 2023,
    without its optimizer); statistics follow the samples of all, as if they had come in one step.

    Parameters
    ----------
    wire
        Of changes of weights, as they are told: ``"float32"`` or ``"float16"``, which rounds each to 11 bits.
    precision
        As for `Engine`.

    Raises
    ------
    ConfigurationError
        If there is no such precision.

    Examples
    --------
    It is the engine of `learn_together` with `every`, and an engine like any other:

    >>> import torch
    >>> from hebbstream import SoftHebbNet
    >>> net = SoftHebbNet.from_preset("cifar10", width=4, engine=LocalEngine())
    >>> tuple(net.learn_one(torch.rand(32, 32, 3)).shape)
    (1024,)
    """

    def __init__(self, wire: str = "float32", precision: PrecisionName = "float32") -> None:
        super().__init__(precision)
        check_choice("wire", wire, _WIRES)
        self.wire = wire
        self._workspaces: list[Workspace] = []
        self._start: list[dict[str, Tensor]] = []
        self._moments: list[Tensor | None] = []
        self.views = 0
        """Samples since `begin`, mirror images included."""

    def begin(self, layers: Sequence[SoftHebbLayer]) -> None:
        """Begin a round from what the layers are.

        Raises
        ------
        ConfigurationError
            If a layer imprints: the mean of two patches is none.
        """
        if any(layer.spec.imprints for layer in layers):
            raise ConfigurationError(
                "plasticity='imprinting': expected another where averages are told: try every=None"
            )
        self._start = [{name: value.clone() for name, value in layer.state_dict().items()} for layer in layers]
        self._moments = [None if (own := blank_moments(layer)) is None else as_sums(own, 0) for layer in layers]
        self.views = 0

    def learn(self, layers: Sequence[SoftHebbLayer], frames: Tensor) -> Tensor:
        """Learn alone; see `Engine.learn`."""
        if not self._start:
            self.begin(layers)
        self._workspaces.extend(Workspace() for _ in layers[len(self._workspaces) :])
        x = to_input(frames, layers[0].device)
        self.views += x.shape[0]
        with tensor_float32(enabled=self.precision == "tf32"):
            for layer, workspace, sums in zip(layers, self._workspaces, self._moments, strict=False):
                moments = layer.moments(x)
                if moments is not None and sums is not None:
                    sums += as_sums(moments, x.numel() // x.shape[1])
                forward = layer.learn_forward(x.to(layer.device), workspace, self.multiply, moments)
                layer.update(forward, workspace, self.multiply)
                x = forward.output
        return flattened(x)

    @torch.no_grad()
    def told(self, layers: Sequence[SoftHebbLayer], views: int) -> list[Tensor]:
        """Return what adds up over all ranks, which have learned so many samples in this round, mirror images included."""
        share = self.views / views
        told = []
        for layer, start, sums in zip(layers, self._start, self._moments, strict=True):
            change = (layer.plastic_weights - start.get("plastic_matrix", start["weight_matrix"])).mul_(share)
            told += [change.to(_WIRES[self.wire]), layer.update_peak * share]
            told += [] if sums is None else [sums]
        return told

    @torch.no_grad()
    def take_over(self, layers: Sequence[SoftHebbLayer], summed: Sequence[Tensor], views: int) -> None:
        """Become what all ranks together have learned, and begin the next round."""
        parts = iter(summed)
        for layer, start in zip(layers, self._start, strict=True):
            layer.load_state_dict(start)
            layer.plastic_weights.add_(next(parts).float())
            layer.update_peak.copy_(next(parts))
            own = blank_moments(layer)
            if own is not None and layer.norm is not None:
                layer.norm.follow(from_sums(next(parts), own, views))
            layer.apply_change(None, views)
        self.begin(layers)
