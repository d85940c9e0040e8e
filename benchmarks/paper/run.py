"""`Run`: everything that decides one result, as data that a result file can hold."""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import hebbstream as hs
from hebbstream.errors import ConfigurationError
from hebbstream.network._presets import get_preset

Rule = Literal["soft", "hard", "random", "backprop", "finetune", "authors"]
Protocol = Literal["paper", "stream"]
Mode = Literal["consecutive", "successive", "simultaneous"]
Order = Literal["shuffled", "sorted", "sorted+shuffle", "video"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One network, learned without labels and then probed.

    Parameters
    ----------
    data
        Name of the data set, which is also the preset's unless `preset` says otherwise.
    preset
        Of the architecture; ``None`` takes `data`.
    rule
        ``"soft"`` (SoftHebb), ``"hard"`` (winner-take-all, on the same architecture), ``"random"`` (initial weights;
        the normalisation has seen the data), ``"backprop"`` (the same architecture, with ReLU as in appendix
        A.6.3, end to end with labels), ``"finetune"`` (SoftHebb, then backprop) or ``"authors"`` (the layers of their
        public demo).
    protocol
        ``"paper"``: mini-batches with their own statistics. ``"stream"``: one sample at a time, running statistics.
    mode
        ``"consecutive"`` (all layers at once, then the classifier), ``"successive"`` (layer after layer) or
        ``"simultaneous"`` (all layers and the classifier in one pass).
    order
        Of the unlabelled samples. ``"sorted"`` goes through one class after another; ``"sorted+shuffle"`` does so
        behind the library's shuffle buffer; ``"video"`` learns from clips instead of the data set.
    width, width_factor, depth
        Neurons of the first layer (``None`` keeps the preset's), the factor from layer to layer, and how many layers
        are kept (``None`` keeps all).
    samples
        Unlabelled samples to learn from; ``None`` takes the whole set once.
    labels
        Labelled samples that the probe gets; ``None`` takes all.
    tested
        Test samples; ``None`` takes all.
    epochs
        Of the probe, or of backprop; ``None`` takes the protocol's.
    probes
        Layers whose output is probed, counted from 1. ``()`` takes the last.
    mirror
        Whether each image is seen together with its mirror image, in learning and in features.
    standardize
        Whether the probe sees standardised features, by the mean and deviation of each over the labelled images.
    changes
        ``(layer or 0 for all, field of LayerSpec, value)``, applied last.
    seed
        Of the weights, the order of samples and the probe.
    """

    data: str = "cifar10"
    preset: str | None = None
    rule: Rule = "soft"
    protocol: Protocol = "paper"
    mode: Mode = "consecutive"
    order: Order = "shuffled"
    width: int | None = None
    width_factor: int = 4
    depth: int | None = None
    samples: int | None = None
    labels: int | None = None
    tested: int | None = None
    epochs: int | None = None
    probes: tuple[int, ...] = ()
    mirror: bool = False
    standardize: bool = False
    changes: tuple[tuple[int, str, Any], ...] = ()
    seed: int = 0

    def described(self) -> dict[str, Any]:
        """Return what differs from the defaults, as JSON holds it; equal for equal runs."""
        described: dict[str, Any] = {"data": self.data}
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                described[field.name] = (
                    [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
                )
        return described

    @property
    def batch(self) -> int:
        """Samples in a learning step."""
        return get_preset(self.preset or self.data).batch_size if self.protocol == "paper" else 1

    def specs(self) -> list[hs.LayerSpec]:
        """Return the layers."""
        preset = get_preset(self.preset or self.data)
        normalization = "batch" if self.protocol == "paper" else "stream"
        specs = preset.resolve(
            width=self.width, width_factor=self.width_factor, batch_size=self.batch, normalization=normalization
        )[: self.depth]
        if self.rule == "hard":
            specs = [replace(spec, plasticity="hard_wta") for spec in specs]
        elif self.rule == "random":
            specs = [replace(spec, learning_rate=0.0) for spec in specs]
        elif self.rule == "backprop":
            specs = [replace(spec, activation="relu") for spec in specs]
        for layer, name, value in self.changes:
            if not 0 <= layer <= len(specs):
                raise ConfigurationError(f"layer {layer}: expected 1 to {len(specs)}, or 0 for all")
            for index in range(len(specs)) if layer == 0 else (layer - 1,):
                specs[index] = replace(specs[index], **{name: value})
        return specs

    def layers(self) -> list[str]:
        """Return the layers as a result file holds them: what differs from the defaults of `LayerSpec`."""
        return [
            " ".join(
                f"{field.name}={getattr(spec, field.name)}"
                for field in fields(spec)
                if getattr(spec, field.name) != field.default
            )
            for spec in self.specs()
        ]

    def network(self) -> hs.SoftHebbNet:
        """Build the network, untrained."""
        preset = get_preset(self.preset or self.data)
        return hs.SoftHebbNet(
            self.specs(), preset.in_channels, input_size=preset.input_size, mirror=self.mirror, seed=self.seed
        )
