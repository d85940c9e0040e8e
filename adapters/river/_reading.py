"""What a `SoftHebbTransformer` makes of the samples that it is shown: images, flat rows, moments of a signal."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from hebbstream.adapters.river._frames import bare_image, finite_number
from hebbstream.adapters.river._rows import row_layer, widened
from hebbstream.adapters.river._scale import RunningScale
from hebbstream.adapters.river._windows import RowWindows, signal_layers
from hebbstream.errors import ConfigurationError, ImageSizeError, InputError
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._spec import LayerSpec


class ReadsSamples:
    """The part of a `SoftHebbTransformer` that turns samples into frames of its network, and makes that."""

    preset: str | None
    layers: Sequence[LayerSpec] | None
    width: int | None
    neurons: int
    mirror: bool
    seed: int
    device: str
    frozen: bool
    net: SoftHebbNet | None
    _windows: RowWindows | None
    _given: SoftHebbNet | None
    _column: dict[Hashable, int]
    _scale: RunningScale
    _passes: Any
    _learned: Any

    @property
    def _of_rows(self) -> bool:
        layers = self.layers
        own = layers is None or (len(layers) == 1 and layers[0].kernel_size is None)
        return self.preset is None and self._given is None and own

    @property
    def _row_layer(self) -> LayerSpec:
        return row_layer(self.neurons) if self.layers is None else self.layers[0]

    @property
    def _takes_columns(self) -> bool:
        """Whether a flat row brings new columns: where nothing is learned, only the first does, for random weights."""
        return not self.frozen or self.net is None

    @property
    def _blank(self) -> int:
        """Number of features while there is no network yet."""
        if self._windows is None:
            return self._row_layer.channels
        return self._windows.features(signal_layers(self.preset, self.layers, self.width))

    def _taken(self, x: Any) -> tuple[Any, bool]:
        """Take a sample in; return what the network reads of it, and whether it is to be learned."""
        if self._windows is None:
            return self._frame(x, new_columns=self._takes_columns), True
        frame, due = self._windows.take(x)
        if self.net is None:
            layers = signal_layers(self.preset, self.layers, self.width)
            options: dict[str, Any] = {"mirror": self.mirror, "seed": self.seed, "device": self.device}
            self.net = SoftHebbNet(layers, len(frame), input_range=None, **options)
        return frame, due

    def _check_all(self, samples: list[Any]) -> None:
        """Refuse a mini-batch before the first of its samples is learned."""
        if self._windows is not None:
            self._windows.take_many(samples)
            return
        for x in map(bare_image, samples):
            if isinstance(x, Mapping) and self._of_rows:
                self._numbers(x, new_columns=self._takes_columns)
                continue
            frame = self._frame(x)
            assert self.net is not None  # noqa: S101  # an image has one
            self.net.checked(frame, single=True)

    def _frame(self, x: Any, *, new_columns: bool = False, learned: bool = False) -> Any:
        """Return what the network reads: an image, a row as (N, 1, 1), or a window; `learned` if of the row just taken."""
        if self._windows is not None:
            return self._windows.seen(x, taken=learned)
        x = bare_image(x)
        if isinstance(x, Mapping):
            if not self._of_rows:
                raise InputError(
                    f"dict of {', '.join(map(repr, list(x)[:5]))}: expected an image, bare or its one value"
                )
            return self._row(x, new_columns=new_columns)
        if getattr(x, "ndim", 0) < 2:
            raise InputError(f"sample of type {type(x).__name__}: expected a dict of numbers or an image")
        if self.net is None:
            if self.layers is None:
                raise ConfigurationError(
                    "an image for a network of flat rows: expected a preset, or layers of your own"
                )
            channels = 1 if x.ndim == 2 else min(x.shape[0], x.shape[-1])
            net = SoftHebbNet(self.layers, channels, mirror=self.mirror, seed=self.seed, device=self.device)
            net.checked(x, single=True)  # what is refused must not decide on the channels
            self.net = net
        self._check_size(x)
        return x

    def _check_size(self, x: Any) -> None:
        """Refuse an image that has not as many features as those that are standardised, before it is learned."""
        net, expected = self.net, self._scale.features
        assert net is not None  # noqa: S101  # an image has one
        if expected is None or net.frame_size in (tuple(x.shape[:2]), tuple(x.shape[-2:])):
            return
        height, width = net.checked(x, single=True).shape[2:]
        if (found := math.prod(net.output_shape(height, width))) != expected:
            raise ImageSizeError(
                f"image of {height}×{width} pixels, which has {found} features: expected one that has {expected}, as the first"
            )

    def _row(self, x: Mapping[Hashable, Any], *, new_columns: bool) -> Any:
        values = self._numbers(x, new_columns=new_columns)
        if new := [name for name in values if name not in self._column]:
            self._grow(sorted(new, key=repr))
        row = np.zeros((len(self._column), 1, 1), np.float32)
        for name, value in values.items():
            row[self._column[name]] = value
        return row

    def _numbers(self, x: Mapping[Hashable, Any], *, new_columns: bool) -> dict[Hashable, float]:
        return {name: finite_number(name, value) for name, value in x.items() if new_columns or name in self._column}

    def _grow(self, names: list[Hashable]) -> None:
        self.net = widened(self.net, names, len(self._column), self._row_layer, self.seed, self.device)
        self._column |= {name: len(self._column) + offset for offset, name in enumerate(names)}
        self._passes = self._learned = None
