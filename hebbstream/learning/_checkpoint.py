"""Checkpoints: everything needed to go on bit for bit, in one safetensors file with a JSON header."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hebbstream._files import atomic_write
from hebbstream._version import __version__
from hebbstream.errors import (
    CheckpointNotFoundError,
    CheckpointVersionError,
    ConfigurationError,
    CorruptCheckpointError,
)
from hebbstream.network._network import SoftHebbNet
from hebbstream.network._spec import LayerSpec
from hebbstream.probe import OnlineProbe, Replay
from hebbstream.probe._solvers import as_online_probe, probe_from_state

FORMAT = 1
_HEADER = "hebbstream"


class SavedProbe(Protocol):
    """A probe that a checkpoint can hold: one that shows the `OnlineProbe` inside it."""

    def as_probe(self) -> OnlineProbe:
        """Return the probe that holds everything learned."""
        ...


@dataclass(slots=True)
class Counters:
    """How far a run has come.

    Parameters
    ----------
    position
        Samples taken from the stream.
    scored
        Labelled samples that a probe predicted before learning from them.
    correct
        How many of those predictions were right.
    """

    position: int = 0
    scored: int = 0
    correct: int = 0


@dataclass(slots=True)
class Checkpoint:
    """What a checkpoint file holds: the network, the run's counters, and what there was of probe, callbacks and replay."""

    net: SoftHebbNet
    probe: OnlineProbe | None = None
    counters: Counters = field(default_factory=Counters)
    callbacks: dict[str, Any] = field(default_factory=dict)
    replay: Replay | None = None


