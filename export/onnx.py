"""`to_onnx`: a network, and optionally its probe, as one ONNX file."""

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx
import torch

from hebbstream._version import __version__
from hebbstream.errors import ConfigurationError
from hebbstream.export.inference import InferenceNet
from hebbstream.files import atomic_write
from hebbstream.network import SoftHebbNet
from hebbstream.probe import OnlineProbe

_OPSET = 18


def to_onnx(
    net: SoftHebbNet,
    path: str | Path,
    probe: Any = None,
    *,
    size: int | tuple[int, int] | None = None,
) -> Path:
    """Write an ONNX model of the network as it is now; the network itself is untouched and may go on learning.

    The model takes ``frames``, float32 in [0, 1] of shape (batch, C, H, W) with any batch, and gives ``features``
    (batch, F) and, with a probe, ``probabilities`` (batch, classes). Its metadata names the library's version, the
    number of samples seen and the classes. Normalisation is folded into the convolutions.

    Parameters
    ----------
    net
        The network.
    path
        File to write, atomically.
    probe
        `OnlineProbe` of any solver, or anything that holds one (``LinearProbe``).
    size
        (height, width) of the frames, or one number for both; ``None`` takes that of the last frame learned.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigurationError
        If no size is given and no frame was learned, or the probe has seen no label.
    ImageSizeError
        If the size is too small for the network.
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> path = to_onnx(net, Path(tempfile.mkdtemp()) / "net.onnx", size=32)
    >>> [output.name for output in onnx.load(path).graph.output]
    ['features']
    """
    height, width = (size, size) if isinstance(size, int) else size or net.frame_size or (0, 0)
    if not height:
        raise ConfigurationError("size=None: expected a size, as this network has not learned from a frame yet")
    net.output_shape(height, width)
    inner = probe if probe is None or isinstance(probe, OnlineProbe) else probe.as_probe()
    if inner is not None and not inner.classes:
        raise ConfigurationError("probe without classes: expected one that has learned from a label")
    names = ["features"] if inner is None else ["features", "probabilities"]
    # Batch 2: a trace at batch 1 may take the batch for a constant.
    example = torch.zeros(2, net.in_channels, height, width, device=net.device)
    with _quiet_exporter():
        program = torch.onnx.export(
            InferenceNet(net, inner).eval(),
            (example,),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["frames"],
            output_names=names,
            dynamic_shapes={"frames": {0: torch.export.Dim("batch", min=1)}},
            verbose=False,
        )
    assert program is not None  # noqa: S101  # what dynamo=True returns
    model = program.model_proto
    _clean(model)
    properties = {
        "hebbstream_version": __version__,
        "samples_seen": str(net.samples_seen),
        "input": f"frames: float32, 0 to 1, (batch, {net.in_channels}, {height}, {width})",
    }
    if inner is not None:
        properties["classes"] = json.dumps([str(label) for label in inner.classes])
    onnx.helper.set_model_props(model, properties)
    with atomic_write(path) as temporary:
        onnx.save_model(model, temporary)
        # By path, so that models over protobuf's 2 GB in memory are refused by onnx itself with its own reason.
        onnx.checker.check_model(str(temporary), full_check=True)
    return Path(path)


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Hold back what torch's exporter says of its own internals, such as a torchvision that nobody needs."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _clean(model: onnx.ModelProto) -> None:
    """Remove what the exporter notes about this machine: source files and lines in every node."""
    model.producer_name, model.producer_version = "hebbstream", __version__
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del value.metadata_props[:]
        value.doc_string = ""
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.doc_string = ""
    model.graph.name = "hebbstream"
