"""`DriftMonitor`: notice that the world has changed, by river's drift detectors."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from operator import index
from typing import Any, SupportsIndex

from river import base, drift

from hebbstream._numbers import check_number
from hebbstream.adapters.river._watch import Watch
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._explained import explained_share
from hebbstream.inspection._forward import forward_frame
from hebbstream.inspection._neurons import check_layer
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._learner import Learner

_LOGGER = logging.getLogger("hebbstream.drift")


@dataclass(frozen=True, slots=True)
class Drift:
    """A layer that has come to explain less of its input.

    Parameters
    ----------
    index
        Position in the stream of the sample at which it was noticed.
    layer
        Index in ``net.layers``.
    before
        Mean explained share since the previous change.
    after
        Mean explained share of the latest readings.
    """

    index: int
    layer: int
    before: float
    after: float


class DriftMonitor(Callback):
    """Watches how well layers explain their input, and reports when that falls.

    It computes the *explained share* (`explained_share`) of one sample in every few. A detector learns from the last
    4,096 to 8,192 readings what is usual, and says when it has changed. Only a fall counts: a rise means that the
    network learns, or knows this world well. A change of exposure does not show: the normalisation removes it.

    A reading costs a forward pass of the watched layers and those before them. Give it to the learner as a callback: a
    checkpoint then keeps what it knows, and a resumed run notices the same as one that never stopped.

    Parameters
    ----------
    detector
        Any river detector of changes in a number, which is cloned for each layer; ``None`` takes
        ``river.drift.ADWIN(clock=8)``.
    layers
        Indices in ``net.layers`` of the layers to watch.
    every_samples
        Samples between two readings.
    action
        Called with each `Drift`, for instance ``lambda drift: net.reopen_plasticity()``.

    Attributes
    ----------
    drifts : list of Drift
        What was reported so far.

    Raises
    ------
    ConfigurationError
        If the detector is of another kind, no layer is named, or `every_samples` is below 1; at the start of a run,
        if there is no such layer.

    Examples
    --------
    >>> import torch
    >>> import hebbstream as hs
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> monitor = DriftMonitor(action=lambda drift: net.reopen_plasticity())
    >>> report = hs.learn(net, torch.rand(40, 3, 32, 32), callbacks=[monitor], progress=False)
    >>> monitor.drifts
    []
    """

    def __init__(
        self,
        detector: base.DriftDetector | None = None,
        *,
        layers: Sequence[int] = (0,),
        every_samples: int = 8,
        action: Callable[[Drift], None] | None = None,
    ) -> None:
        if detector is None:
            detector = drift.ADWIN(clock=8)  # type: ignore[no-untyped-call]
        if not isinstance(detector, base.DriftDetector):
            raise ConfigurationError(
                f"detector={detector!r}: expected a river drift detector of a number, like ADWIN()"
            )
        check_number("every_samples", every_samples)
        chosen = list(layers) if isinstance(layers, Iterable) else []
        if any(isinstance(layer, bool) or not isinstance(layer, SupportsIndex) for layer in chosen) or not chosen:
            raise ConfigurationError(f"layers={layers!r}: expected indices of layers, at least one")
        self.action = action
        self.drifts: list[Drift] = []
        # Not `every_samples`, for which the learner would let the samples under way pass through the network.
        self._period = index(every_samples)
        self._watches = {layer: Watch(detector) for layer in sorted(map(index, chosen))}

    def on_start(self, learner: Learner) -> None:
        """Find out now whether the network has the layers to watch."""
        for layer in self._watches:
            check_layer(learner.net, layer)

    def on_step(self, learner: Learner, step: Step) -> None:
        """Take a reading if one is due, and report what has changed."""
        if step.index % self._period:
            return
        net = learner.net
        passes = forward_frame(net, step.sample.x, max(self._watches) + 1)
        for layer, watch in self._watches.items():
            change = watch.update(float(explained_share(net.layers[layer], passes[layer][1])))
            if change is not None:
                self._report(Drift(step.index, layer, *change))

    def state_dict(self) -> dict[str, Any]:
        """Return the drifts and the readings, from which `load_state_dict` makes the detectors again."""
        return {
            "drifts": [astuple(found) for found in self.drifts],
            "watches": {
                str(layer): {"readings": list(watch.readings), "earlier": watch.earlier, "mean": watch.mean}
                for layer, watch in self._watches.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned, exactly if the detector is the same and draws no numbers without a seed.

        Raises
        ------
        ConfigurationError
            If it is of other layers.
        """
        watches = {int(layer): watch for layer, watch in state["watches"].items()}
        if watches.keys() != self._watches.keys():
            raise ConfigurationError(f"state of layers {sorted(watches)}: expected {sorted(self._watches)}")
        self.drifts = [Drift(*found) for found in state["drifts"]]
        for layer, kept in watches.items():
            watch = self._watches[layer]
            watch.replay(kept["readings"])
            watch.earlier, watch.mean = kept["earlier"], kept["mean"]

    def __repr__(self) -> str:
        return f"DriftMonitor(layers={list(self._watches)}, drifts={len(self.drifts)})"

    def _report(self, found: Drift) -> None:
        _LOGGER.warning(
            "sample %d: layer %d explains %.2f of its input, and %.2f before",
            *(found.index, found.layer + 1, found.after, found.before),
        )
        self.drifts.append(found)
        if self.action is not None:
            self.action(found)