def save_checkpoint(
    path: str | Path,
    net: SoftHebbNet,
    probe: OnlineProbe | SavedProbe | None = None,
    counters: Counters | None = None,
    callbacks: Mapping[str, Any] | None = None,
    replay: Replay | None = None,
) -> None:
    """Write a network, and optionally a probe, counters, the state of callbacks and a replay, to `path`, atomically.

    Raises
    ------
    OutputError
        If the file cannot be written; an earlier file at `path` is then untouched.
    LabelError
        If a class is not a str, int, float or bool.

    Examples
    --------
    >>> import tempfile
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> save_checkpoint(path, net, counters=Counters(position=7))
    >>> load_checkpoint(path).counters.position
    7
    """
    tensors = _net_tensors(net)
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": __version__,
        "layers": [asdict(layer.spec) for layer in net.layers],
        "in_channels": net.in_channels,
        "input_size": net.input_size,
        "input_range": net.input_range,
        "mirror": net.mirror,
        "frame_size": net.frame_size,
        "seed": net.seed,
        "preset": net.preset,
        "samples_seen": net.samples_seen,
        "counters": asdict(counters or Counters()),
        "callbacks": dict(callbacks or {}),
        "probe": None,
        "replay": None,
    }
    inner = as_online_probe(probe, "checkpoint")
    if inner is not None:
        state = inner.state_dict()
        tensors |= {f"probe.{name}": tensor for name, tensor in state.pop("tensors").items()}
        header["probe"] = state.pop("options") | state
    if replay is not None:
        state = replay.state_dict()
        tensors |= {f"replay.{name}": tensor for name, tensor in state.pop("tensors").items()}
        header["replay"] = {"options": state.pop("options"), "classes": state.pop("classes"), "state": state}
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header["crc32"] = _checksum(tensors)
    with atomic_write(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={_HEADER: json.dumps(header)})
        except SafetensorError as error:
            raise OSError(str(error)) from error


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Read a checkpoint.

    Raises
    ------
    CheckpointNotFoundError
        If there is no file.
    CorruptCheckpointError
        If it is damaged, or no hebbstream checkpoint.
    CheckpointVersionError
        If its format is not the one this version reads.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointNotFoundError(f"no checkpoint at {path}")
    header, tensors = _read(path)
    if header.get("format") != FORMAT:
        raise CheckpointVersionError(
            f"{path}: checkpoint format {header.get('format')!r} (hebbstream {header.get('version', '?')}); "
            f"hebbstream {__version__} reads format {FORMAT}"
        )
    if _checksum(tensors) != header.get("crc32"):
        raise CorruptCheckpointError(f"{path}: damaged checkpoint (its checksum does not match its contents)")
    try:
        net = _build_net(header, tensors, torch.device(device))
        probe = _build_probe(header["probe"], tensors, torch.device(device))
        replay = _build_replay(header.get("replay"), tensors)  # earlier checkpoints have none
        return Checkpoint(net, probe, Counters(**header["counters"]), header.get("callbacks", {}), replay)
    except (
        ArithmeticError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        ConfigurationError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptCheckpointError(f"{path}: checkpoint with an inconsistent header ({reason})") from error


def load(path: str | Path, device: str | torch.device = "cpu") -> SoftHebbNet:
    """Read the network from a checkpoint; see `load_checkpoint` for the probe and the counters as well.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "run.safetensors"
    >>> SoftHebbNet.from_preset("mnist", width=4, seed=3).save(path)
    >>> load(path).seed
    3
    """
    return load_checkpoint(path, device).net


def _net_tensors(net: SoftHebbNet) -> dict[str, Tensor]:
    tensors = {"random_state": net.generator.get_state()}
    for index, layer in enumerate(net.layers):
        tensors[f"layers.{index}.weight"] = layer.weight
        tensors[f"layers.{index}.samples_learned"] = layer.samples_learned
        tensors[f"layers.{index}.update_peak"] = layer.update_peak
        tensors[f"layers.{index}.opening"] = layer.opening
        if layer.norm is not None:
            tensors |= {f"layers.{index}.norm.{name}": tensor for name, tensor in layer.norm.named_buffers()}
    return tensors


def _build_net(header: dict[str, Any], tensors: dict[str, Tensor], device: torch.device) -> SoftHebbNet:
    specs = [LayerSpec.from_dict(values) for values in header["layers"]]
    size, value_range = header["input_size"], header["input_range"]
    # Shapes are compared before any memory is asked for: a header must not be able to ask for more than its file has.
    net = SoftHebbNet(
        specs,
        header["in_channels"],
        input_size=None if size is None else tuple(size),
        input_range=None if value_range is None else tuple(value_range),
        mirror=header.get("mirror", False),
        seed=header["seed"],
        device="meta",
    )
    for name, blank in _net_tensors(net).items():
        if name.endswith(".opening"):  # earlier checkpoints have none
            tensors.setdefault(name, torch.zeros(2))
        if name not in tensors or tensors[name].shape != blank.shape or tensors[name].dtype != blank.dtype:
            found = f"{tuple(tensors[name].shape)}" if name in tensors else "nothing"
            raise CorruptCheckpointError(f"checkpoint tensor {name}: expected {tuple(blank.shape)}, found {found}")
    net.to_empty(device=device)
    for name, target in _net_tensors(net).items():
        if name != "random_state":
            target.copy_(tensors[name])
    net.generator.set_state(tensors["random_state"])
    net.samples_seen = header["samples_seen"]
    net.preset = header.get("preset")  # earlier checkpoints have none
    net.frame_size = None if header["frame_size"] is None else tuple(header["frame_size"])
    return net


def _build_probe(header: dict[str, Any] | None, tensors: dict[str, Tensor], device: torch.device) -> OnlineProbe | None:
    if header is None:
        return None
    options = dict(header)
    state = {name: options.pop(name) for name in ("classes", "steps")}
    state["solver"] = options.pop("solver", "gradient")  # before there were others, none was named
    if state["solver"] == "gradient":
        options.setdefault("optimizer", "adam")  # likewise
    return probe_from_state(state | {"options": options, "tensors": _part(tensors, "probe.")}, device)


def _build_replay(header: dict[str, Any] | None, tensors: dict[str, Tensor]) -> Replay | None:
    if header is None:
        return None
    options = header["options"]
    options = {"weight": 1 / options["per_sample"]} | options  # what earlier checkpoints do not say
    if "every" in options:  # its name in earlier checkpoints
        options["every_samples"] = options.pop("every")
    state = header["state"] | {"options": options, "classes": header["classes"]}
    return Replay.from_state(state | {"tensors": _part(tensors, "replay.")})


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        header = json.loads(metadata[_HEADER])
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptCheckpointError(f"{path}: damaged, or not a checkpoint ({str(error).splitlines()[0]})") from error
    except KeyError:
        raise CorruptCheckpointError(f"{path}: a safetensors file, but not a hebbstream checkpoint") from None
    if not isinstance(header, dict):
        raise CorruptCheckpointError(f"{path}: checkpoint header is a {type(header).__name__}, expected an object")
    return header, tensors


def _checksum(tensors: dict[str, Tensor]) -> int:
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data, crc)
    return crc
