"""Labels as terms that JSON knows, and back."""

from collections.abc import Hashable
from typing import Any

from hebbstream.errors import LabelError
from hebbstream.probe._inputs import checked_label

_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


def encode_label(label: Hashable) -> list[Any]:
    """Return a label with the name of its type, since JSON would make one of 1, 1.0 and true.

    Raises
    ------
    LabelError
        If it is not a str, int, float or bool.

    Examples
    --------
    >>> encode_label("cat"), encode_label(True)
    (['str', 'cat'], ['bool', True])
    """
    value = label.item() if hasattr(label, "item") else label  # a NumPy scalar equals its Python value
    name = type(value).__name__
    if name not in _TYPES:
        raise LabelError(f"label {label!r}: a checkpoint holds str, int, float and bool labels")
    return [name, value]


def decode_label(encoded: list[Any]) -> Hashable:
    """Return the label that `encode_label` was given.

    Raises
    ------
    ValueError
        If it is not what `encode_label` returns.

    Examples
    --------
    >>> decode_label(["str", "cat"])
    'cat'
    """
    name, value = encoded
    if type(value) is not _TYPES.get(name):
        raise ValueError(f"label {encoded!r}: expected the name of its type, of {', '.join(_TYPES)}, and the label")
    return checked_label(value)


def encode_name(name: Hashable) -> list[Any]:
    """Return a feature's name as `encode_label` does a label; ``None`` and tuples of names are names, too.

    Raises
    ------
    LabelError
        If it is of another type.

    Examples
    --------
    >>> encode_name(("red", 3))
    ['tuple', [['str', 'red'], ['int', 3]]]
    """
    if isinstance(name, tuple):
        return ["tuple", [encode_name(part) for part in name]]
    if name is None:
        return ["None", None]
    try:
        return encode_label(name)
    except LabelError:
        raise LabelError(f"feature name {name!r}: a checkpoint holds str, int, float, bool, None and tuples") from None


def decode_name(encoded: list[Any]) -> Hashable:
    """Return the name that `encode_name` was given.

    Raises
    ------
    ValueError
        If it is not what `encode_name` returns.

    Examples
    --------
    >>> decode_name(["tuple", [["str", "red"], ["int", 3]]])
    ('red', 3)
    """
    kind, value = encoded
    if kind == "tuple":
        return tuple(map(decode_name, value))
    return None if (kind, value) == ("None", None) else decode_label(encoded)


def decode_labels(encoded: list[list[Any]]) -> list[Hashable]:
    """Return the labels of several classes.

    Raises
    ------
    ValueError
        If one is not what `encode_label` returns, or comes twice.
    """
    labels = [decode_label(label) for label in encoded]
    if len(set(labels)) < len(labels):
        raise ValueError(f"labels {labels!r}: expected each of them once")
    return labels
