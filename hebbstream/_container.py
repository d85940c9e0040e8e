"""A file for nested state: JSON terms in a header, tensors beside it, and a checksum over both.

It knows no class. State is a dict of dicts, at whose ends are JSON terms or tensors; a tensor is named in the file by
the keys on the way to it, joined by slashes: ``network/tensors/layers.0.weight_matrix``. A slash within a key is escaped.
"""

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hebbstream._files import atomic_write, expanded_path
from hebbstream._quote import first_line
from hebbstream._upgrades import FORMAT, checksum_of_format_1, upgrade
from hebbstream._version import __version__
from hebbstream.errors import (
    CheckpointNotFoundError,
    CheckpointVersionError,
    ConfigurationError,
    CorruptCheckpointError,
)

_HEADER, _CHECKSUM = "hebbstream", "crc32"

State = dict[str, Any]


def write_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write state to a file, atomically.

    Raises
    ------
    OutputError
        If the file cannot be written; an earlier file at `path` is then untouched.
    ConfigurationError
        If the state holds something else.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.safetensors"
    >>> write_state(path, {"place": {"name": "yard", "map": torch.ones(2)}})
    >>> read_state(path)
    {'place': {'name': 'yard', 'map': tensor([1., 1.])}}
    """
    tensors: dict[str, Tensor] = {}
    header = {"format": FORMAT, "version": __version__, **_without_tensors(state, "", tensors)}
    header[_CHECKSUM] = _checksum(header, tensors)
    with atomic_write(path) as temporary:
        try:
            # One entry: of several the order would differ from file to file.
            save_file(tensors, temporary, metadata={_HEADER: json.dumps(header)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def check_state(state: Mapping[str, Any]) -> None:
    """Refuse state that could not be written.

    Raises
    ------
    ConfigurationError
        If it holds something else than JSON terms and tensors.

    Examples
    --------
    >>> check_state({"place": {"name": "yard", "map": torch.ones(2)}})
    """
    _without_tensors(state, "", {})


def read_state(path: str | Path) -> State:
    """Read what `write_state` wrote, now or in an earlier format; its tensors lie in memory of their own.

    Raises
    ------
    CheckpointNotFoundError
        If there is no file.
    CorruptCheckpointError
        If it is damaged, or was written by something else.
    CheckpointVersionError
        If its format is one that this version does not read.
    """
    path = expanded_path(path)
    if not os.path.isfile(path):  # noqa: PTH113  # `Path.is_file` raises for a name that is too long
        raise CheckpointNotFoundError(f"no checkpoint at {path}")
    metadata, tensors = _read(path)
    header = _header(path, metadata)
    found = header.get("format")
    if not isinstance(found, int) or not 1 <= found <= FORMAT:
        raise CheckpointVersionError(
            f"{path}: checkpoint format {found!r} (hebbstream {header.get('version', '?')}); "
            f"hebbstream {__version__} reads formats 1 to {FORMAT}"
        )
    with inconsistent(path):
        stated = header.pop(_CHECKSUM, None)
        if stated != (checksum_of_format_1(tensors) if found == 1 else _checksum(header, tensors)):
            raise CorruptCheckpointError(f"{path}: damaged checkpoint (its checksum does not match its contents)")
        return upgrade(_with_tensors(header, tensors), found)


@contextmanager
def inconsistent(path: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong while state is taken over into a `CorruptCheckpointError` that names the file.

    What another version has written is not damaged: it is a `CheckpointVersionError`.
    """
    try:
        yield
    except CorruptCheckpointError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        written_by = _written_by(expanded_path(path))
        if written_by != __version__:
            raise CheckpointVersionError(
                f"{path}: checkpoint of hebbstream {written_by}, which {__version__} cannot read "
                f"({first_line(error)}): expected hebbstream {written_by}"
            ) from error
        raise CorruptCheckpointError(f"{path}: checkpoint with an inconsistent header ({first_line(error)})") from error


def _plain(value: Any) -> Any:
    """Return NumPy's numbers as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON term")


def _without_tensors(state: Mapping[str, Any], prefix: str, tensors: dict[str, Tensor]) -> State:
    terms: State = {}
    for key, value in state.items():
        if not isinstance(key, str):  # JSON would make it one
            raise ConfigurationError(f"state {prefix}{key!r}: expected a str for a key")
        name = prefix + key.replace("%", "%25").replace("/", "%2F")
        if isinstance(value, Tensor):
            if value.layout is not torch.strided:
                raise ConfigurationError(f"state {name}: sparse tensor; expected a dense one, such as its to_dense()")
            tensor = value.detach().cpu().contiguous()
            shared = any(
                tensor.untyped_storage().data_ptr() == each.untyped_storage().data_ptr() for each in tensors.values()
            )
            tensors[name] = tensor.clone() if shared else tensor
        elif isinstance(value, Mapping):
            terms[key] = _without_tensors(value, f"{name}/", tensors)
        else:
            terms[key] = _in_json(value, name)
    return terms


def _in_json(value: Any, name: str) -> Any:
    """Return a value as it will be read again."""
    try:
        return json.loads(json.dumps(value, default=_plain))
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"state {name}: {error}; expected JSON terms and tensors") from error


def _with_tensors(header: State, tensors: Mapping[str, Tensor]) -> State:
    for name, tensor in tensors.items():
        *way, last = (key.replace("%2F", "/").replace("%25", "%") for key in name.split("/"))
        place = header
        for key in way:
            place = place.setdefault(key, {})
        place[last] = tensor
    return {key: value for key, value in header.items() if key not in ("format", "version")}


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            # Copies: a tensor of the file is a view of it, which changes, or ends the process, when the file does.
            names = file.keys()
            return file.metadata() or {}, {name: file.get_tensor(name).clone() for name in names}
    except (SafetensorError, OSError, ValueError) as error:
        if path.suffix == ".onnx":
            raise CorruptCheckpointError(
                f"{path}: an exported model: expected the checkpoint that it was made of"
            ) from error
        raise CorruptCheckpointError(f"{path}: damaged, or not a checkpoint ({first_line(error)})") from error


def _header(path: Path, metadata: Mapping[str, str]) -> State:
    if _HEADER not in metadata:
        raise CorruptCheckpointError(f"{path}: a safetensors file, but not a hebbstream checkpoint")
    try:
        header = json.loads(metadata[_HEADER])
    except (ValueError, RecursionError) as error:
        raise CorruptCheckpointError(f"{path}: damaged, or not a checkpoint ({error})") from error
    if not isinstance(header, dict):
        raise CorruptCheckpointError(f"{path}: checkpoint header is a {type(header).__name__}, expected an object")
    return header


def _written_by(path: Path) -> str:
    metadata, _ = _read(path)
    return str(_header(path, metadata).get("version", __version__))


def _checksum(header: State, tensors: Mapping[str, Tensor]) -> int:
    crc = zlib.crc32(json.dumps(header).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        crc = zlib.crc32(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode(), crc)
        crc = zlib.crc32(tensor.contiguous().view(-1).view(torch.uint8).numpy().data, crc)
    return crc
