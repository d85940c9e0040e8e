"""`SoftHebbTransformer`: a network as a river transformer, for images and for flat rows."""

import hashlib
import math
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from river import base
from torch import Tensor

from hebbstream.errors import ConfigurationError, InputError
from hebbstream.network._forward import ForwardPass
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._spec import LayerSpec

if TYPE_CHECKING:
    import pandas as pd

_DENSE = LayerSpec(
    channels=1, kernel_size=None, activation="triangle", power=1.0, pool="none", update_scale="running_max"
)
_LARGEST = 1e15  # as of frames without a range
_WARM_UP = 100  # samples over which the normalisation still averages from the start


class Features(dict[Hashable, float]):
    """Features by number, as river's models read them, and the same as a tensor for models that can read that.

    Attributes
    ----------
    tensor
        1-D, on the network's device.
    """

    tensor: Tensor

    @classmethod
    def of(cls, tensor: Tensor) -> "Features":
        """Wrap a vector."""
        features = cls(zip(_numbers(len(tensor)), tensor.tolist(), strict=True))
        features.tensor = tensor
        return features


class SoftHebbTransformer(base.MiniBatchTransformer):
    """A SoftHebb network that learns without labels as a step of a river pipeline.

    It takes images, bare or as the one value of a dict, or flat dicts of numbers, of which features may appear and
    disappear: one that is absent counts as 0. In a prequential loop a sample costs one forward pass and one update:
    what `transform_one` computes for a prediction, `learn_one` learns from, and the `transform_one` after it returns
    again. The features that a model downstream learns from are so those that it predicted from.

    Parameters
    ----------
    preset
        Name of a preset, for images. ``None`` takes `layers`, or else one dense layer for flat rows.
    layers
        Layers of your own, for images.
    width
        Neurons of a preset's first layer; ``None`` for the preset's own.
    neurons
        Of the dense layer for flat rows.
    mirror
        Whether each image is seen together with its mirror image.
    frozen
        Whether nothing is learned.
    seed
        Of the initial weights.
    device
        Where to compute.

    Raises
    ------
    ConfigurationError
        If the options cannot work.
    InputError
        While learning, if a sample is neither of the two, or not of the kind that the network is for.

    Examples
    --------
    >>> from river import datasets, evaluate, metrics
    >>> from hebbstream.adapters.river import LinearProbe
    >>> model = SoftHebbTransformer(neurons=50) | LinearProbe()
    >>> evaluate.progressive_val_score(datasets.Phishing(), model, metrics.Accuracy())
    Accuracy: 89.27%

    An image is any array that the network reads:

    >>> images = SoftHebbTransformer("cifar10", width=4)
    >>> images.learn_one(np.zeros((32, 32, 3), np.uint8))
    >>> len(images.transform_one({"image": np.zeros((32, 32, 3), np.uint8)}))
    1024
    """

    def __init__(
        self,
        preset: str | None = None,
        layers: Sequence[LayerSpec] | None = None,
        width: int | None = None,
        neurons: int = 100,
        mirror: bool = False,
        frozen: bool = False,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        if neurons < 1:
            raise ConfigurationError(f"neurons={neurons}: expected a positive integer")
        if preset is not None and layers is not None:
            raise ConfigurationError(f"preset={preset!r} and layers of your own: expected one of them")
        self.preset = preset
        self.layers = layers
        self.width = width
        self.neurons = neurons
        self.mirror = mirror
        self.frozen = frozen
        self.seed = seed
        self.device = device
        self.net: SoftHebbNet | None = None
        """The network; of images of layers of your own, and of flat rows, made when the first sample comes."""
        if preset is not None:
            self.net = SoftHebbNet.from_preset(preset, width=width, mirror=mirror, seed=seed, device=device)
        self._column: dict[Hashable, int] = {}
        self._last: tuple[Hashable, Features] | None = None
        self._passes: ForwardPass | None = None

    def learn_one(self, x: Any) -> None:
        """Learn from an image or a flat row."""
        if self.frozen:
            return
        frame = self._frame(x, new_columns=True)
        assert self.net is not None  # noqa: S101  # a sample has come
        key = _content(frame)
        passes = self._passes_of(key)
        if passes is None:
            self._last = (key, Features.of(self.net.learn_one(frame)))
        else:
            self.net._learn_from(passes)

    def transform_one(self, x: Any) -> Features:
        """Return the features of an image or a flat row, by number."""
        frame = self._frame(x)
        if self.net is None:
            return Features.of(torch.zeros(self.neurons, dtype=torch.float32, device=self.device))
        key = _content(frame)
        if self._last is None or self._last[0] != key:
            self._passes = self.net._forward_one(frame, self._passes)
            self._last = (key, Features.of(self._passes.features))
        return self._last[1]

    def learn_many(self, X: Any) -> None:
        """Learn from each row of a DataFrame, or each image of a batch, in turn."""
        for x in X.to_dict("records") if hasattr(X, "to_dict") else X:
            self.learn_one(x)

    def transform_many(self, X: Any) -> "pd.DataFrame":
        """Return the features of each row of a DataFrame, or each image of a batch, as a DataFrame."""
        import pandas as pd

        if hasattr(X, "to_dict"):
            index = X.index
            frames = [self._frame(x) for x in X.to_dict("records")]
            batch: Any = np.stack(frames) if frames else np.zeros((0, len(self._column), 1, 1), np.float32)
        else:
            index, batch = None, X
        if self.net is None or not len(batch):
            return pd.DataFrame(np.zeros((len(batch), self.neurons), np.float32), index=index)
        return pd.DataFrame(self.net.transform_many(batch).cpu().numpy(), index=index)

    def _passes_of(self, key: Hashable) -> ForwardPass | None:
        """Return the forward pass that the last prediction made, if it is of this frame and may be learned from."""
        net, passes = self.net, self._passes
        if net is None or passes is None or self._last is None or self._last[0] != key:
            return None
        # Where each sample is normalised by its own statistics, a prediction and a step compute different things.
        by_sample = any(layer.norm is not None and layer.norm.use_batch_statistics for layer in net.layers)
        return passes if passes.samples_seen == net.samples_seen >= _WARM_UP and not by_sample else None

    def _frame(self, x: Any, *, new_columns: bool = False) -> Any:
        """Return what the network reads: an image, or a row as (N, 1, 1)."""
        if isinstance(x, Mapping) and len(x) == 1 and getattr(next(iter(x.values())), "ndim", 0) >= 2:
            (x,) = x.values()
        if isinstance(x, Mapping):
            if self.preset is not None or self.layers is not None:
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
            self.net = SoftHebbNet(self.layers, channels, mirror=self.mirror, seed=self.seed, device=self.device)
        return x

    def _row(self, x: Mapping[Hashable, Any], *, new_columns: bool) -> Any:
        values = {name: _number(name, value) for name, value in x.items() if new_columns or name in self._column}
        if new := [name for name in values if name not in self._column]:
            self._grow(sorted(new, key=repr))
        row = np.zeros((len(self._column), 1, 1), np.float32)
        for name, value in values.items():
            row[self._column[name]] = value
        return row

    def _grow(self, names: list[Hashable]) -> None:
        """Give every neuron a synapse for each new feature; which weight it begins with depends on its name alone."""
        old, before = self.net, len(self._column)
        self._column |= {name: before + offset for offset, name in enumerate(names)}
        spec = replace(_DENSE, channels=self.neurons)
        net = SoftHebbNet(
            [spec], len(self._column), input_size=(1, 1), input_range=None, seed=self.seed, device=self.device
        )
        layer = net.layers[0]
        scale = spec.radius / math.sqrt(len(self._column))
        for offset, name in enumerate(names):
            generator = torch.Generator("cpu").manual_seed(self.seed ^ zlib.crc32(repr(name).encode()))
            weights = torch.randn(self.neurons, generator=generator, dtype=torch.float32, device="cpu")
            layer.weight_matrix[:, before + offset] = scale * weights
        if old is not None:
            for name, value in old.layers[0].named_buffers():
                target = layer.get_buffer(name)
                if value.ndim and value.shape != target.shape:
                    target.narrow(-1, 0, before).copy_(value)
                else:
                    target.copy_(value)
            net.samples_seen = old.samples_seen
        self.net, self._last, self._passes = net, None, None


@lru_cache(maxsize=8)
def _numbers(features: int) -> tuple[int, ...]:
    """Return the keys of so many features: to make thousands of integers for each sample takes as long as the dict."""
    return tuple(range(features))


def _number(name: Hashable, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"feature {name!r} is {value!r}: expected a number") from None
    if not abs(number) <= _LARGEST:
        raise InputError(f"feature {name!r} is {value!r}: expected a finite number of at most {_LARGEST:g}")
    return number


def _content(frame: Any) -> Hashable:
    """Return what is equal for equal frames: cameras reuse their memory, so that its address says nothing."""
    if isinstance(frame, Tensor):
        if frame.device.type != "cpu":
            return _Held(frame), frame._version
        frame = frame.numpy()
    data = np.ascontiguousarray(frame)
    return data.shape, data.dtype.str, hashlib.blake2b(data.tobytes(), digest_size=16).digest()


class _Held:
    """A tensor that equals itself only; held, so that no other can have its address."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and self._tensor is other._tensor

    def __hash__(self) -> int:
        return id(self._tensor)
