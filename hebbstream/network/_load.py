"""`load`: the short form of `SoftHebbNet.load`."""

from pathlib import Path

import torch

from hebbstream.network._network import SoftHebbNet


def load(path: str | Path, device: str | torch.device = "cpu") -> SoftHebbNet:
    """Read a network from a file; the short form of `SoftHebbNet.load`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
    >>> SoftHebbNet.from_preset("mnist", width=4).save(path)
    >>> load(path).layers[0].spec.channels
    4
    """
    return SoftHebbNet.load(path, device)
