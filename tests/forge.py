"""Checkpoints with other contents than were saved, and the checksum that those would have."""

import json

from safetensors import safe_open
from safetensors.torch import save_file

from hebbstream._container import _checksum


def contents(path):
    """The header and the tensors of a checkpoint."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["hebbstream"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict


def rewrite(path, change):
    """Save a checkpoint again after `change` of its header and its tensors."""
    header, tensors = contents(path)
    change(header, tensors)
    header.pop("crc32", None)
    header["crc32"] = _checksum(header, tensors)
    save_file(tensors, path, metadata={"hebbstream": json.dumps(header)})
