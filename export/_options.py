"""The options of `to_onnx`, and the contract that they make of a network."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypedDict, get_args

from hebbstream._numbers import as_index, quantity
from hebbstream._quote import quote
from hebbstream._version import __version__
from hebbstream.errors import ConfigurationError
from hebbstream.export._contract import Contract, InputType, LayoutName, ModelInput, ModelPrecision, label_in_json
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe import OnlineProbe
from hebbstream.streams._item import size_of

ERROR_LIMITS: dict[str, float] = {"float32": math.inf, "float16": 0.01, "int8": 0.2}
"""Mean distance of features from those of float32, relative to their length, that an export allows."""

FRAMES = 200
"""Most frames on which lower precision is calibrated and compared."""


class ExportOptions(TypedDict, total=False):
    """The options of `to_onnx`, where they are explained."""

    size: int | tuple[int, int] | None
    input_dtype: InputType
    layout: LayoutName
    resize: bool
    feature_map: bool
    precision: ModelPrecision
    frames: Iterable[Any] | None
    error_limit: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`ExportOptions` with their defaults, checked as far as they can be without a network.

    Raises
    ------
    ConfigurationError
        If one cannot work, or two do not fit together.

    Examples
    --------
    >>> Options(layout="NHCW")
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: layout='NHCW': expected 'NCHW' or 'NHWC'
    """

    size: int | tuple[int, int] | None = None
    input_dtype: InputType = "float32"
    layout: LayoutName = "NCHW"
    resize: bool = False
    feature_map: bool = False
    precision: ModelPrecision = "float32"
    frames: Iterable[Any] | None = None
    error_limit: float | None = None

    def __post_init__(self) -> None:
        for name, kind in (("input_dtype", InputType), ("layout", LayoutName), ("precision", ModelPrecision)):
            value, allowed = getattr(self, name), get_args(kind)
            if value not in allowed:
                raise ConfigurationError(f"{name}={value!r}: expected {' or '.join(map(repr, allowed))}")
        if self.size is not None:
            size_of(self.size)
        if self.feature_map and self.resize:
            raise ConfigurationError(
                "feature_map=True with resize=True: expected one, as maps are of frames as they come"
            )
        if self.error_limit is not None and not quantity(self.error_limit) >= 0:
            raise ConfigurationError(f"error_limit={quote(self.error_limit)}: expected 0 or a positive number, or None")

    @property
    def pixels(self) -> tuple[int, int] | None:
        """(height, width) asked for."""
        return None if self.size is None else size_of(self.size)

    @property
    def limit(self) -> float:
        """Greatest error allowed."""
        return ERROR_LIMITS[self.precision] if self.error_limit is None else self.error_limit

    @property
    def needs_frames(self) -> bool:
        """Whether lower precision is to be calibrated, or compared with float32."""
        return self.precision == "int8" or (self.precision == "float16" and self.limit < math.inf)

    def check_for(self, net: SoftHebbNet) -> None:
        """Refuse what cannot work with a network, whatever it has learned.

        Raises
        ------
        ConfigurationError
            If an option asks for what the network has not.
        ImageSizeError
            If the size is too small for it.
        """
        if self.input_dtype == "uint8" and net.input_range != (0.0, 1.0):
            raise ConfigurationError(f"uint8 for a network of input_range={net.input_range}: expected (0.0, 1.0)")
        if self.feature_map and net.layers[-1].spec.kernel_size is None:
            raise ConfigurationError("feature_map=True with a dense layer: expected convolutions alone")
        pixels = self.pixels_of(net)
        if pixels is not None:
            net.output_shape(*pixels)

    def pixels_of(self, net: SoftHebbNet) -> tuple[int, int] | None:
        """(height, width) asked for; one number is the length of a signal where the network is for signals."""
        one = not (self.size is None or isinstance(self.size, Iterable))
        return (1, as_index(self.size)) if one and net.one_dimensional else self.pixels


def contract_of(
    net: SoftHebbNet, probe: OnlineProbe | None, options: Options
) -> tuple[Contract, tuple[int, int] | None]:
    """Return the contract that options make of a network, and the (height, width) that its layers see.

    The latter is ``None`` where a model that gives feature maps takes frames of any size.

    Raises
    ------
    ConfigurationError, ImageSizeError
        As of `to_onnx`.
    """
    options.check_for(net)
    if probe is not None:
        _check_probe(probe, options)
    size = options.pixels_of(net) or net.frame_size
    pixels = None if options.feature_map else size
    if pixels is None and not options.feature_map:
        raise ConfigurationError("size=None: expected a size, as this network has not learned from a frame yet")
    features = net.layers[-1].spec.channels if pixels is None else math.prod(net.output_shape(*pixels))
    if pixels is not None and probe is not None and probe.n_features != features:
        raise ConfigurationError(
            f"a probe of {probe.n_features} features: expected {features}, of frames of {pixels[0]}×{pixels[1]} pixels"
        )
    height, width = (None, None) if pixels is None or options.resize else pixels
    if height is None and net.one_dimensional and (size is None or size[0] == 1):
        height = 1  # by which `model_batch` knows a signal
    first = "feature_map" if options.feature_map else "features"
    contract = Contract(
        input=ModelInput(
            dtype=options.input_dtype,
            layout=options.layout,
            channels=net.in_channels,
            height=height,
            width=width,
            value_range=(0.0, 255.0) if options.input_dtype == "uint8" else net.input_range,
            channel_names=None if net.channel_names is None else tuple(net.channel_names),
            sample_rate=net.sample_rate,
        ),
        features=features,
        outputs=(first,) if probe is None else (first, "scores", "probabilities"),
        classes=() if probe is None else _labels(probe),
        min_confidence=0.0 if probe is None else probe.min_confidence,
        preset=net.preset,
        layers=tuple(layer.spec.channels for layer in net.layers),
        samples_seen=net.samples_seen,
        hebbstream_version=__version__,
    )
    return contract, pixels


def _check_probe(probe: OnlineProbe, options: Options) -> None:
    if not probe.classes:
        raise ConfigurationError("probe without classes: expected one that has learned from a label")
    if options.feature_map:
        raise ConfigurationError("feature_map=True with a probe: expected no probe, which reads features")


def _labels(probe: OnlineProbe) -> tuple[Any, ...]:
    """Return a probe's classes as a model holds them; refuse two that it could not tell apart."""
    labels: dict[Any, Any] = {}
    for label in probe.classes:
        written = label_in_json(label)
        if written in labels:
            raise ConfigurationError(
                f"labels {quote(labels[written])} and {quote(label)}: expected labels that differ in a model, where both"
                f" are {quote(written)}"
            )
        labels[written] = label
    return tuple(labels)
