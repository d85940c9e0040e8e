"""`Contract`: what a model reads, what it gives, and where it comes from; written into the model and its manifest."""

import json
import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from hebbstream._quote import printable
from hebbstream.errors import CorruptModelError

InputType = Literal["float32", "uint8"]
LayoutName = Literal["NCHW", "NHWC"]
ModelPrecision = Literal["float32", "float16", "int8"]

FORMAT = "hebbstream-model-1"
_KEY = "hebbstream"
_SIGNALS_ONLY = ("channel_names", "sample_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInput:
    """The one input of a model.

    Parameters
    ----------
    name
        ``"frames"``.
    dtype
        ``"float32"`` or ``"uint8"``, in `value_range`.
    layout
        ``"NCHW"`` or ``"NHWC"``; N is any.
    channels
        C.
    height, width
        H and W in pixels; ``None`` for any. H is 1 of a model that reads signals.
    value_range
        Least and greatest value of frames, 0 and 255 of uint8; ``None`` for any.
    channel_names
        What the channels of a table's rows are called, first to last; ``None`` of anything else.
    sample_rate
        Values a second of the sound that was learned; ``None`` of anything else.
    """

    name: str = "frames"
    dtype: InputType = "float32"
    layout: LayoutName = "NCHW"
    channels: int
    height: int | None
    width: int | None
    value_range: tuple[float, float] | None
    channel_names: tuple[str, ...] | None = None
    sample_rate: int | None = None

    @property
    def shape(self) -> tuple[str | int, ...]:
        """As an ONNX graph declares it, names for what may be any number."""
        size = (self.height or "height", self.width or "width")
        return ("batch", self.channels, *size) if self.layout == "NCHW" else ("batch", *size, self.channels)

    @property
    def shape_text(self) -> str:
        """The shape as people read it."""
        return f"({', '.join(map(str, self.shape))})"

    def __str__(self) -> str:
        values = "any value" if self.value_range is None else "{:.15g} to {:.15g}".format(*self.value_range)
        columns = "" if self.channel_names is None else f", columns {', '.join(map(printable, self.channel_names))}"
        rate = "" if self.sample_rate is None else f", sound of {self.sample_rate} values a second"
        return f"{self.name}: {self.dtype}, {values}, {self.shape_text}{columns}{rate}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a model promises.

    Parameters
    ----------
    input
        What it reads.
    features
        Number of them, F; of a model that gives feature maps, the number of channels.
    outputs
        Names, in order: ``"features"`` (N, F) or ``"feature_map"`` (N, F, H', W'), and with a probe ``"scores"`` and
        ``"probabilities"`` (N, classes).
    classes
        Labels in the order of the scores.
    min_confidence
        Probability below which the probe abstains.
    precision
        ``"float32"``, ``"float16"`` or ``"int8"``.
    preset, layers, samples_seen, hebbstream_version
        Where it comes from: the preset's name, the neurons of each layer, the samples learned, and who wrote it.

    Examples
    --------
    >>> reads = ModelInput(channels=3, height=32, width=32, value_range=(0.0, 1.0))
    >>> Contract(input=reads, features=64, outputs=("features",), hebbstream_version="0.1.0").precision
    'float32'
    """

    input: ModelInput
    features: int
    outputs: tuple[str, ...]
    classes: tuple[Any, ...] = ()
    min_confidence: float = 0.0
    precision: ModelPrecision = "float32"
    preset: str | None = None
    layers: tuple[int, ...] = ()
    samples_seen: int = 0
    hebbstream_version: str

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON's terms."""
        told = {"format": FORMAT, **asdict(self)}
        for name in _SIGNALS_ONLY:  # earlier readers take no others
            if told["input"][name] is None:
                del told["input"][name]
        return told

    @classmethod
    def from_dict(cls, values: Any) -> "Contract":
        """Read what `to_dict` returned.

        Raises
        ------
        CorruptModelError
            If it is something else.

        Examples
        --------
        >>> Contract.from_dict({"format": "other"})
        Traceback (most recent call last):
        ...
        hebbstream.errors.CorruptModelError: model of format 'other': expected 'hebbstream-model-1'
        """
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            found = values.get("format") if isinstance(values, dict) else type(values).__name__
            raise CorruptModelError(f"model of format {found!r}: expected {FORMAT!r}")
        try:
            fields = {name: values[name] for name in cls.__slots__}
            given = dict(fields.pop("input"))
            if given["value_range"] is not None:
                low, high = given["value_range"]
                given["value_range"] = (float(low), float(high))
            if given.get("channel_names") is not None:
                given["channel_names"] = tuple(given["channel_names"])
            fields |= {name: tuple(fields[name]) for name in ("outputs", "classes", "layers")}
            contract = cls(input=ModelInput(**given), **fields)
            _check(contract)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise CorruptModelError(f"model with a damaged description ({type(error).__name__}: {error})") from error
        return contract

    def properties(self) -> dict[str, str]:
        """Return it as ONNX metadata: whole under one key, and under others what people look for."""
        return {
            _KEY: json.dumps(self.to_dict()),
            "hebbstream_version": self.hebbstream_version,
            "preset": self.preset or "",
            "samples_seen": str(self.samples_seen),
            "precision": self.precision,
            "classes": json.dumps(list(self.classes)),
            "input": str(self.input),
        }

    @classmethod
    def from_properties(cls, properties: dict[str, str]) -> "Contract":
        """Read the metadata of a model.

        Raises
        ------
        CorruptModelError
            If hebbstream did not write it.
        """
        if _KEY not in properties:
            raise CorruptModelError("a model of other origin: expected one that hebbstream wrote")
        try:
            values = json.loads(properties[_KEY])
        except (ValueError, RecursionError) as error:
            raise CorruptModelError(f"model with a damaged description ({error})") from error
        return cls.from_dict(values)


def label_in_json(label: Any) -> Any:
    """Return a label as JSON can hold it: numbers, strings and truth values as they are, anything else as its text.

    Infinity is among the rest: JSON has no word for it.

    Examples
    --------
    >>> label_in_json(3), label_in_json(("a", 1))
    (3, "('a', 1)")
    """
    value = label.item() if hasattr(label, "item") else label
    return value if isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)) else str(value)


