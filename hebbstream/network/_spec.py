"""`LayerSpec`: everything that defines one layer, as validated data."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError
from hebbstream.rule._activation import ActivationName
from hebbstream.rule._init import InitName
from hebbstream.rule._plasticity import PlasticityName

NormalizationName = Literal["stream", "whiten", "whiten_colors", "whiten_patches", "batch", "none"]
PoolName = Literal["max", "avg", "time_avg", "none"]
UpdateScaleName = Literal["max", "running_max", "none"]
Pair: TypeAlias = tuple[int, int]
"""(rows, columns), of a signal (1, time)."""

LARGEST_SIZE = 2**31
"""What a number of neurons, channels or pixels must be below."""
_END = 2**63

_CHOICES: dict[str, tuple[str, ...]] = {
    "plasticity": get_args(PlasticityName),
    "activation": get_args(ActivationName),
    "normalization": get_args(NormalizationName),
    "pool": get_args(PoolName),
    "init": get_args(InitName),
    "update_scale": get_args(UpdateScaleName),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerSpec:
    """One SoftHebb layer: its shape, its learning rule, its activation and its pooling.

    Parameters
    ----------
    channels
        Number of neurons, K.
    kernel_size
        Side of the square receptive field, odd, or (height, width); ``None`` for a fully connected layer. A layer for
        signals has (1, k): it sees k moments of all channels.
    inverse_temperature
        ``t`` of the soft winner-take-all (eq. 1).
    learning_rate
        ``η`` (eq. 5). 0 freezes the weights while the normalisation goes on following the stream.
    rate_power
        ``q`` (eq. 5); 0 makes the rate independent of the weight norm.
    decay_samples
        If given, the rate is multiplied by ``1 − n/decay_samples`` after n samples in which the layer was not frozen, and
        ends at zero (appendix A.2). Where neurons imprint, n counts samples by how much moves in them: after a still room, the
        layer learns from who comes in.
    averaging_samples
        The features' weights are a running average of those that learn, over so many samples; over the latest third, while
        they are fewer. Features then move less from frame to frame. ``None`` takes the weights that learn.
    plasticity
        ``"soft_anti_hebbian"`` (the paper's), ``"soft_hebbian"``, ``"hard_wta"``, ``"hebbian"`` or ``"imprinting"``: there, a
        neuron takes over a patch of the stream at once, most often one that has moved since the last sample. Of the rule's
        settings, only `learning_rate` counts, of which 1 takes a patch over wholly and less goes so far towards it,
        `decay_samples`, after which no more are taken over, and `whitened_share`.
    whitened_share
        Of neurons that imprint, the share that take over a patch whitened, without what neighbours in all patches have in
        common: they answer to what is fine, the others to what is coarse. It needs the square of the values of a patch in memory.
    update_scale
        ``"max"`` divides each update by its largest magnitude, which the published rates assume; ``"running_max"`` by
        the largest magnitude of recent updates, so that a blank frame moves little; ``"none"`` by nothing.
    event_threshold
        Activities ``y`` up to this are left out of the update (the pull on the weights included), which makes it
        several times faster on a CPU; 0 leaves nothing out. See `hebbstream.rule._sparse` for the error this may cause.
    event_budget
        Most activities of a position that drive the update, the largest; ``None`` for all above the threshold. It keeps
        the cost of a step from growing as norms fall and competition softens. Budget and threshold are for the soft rules.
    activation
        ``"triangle"``, ``"repu"``, ``"relu"``, ``"tanh"`` or ``"softmax"``.
    power
        Exponent of triangle and RePU.
    activation_inverse_temperature
        Inverse temperature of the softmax activation.
    pool
        ``"max"``, ``"avg"``, ``"time_avg"`` (over the whole width: of a signal or a sound, over all of its time, so that it does
        not matter when something happens) or ``"none"``; average pooling counts its padding.
    pool_size, pool_stride, pool_padding
        Size, stride and padding of the pooling window, in pixels: one number, or (vertical, horizontal). With ``"time_avg"`` only the vertical counts.
    average_size
        Side of the squares of outputs that are averaged once they are pooled, or (vertical, horizontal); 1 leaves them as they
        are. What is left over at the right and the bottom is dropped.
    unit_length
        Whether the outputs of all neurons at a position are divided by their length, the root of the sum of their squares.
        What is left is how they compare with each other, not how strong they are: few labels and nearest neighbours then
        tell more. Outputs that are all 0 stay so.
    normalization
        ``"stream"`` (running statistics, also while learning), ``"whiten"`` (the same, and what channels have in common
        is taken out: deep layers then tell inputs apart much better), ``"whiten_colors"`` (what red, green and blue have in
        common in natural pictures is taken out: for a first layer), ``"whiten_patches"`` (what neighbours have in common is, too: in
        a smooth signal they say nearly the same), ``"batch"`` (the statistics of each step while learning, running ones
        otherwise, and where a step has but one value of each channel, as in a dense layer) or ``"none"``.
    momentum
        Weight of one sample in the running statistics once ``1/momentum`` samples have been seen.
    init
        Family of the initial weights (eq. 3): ``"normal"``, ``"positive"`` or ``"negative"`` (both uniform).
    radius
        ``R``: root-mean-square norm of an initial weight vector. In the paper's setting all neurons learn above 2.5, and only
        some between 1 and 2.5 (appendix A.1.2).

    Raises
    ------
    ConfigurationError
        If a value cannot work; the message names the field, what it was and what it may be.

    Examples
    --------
    >>> LayerSpec(channels=96, kernel_size=5, learning_rate=0.08, power=0.7).kernel_size
    5
    >>> LayerSpec(channels=96, kernel_size=(1, 9), pool_size=(1, 4), pool_stride=(1, 2), pool_padding=(0, 1)).kernel
    (1, 9)
    >>> LayerSpec(channels=96, kernel_size=4)
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: kernel_size=4: expected a positive odd integer, a pair of them, or None for a dense layer
    """

    channels: int
    kernel_size: int | Pair | None = 3
    inverse_temperature: float = 1.0
    learning_rate: float = 0.01
    rate_power: float = 0.5
    decay_samples: int | None = None
    averaging_samples: int | None = None
    plasticity: PlasticityName = "soft_anti_hebbian"
    whitened_share: float = 0.0
    update_scale: UpdateScaleName = "max"
    event_threshold: float = 0.0
    event_budget: int | None = None
    activation: ActivationName = "triangle"
    power: float = 1.0
    activation_inverse_temperature: float = 1.0
    pool: PoolName = "max"
    pool_size: int | Pair = 2
    pool_stride: int | Pair = 2
    pool_padding: int | Pair = 0
    average_size: int | Pair = 1
    unit_length: bool = False
    normalization: NormalizationName = "stream"
    momentum: float = 0.01
    init: InitName = "normal"
    radius: float = 25.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            object.__setattr__(self, field.name, _plain(value))
        for name, choices in _CHOICES.items():
            self._require(name, getattr(self, name) in choices, "one of " + ", ".join(map(repr, choices)))
        size = "a positive integer, below 2**31"
        self._require("channels", _is_size(self.channels), size)
        for name in ("kernel_size", "pool_size", "pool_stride", "pool_padding", "average_size"):
            object.__setattr__(self, name, _shortest(getattr(self, name)))
        for name in ("pool_size", "pool_stride", "average_size"):
            self._require(name, all(map(_is_size, _pair(getattr(self, name)))), size)
        kernel = self.kernel_size
        odd = kernel is None or all(_is_size(side) and side % 2 == 1 for side in _pair(kernel))
        self._require("kernel_size", odd, "a positive odd integer, a pair of them, or None for a dense layer")
        paddings = zip(_pair(self.pool_padding), _pair(self.pool_size), strict=True)
        self._require(
            "pool_padding", all(_is_int(p, 0) and p <= size // 2 for p, size in paddings), "0 to half of pool_size"
        )
        for name in ("decay_samples", "averaging_samples", "event_budget"):
            number = getattr(self, name)
            self._require(
                name,
                number is None or (_is_int(number, 1) and number < _END),
                "a positive integer, below 2**63, or None",
            )
        below = ", below 2**63"  # torch takes no greater integer
        for name in ("learning_rate", "rate_power"):
            self._require(
                name, _is_number(getattr(self, name)) and getattr(self, name) >= 0, f"a number of at least 0{below}"
            )
        within = self.plasticity != "imprinting" or self.learning_rate <= 1
        self._require("learning_rate", within, "0 to 1 with plasticity='imprinting'")
        share = self.whitened_share
        self._require("whitened_share", _is_number(share) and 0 <= share <= 1, "a number from 0 to 1")
        for name in ("inverse_temperature", "power", "activation_inverse_temperature", "radius"):
            self._require(name, _is_number(getattr(self, name)) and getattr(self, name) > 0, f"a number above 0{below}")
        threshold = self.event_threshold
        self._require("event_threshold", _is_number(threshold) and 0 <= threshold < 1, "a number in [0, 1)")
        self._require("momentum", _is_number(self.momentum) and 0 < self.momentum <= 1, "a number in (0, 1]")
        self._require("unit_length", isinstance(self.unit_length, bool), "True or False")
        self._require("pool", kernel is not None or self.pool == "none", "'none' for a dense layer")
        self._require("average_size", kernel is not None or self.average_size == 1, "1 for a dense layer")
        whole = kernel is not None or not self.normalization.startswith("whiten")
        self._require("normalization", whole, "'stream', 'batch' or 'none' for a dense layer")

    def _require(self, name: str, valid: bool, expected: str) -> None:
        if not valid:
            raise ConfigurationError(f"{name}={quote(getattr(self, name))}: expected {expected}")

    @property
    def imprints(self) -> bool:
        """Whether its neurons take over patches of the stream."""
        return self.plasticity == "imprinting" and self.learning_rate > 0

    @property
    def whitened(self) -> int:
        """How many of its neurons take over patches whitened: the last ones."""
        return round(self.whitened_share * self.channels) if self.imprints else 0

    @property
    def averages(self) -> bool:
        """Whether the features' weights are an average of those that learn."""
        return self.averaging_samples is not None and self.learning_rate > 0

    @property
    def kernel(self) -> Pair:
        """(height, width) of the receptive field; (1, 1) of a dense layer."""
        return (1, 1) if self.kernel_size is None else _pair(self.kernel_size)

    @property
    def padding(self) -> Pair:
        """(rows, columns) of reflection added on each side so that the convolution keeps the image's size."""
        return self.kernel[0] // 2, self.kernel[1] // 2

    @property
    def cut(self) -> Pair:
        """(height, width) of what is cut out of the normalised input: one pixel where that already holds whole patches."""
        return (1, 1) if self.normalization == "whiten_patches" else self.kernel

    @property
    def window(self) -> tuple[Pair, Pair, Pair]:
        """Size, stride and padding of the pooling window, (vertical, horizontal) each; one pixel where nothing is pooled.

        Horizontally it is one pixel, too, where the whole width is pooled: see `window_in`.
        """
        if self.pool == "none":
            return (1, 1), (1, 1), (0, 0)
        size, stride, padding = _pair(self.pool_size), _pair(self.pool_stride), _pair(self.pool_padding)
        if self.pool == "time_avg":
            return (size[0], 1), (stride[0], 1), (padding[0], 0)
        return size, stride, padding

    def window_in(self, width: int) -> tuple[Pair, Pair, Pair]:
        """Return the pooling window in a picture of that width.

        Examples
        --------
        >>> LayerSpec(channels=8, pool="time_avg", pool_size=4, pool_stride=4).window_in(100)
        ((4, 100), (4, 100), (0, 0))
        """
        size, stride, padding = self.window
        return ((size[0], width), (stride[0], width), padding) if self.pool == "time_avg" else (size, stride, padding)

    @property
    def pools_averages(self) -> bool:
        """Whether pooling averages, after the activation; a maximum comes before it."""
        return self.pool in ("avg", "time_avg")

    @property
    def average(self) -> Pair:
        """(rows, columns) of the squares of pooled outputs that are averaged."""
        return _pair(self.average_size)

    @property
    def one_dimensional(self) -> bool:
        """Whether it looks along the last axis alone, as a layer for signals does."""
        rows = self.kernel[0], self.window[0][0], self.window[1][0], self.average[0]
        return self.kernel_size is not None and set(rows) == {1}

    def pooled_size(self, height: int, width: int) -> Pair:
        """Return the (height, width) of what is pooled, before averages of it are taken; see `output_size`."""
        return _pooled_size(self, height, width)

    def output_size(self, height: int, width: int) -> Pair:
        """Return the (height, width) this layer gives for that of its input; below (1, 1) where it does not fit.

        Examples
        --------
        >>> LayerSpec(channels=8, pool_size=4, pool_stride=2, pool_padding=1).output_size(32, 32)
        (16, 16)
        """
        (rows, columns), (tall, wide) = _pooled_size(self, height, width), self.average
        return rows // tall, columns // wide

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "LayerSpec":
        """Rebuild a specification from `dataclasses.asdict`.

        Raises
        ------
        ConfigurationError
            If a field is unknown or missing, or a value cannot work.

        Examples
        --------
        >>> LayerSpec.from_dict({"channels": 4, "kernel": 3})
        Traceback (most recent call last):
        ...
        hebbstream.errors.ConfigurationError: unknown layer field 'kernel'
        """
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigurationError(f"unknown layer field {name!r}")
        if "channels" not in values:
            raise ConfigurationError("a layer needs 'channels'")
        return cls(**values)


@lru_cache(maxsize=1024)  # every frame is checked
def _pooled_size(spec: LayerSpec, height: int, width: int) -> Pair:
    if spec.kernel_size is None:
        return 1, 1
    sides = tuple(zip((height, width), spec.padding, *spec.window_in(width), strict=True))
    if any(side <= padding for side, padding, *_ in sides):  # a reflection needs more pixels than it adds
        return 0, 0
    rows, columns = ((side + 2 * p - size) // stride + 1 for side, _, size, stride, p in sides)
    return rows, columns


def are_one_dimensional(specs: Iterable[LayerSpec]) -> bool:
    """Tell whether all convolutions of a network look along the last axis alone, and there is one.

    Examples
    --------
    >>> are_one_dimensional([LayerSpec(channels=4, kernel_size=(1, 9), pool_size=(1, 2), pool_stride=(1, 2))])
    True
    """
    convolutions = [spec for spec in specs if spec.kernel_size is not None]
    return bool(convolutions) and all(spec.one_dimensional for spec in convolutions)


def _plain(value: Any) -> Any:
    """Return NumPy's numbers, such as an array's length, as Python's, and those of a pair."""
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _pair(value: Any) -> Pair:
    """Return (rows, columns) of what may be one number for both."""
    return value if isinstance(value, tuple) and len(value) == 2 else (value, value)


def _shortest(value: Any) -> Any:
    """Return a pair (a list, where it comes from JSON) as a tuple, or as one number where its two are the same."""
    if not isinstance(value, list | tuple) or not all(_is_int(side, 0) for side in value):
        return value
    return value[0] if len(value) == 2 and value[0] == value[1] else tuple(value)


def _is_size(value: object) -> bool:
    return _is_int(value, 1) and value < LARGEST_SIZE  # type: ignore[operator]  # it is an integer


def _is_int(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) < _END
