"""`SoftHebbTransformer`: a network as a river transformer, for images and for flat rows."""

import copy
import operator
import zlib
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import torch
from river import base, compose

from hebbstream._numbers import check_number
from hebbstream._turns import Turns, in_turn
from hebbstream.adapters.river._columns import as_pandas, is_frame
from hebbstream.adapters.river._features import Features, data_frame
from hebbstream.adapters.river._frames import content, samples_of
from hebbstream.adapters.river._memory import CountsTensors
from hebbstream.adapters.river._reading import ReadsSamples
from hebbstream.adapters.river._scale import RunningScale
from hebbstream.adapters.river._windows import RowWindows, signal_layers
from hebbstream.errors import ConfigurationError
from hebbstream.learning._arguments import check_net
from hebbstream.network._arguments import checked_specs, make_generator
from hebbstream.network._forward import ForwardPass
from hebbstream.network._frames import stacked
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._spec import LayerSpec
from hebbstream.streams._windows import row_count

if TYPE_CHECKING:
    import pandas as pd

_Version: TypeAlias = tuple[SoftHebbNet, int, int]
_WARM_UP = 100  # samples over which the normalisation still averages from the start


class SoftHebbTransformer(ReadsSamples, CountsTensors, base.MiniBatchTransformer):
    """A SoftHebb network that learns without labels, as a step of a river pipeline.

    It takes images, or flat dicts of numbers. An image may be the only value of a dict. Columns may appear and disappear;
    one that is absent counts as 0. With `window`, a row is one moment of a signal.

    If you predict each sample first and then learn it, that costs one forward pass and one update: `learn_one` uses what
    `transform_one` computed. The next `transform_one` of that sample returns it again, so a classifier learns from the
    features that it predicted from.

    Parameters
    ----------
    preset
        Name of a preset, for images. ``None`` takes `layers`, or else one dense layer for flat rows.
    layers
        Layers of your own, for images; a single dense one is for flat rows.
    width
        Neurons of a preset's first layer; ``None`` for the preset's own.
    neurons
        Of the dense layer for flat rows.
    mirror
        Whether each image is seen together with its mirror image.
    frozen
        Whether the network learns nothing.
    seed
        Of the initial weights.
    device
        Where to compute; a network of your own computes where it is.
    net
        A network of your own to begin with, for images; it is copied, and a `clone` begins with it again.
    standardise
        Whether features are standardised by their running mean and variance, and cut to a length of √F at most. Many
        models need that: raw features reach 10 to 20. Set it to False before a probe that learned in `hebbstream.learn`,
        which shows it raw features, and before a `LinearRegressorProbe`, which does it itself: the mean follows about the
        latest thousand samples, which hides slow changes of level.
    prefix
        Of the features' names, ``prefix_0`` and so on. ``None`` takes one that differs with the network's layers and
        seed; two equal networks side by side need one each.
    window
        How many rows of a signal to see at a time, the present one last. Until there are so many, the first row fills the
        gap. The column's last value replaces a missing one. Without `preset`, `layers` and `net`, the preset is
        ``"signal"``.
    hop
        Learn from every `hop`-th row's window; features are there at every row.
    group
        Name of the column that tells signals apart, such as a user or a machine: each has a window of its own. Of more
        than 1,000 signals, the one without rows for longest is forgotten.
    columns
        Names of a signal's channels, in the network's order; others are ignored. ``None`` takes those that `net` has
        learned from a table (`SoftHebbNet.channel_names`), if the first row has them. Else it takes those of the first
        row: in the order of the row for a `net`, as `windows` does; sorted without one, as river asks. If `net` has
        learned in a pipeline, name them.
    valid_range
        Least and greatest value that a signal can have; another one, such as -9999, is missing. ``None`` takes all.

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
    Accuracy: 88.95%

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
        net: SoftHebbNet | None = None,
        standardise: bool = True,
        prefix: str | None = None,
        window: int | None = None,
        hop: int = 1,
        group: Hashable = None,
        columns: Sequence[Hashable] | None = None,
        valid_range: tuple[float, float] | None = None,
    ) -> None:
        check_number("neurons", neurons)
        if window is None and ((hop, group) != (1, None) or columns is not None or valid_range is not None):
            of_windows = f"hop={hop}, group={group!r}, columns={columns!r}, valid_range={valid_range!r}"
            raise ConfigurationError(f"{of_windows} without window: expected one for signals")
        if net is not None:
            check_net(net)
        given = {f"preset={preset!r}": preset, "layers of your own": layers, "a net": net}
        if len(several := [name for name, value in given.items() if value is not None]) > 1:
            raise ConfigurationError(f"{' and '.join(several)}: expected one of them")
        presets = preset is not None or (window is not None and layers is None and net is None)
        if net is not None and (seed, device) != (0, "cpu"):
            raise ConfigurationError(f"seed={seed!r}, device={device!r} with a net: expected neither, it has its own")
        if width is not None and not presets:
            raise ConfigurationError(f"width={width!r} without preset: expected one; rows have neurons")
        if mirror and not (presets or layers is not None or (net is not None and net.mirror)):
            raise ConfigurationError(f"mirror={mirror!r} for rows, or a net that does not: expected a preset or layers")
        make_generator(seed)  # what cannot work is told now
        # Python's own numbers: names of features come of them, and NumPy's are written otherwise.
        self.preset = preset
        self.layers = None if layers is None else checked_specs(layers)
        self.width = width
        self.neurons = operator.index(neurons)
        self.mirror = mirror
        self.frozen = frozen
        self.seed = operator.index(seed)
        self.device = device
        self.standardise = standardise
        self.prefix = prefix
        self.window = None if window is None else row_count("window", window)
        self.hop = hop
        self.group = group
        self.columns = columns
        self.valid_range = valid_range
        channels, learned = (None, None) if net is None else (net.in_channels, net.channel_names)
        self._windows = (
            None if window is None else RowWindows(window, hop, group, columns, channels, learned, valid_range)
        )
        if self._windows is not None:
            own = signal_layers(preset, layers, width) if net is None else [layer.spec for layer in net.layers]
            self._windows.features(own)  # what cannot work is told now
        self._given = net
        self.net: SoftHebbNet | None = copy.deepcopy(net)
        """The network; of layers of your own for images, of rows and of signals, made when the first sample comes."""
        if preset is not None and window is None:
            self.net = SoftHebbNet.from_preset(preset, width=width, mirror=mirror, seed=seed, device=device)
        self._prefix = self._default_prefix() if prefix is None else prefix
        self._turns = Turns()
        self._column: dict[Hashable, int] = {}
        self._scale = RunningScale()
        self._passes: tuple[Hashable, _Version, ForwardPass] | None = None  # the latest one, and its frame's content
        self._features: tuple[ForwardPass, Features] | None = None  # made of that pass
        self._learned: tuple[Hashable, _Version, Features] | None = None  # of the frame just learned, as before it

    @classmethod
    def from_checkpoint(cls, path: str | Path, device: str = "cpu", **options: Any) -> Self:
        """Begin with the network of a file that it, or a `Learner`, was saved to; options as of the class.

        Raises
        ------
        CheckpointNotFoundError, CorruptCheckpointError, CheckpointVersionError, ConfigurationError
            As of `SoftHebbNet.load`.

        Examples
        --------
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> SoftHebbNet.from_preset("mnist", width=4).save(path)
        >>> len(SoftHebbTransformer.from_checkpoint(path, frozen=True).transform_one(np.zeros((28, 28), np.uint8)))
        576
        """
        return cls(net=SoftHebbNet.load(path, device), **options)

    def clone(self, new_params: dict[str, Any] | None = None, include_attributes: bool = False) -> Self:
        """Return a fresh transformer that begins as this one began; with its attributes, as it is now."""
        clone: Self = super().clone(new_params, include_attributes)
        if include_attributes:
            clone.net = copy.deepcopy(self.net)  # river leaves out attributes of a parameter's name
        return clone

    @in_turn
    def learn_one(self, x: Any) -> None:
        """Learn from an image or a flat row."""
        frame, due = self._taken(x)
        if self.net is None:  # a flat row without columns
            return
        key, due = content(frame), due and not self.frozen
        passes = self._passes_of(key) if due else self._forward(frame, key)
        raw = self.net.learn_one(frame) if passes is None else passes.features
        # The first had nothing to be standardised by.
        made = self._features if self._scale.count or not self.standardise else None
        standardised = self._scale.take_in(raw) if self.standardise else raw
        features = made[1] if made and made[0] is passes else Features.of(standardised, self._prefix)
        self._features = None
        if passes is not None and due:
            self.net._learn_from(passes)
        self._learned = key, _version(self.net), features

    @in_turn
    def transform_one(self, x: Any) -> Features:
        """Return the features of an image or a flat row, by name."""
        frame = self._frame(x, learned=self._learned is not None)
        if self.net is None:
            return Features.of(torch.zeros(self._blank, dtype=torch.float32, device=self.device), self._prefix)
        key = content(frame)
        learned = self._learned
        if not _learns_in_prediction():
            self._learned = None
        if learned is not None and learned[:2] == (key, _version(self.net)):
            return learned[2].unchanged()
        passes = self._forward(frame, key)
        if self._features is None or self._features[0] is not passes:
            rows = passes.features
            self._features = passes, Features.of(self._scale(rows) if self.standardise else rows, self._prefix)
        return self._features[1].unchanged()

    @in_turn
    def forward_one(self, x: Any) -> ForwardPass | None:
        """Return the forward pass of a sample, as the network is, for `learn_one` to learn from; ``None`` without a network."""
        frame = self._frame(x)
        return None if self.net is None else self._forward(frame, content(frame))

    @in_turn
    def learn_many(self, X: Any) -> None:
        """Learn from each row of a DataFrame, or each image of a batch, in turn."""
        samples = samples_of(X)
        self._check_all(samples)
        for x in samples:
            self.learn_one(x)
        self._learned = None

    @in_turn
    def transform_many(self, X: Any) -> "pd.DataFrame":
        """Return the features of each row of a DataFrame, or each image of a batch, as a DataFrame."""
        self._learned = None
        X = as_pandas(X)
        index = X.index if is_frame(X) else None
        if index is None and hasattr(X, "ndim"):
            batch = X
            if len(X):
                self._frame(next(iter(X)))  # makes the network, and refuses another size
        else:
            rows = samples_of(X)
            known = None if self._windows is None else self._windows.taken_many(rows, again=_learns_in_prediction())
            frames = [self._frame(x) for x in rows] if known is None else known
            batch = stacked(frames) if frames else frames
        if self.net is None or not len(batch):
            found = np.zeros((len(batch), self._blank))
        else:
            raw = self.net.transform_many(batch)
            found = (self._scale(raw) if self.standardise else raw).double().cpu().numpy()
        return data_frame(found, self._prefix, index)

    def _get_params(self) -> dict[str, Any]:
        return {**super()._get_params(), "net": self._given}  # not as it is by now

    def _default_prefix(self) -> str:
        net = self.net
        own = self.neurons if self.layers is None else tuple(self.layers)
        made_of: Any = (own if self._windows is None else (own, self.preset, self.window), self.mirror, self.seed)
        if net is not None:
            made_of = tuple(layer.spec for layer in net.layers), net.mirror, net.seed
        return f"softhebb{zlib.crc32(repr(made_of).encode()):08x}"

    def _forward(self, frame: Any, key: Hashable) -> ForwardPass:
        """Return the forward pass of a frame with this content, as the network is."""
        assert self.net is not None  # noqa: S101  # whoever has a frame has a network
        kept, version = self._passes, _version(self.net)
        if kept is None or kept[:2] != (key, version):
            memory = kept[2] if kept is not None and kept[1][0] is self.net else None
            self._passes = kept = key, version, self.net._forward_one(frame, memory)
        return kept[2]

    def _passes_of(self, key: Hashable) -> ForwardPass | None:
        """Return the forward pass that the last prediction made, if it is of this frame and may be learned from."""
        net, kept = self.net, self._passes
        if net is None or kept is None or kept[:2] != (key, _version(net)):
            return None
        # Where each sample is normalised by its own statistics, a prediction and a step compute different things.
        by_sample = any(layer.norm is not None and layer.norm.use_batch_statistics for layer in net.layers)
        return kept[2] if net.samples_seen >= _WARM_UP and not by_sample else None


def _version(net: SoftHebbNet) -> _Version:
    """Return what differs once it has learned, was given other weights, or is another network."""
    return net, net.samples_seen, sum(layer.weight_matrix._version for layer in net.layers)


def _learns_in_prediction() -> bool:
    """Whether river learns a sample in predicting it; it then transforms it once more for the models downstream."""
    return compose.Pipeline._LEARN_UNSUPERVISED_DURING_PREDICT