def _check(contract: Contract) -> None:
    numbers = [contract.input.channels, contract.features, *contract.layers]
    numbers += [side for side in (contract.input.height, contract.input.width) if side is not None]
    if any(type(number) is not int or number < 1 for number in numbers):  # a truth value is an `int`, too
        raise ValueError(f"sizes {numbers}: expected positive integers")
    if type(contract.samples_seen) is not int or contract.samples_seen < 0:
        raise ValueError(f"samples_seen={contract.samples_seen!r}: expected 0 or a positive integer")
    if any(label != label_in_json(label) for label in contract.classes):  # none, or NaN, is no label
        raise ValueError(f"classes {list(contract.classes)}: expected texts and numbers")
    texts = contract.hebbstream_version, "" if contract.preset is None else contract.preset
    if any(type(text) is not str for text in texts):
        raise ValueError(f"hebbstream_version and preset {texts}: expected texts")
    if len(set(contract.classes)) < len(contract.classes):
        raise ValueError(f"classes {list(contract.classes)}: expected each once")
    outputs = [("features", "scores", "probabilities")] if contract.classes else [("features",), ("feature_map",)]
    if contract.outputs not in outputs:
        raise ValueError(f"outputs {contract.outputs}: expected {' or '.join(map(str, outputs))}")
    for value, allowed in (
        (contract.input.name, ("frames",)),
        (contract.input.dtype, get_args(InputType)),
        (contract.input.layout, get_args(LayoutName)),
        (contract.precision, get_args(ModelPrecision)),
    ):
        if value not in allowed:
            raise ValueError(f"{value!r}: expected one of {', '.join(allowed)}")
    names, rate = contract.input.channel_names, contract.input.sample_rate
    if names is not None and any(type(name) is not str for name in names):
        raise ValueError(f"channel_names {list(names)}: expected texts")
    if rate is not None and (type(rate) is not int or rate < 1):
        raise ValueError(f"sample_rate={rate!r}: expected a positive integer")
    if isinstance(contract.min_confidence, bool) or not 0 <= contract.min_confidence <= 1:
        raise ValueError(f"min_confidence={contract.min_confidence!r}: expected 0 to 1")
