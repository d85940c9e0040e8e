"""From the formats of earlier versions to today's, one step at a time.

A new format gets the next number, and a function here that makes its state from that of the one before.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

State = dict[str, Any]

FORMAT = 2


def upgrade(state: State, found: int) -> State:
    """Return state of a format up to `FORMAT` as it would be in that one."""
    for number in range(found, FORMAT):
        state = _FROM[number](state)
    return state


def checksum_of_format_1(tensors: Mapping[str, Tensor]) -> int:
    """Return the checksum that a header of format 1 states: over the values of the tensors alone."""
    crc = 0
    for name in sorted(tensors):
        crc = zlib.crc32(tensors[name].contiguous().view(-1).view(torch.uint8).numpy().data, crc)
    return crc


def _from_1(old: State) -> State:
    """Format 1 had one flat header, tensors by dotted names, and weights as (K, C, k, k)."""

    def named(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in old.items() if name.startswith(prefix)}

    layers = {}
    for name, tensor in named("layers.").items():
        index, _, rest = name.partition(".")
        if rest == "weight":
            rest, tensor = "weight_matrix", tensor.permute(0, 2, 3, 1).flatten(1).contiguous()
        layers[f"_layers.{index}.{rest}"] = tensor
    for number in range(len(old["layers"])):  # the first files have no openings, nor what `.get` asks for below
        layers.setdefault(f"_layers.{number}.opening", torch.zeros(2, dtype=torch.float32, device="cpu"))
    extra = [old["samples_seen"], *(old["frame_size"] or (0, 0))]
    config = ("layers", "in_channels", "input_size", "input_range", "seed")
    state: State = {
        "network": {
            "config": {name: old[name] for name in config}
            | {"mirror": old.get("mirror", False), "preset": old.get("preset")},
            "tensors": {**layers, "_extra_state": torch.tensor(extra, dtype=torch.int64, device="cpu")},
        },
        "counters": old["counters"],
        "callbacks": old.get("callbacks", {}),
    }
    if old["probe"] is not None:
        options = {"solver": "gradient", "optimizer": "adam", **old["probe"]}
        known = {name: options.pop(name) for name in ("solver", "steps", "classes")}
        state["probe"] = known | {"options": options, "names": [], "tensors": named("probe.")}
    if old.get("replay") is not None:
        kept, options = old["replay"], dict(old["replay"]["options"])
        options["every_samples"] = options.pop("every")
        state["replay"] = kept["state"] | {"options": options, "classes": kept["classes"], "tensors": named("replay.")}
    return state


_FROM: dict[int, Callable[[State], State]] = {1: _from_1}
