"""New models while learning goes on: each a file of its own, named by a manifest that is replaced in one step."""

import hashlib
import json
import logging
import re
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Unpack

from torch import Tensor

from hebbstream._files import atomic_write, check_writable
from hebbstream.errors import ConfigurationError, OutputError, PrecisionError
from hebbstream.export._to_onnx import ExportOptions, export_model
from hebbstream.learning._callback import Callback, Step
from hebbstream.learning._report import Report
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe import as_online_probe

log = logging.getLogger("hebbstream.onnx")
_RECENT = 64


def publish(
    net: SoftHebbNet,
    manifest: str | Path,
    probe: Any = None,
    *,
    kept: int = 2,
    **options: Unpack[ExportOptions],
) -> Path:
    """Write the network as it is now beside a manifest, and let the manifest name it.

    Whoever reads the manifest finds a whole model under that name: the model is flushed to disk before the manifest is
    replaced, and stays for as long as it is among the latest `kept`.

    Parameters
    ----------
    net, probe, **options
        As of `to_onnx`.
    manifest
        JSON file to write, such as ``net.json``; models become ``net-000001000.onnx`` after 1,000 samples. It holds
        the contract, the name, size and SHA-256 of the model, and when it was written.
    kept
        Models to keep, at least 2: a reader may be about to open the one before.

    Returns
    -------
    Path
        Of the model.

    Raises
    ------
    ConfigurationError, ImageSizeError, PrecisionError, OutputError
        As of `to_onnx`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> publish(net, folder / "net.json", size=32).name
    'net-000000000.onnx'
    >>> sorted(file.name for file in folder.iterdir())
    ['net-000000000.onnx', 'net.json']
    """
    manifest = _checked(manifest, kept)
    exported = export_model(net, probe, **options)
    model = manifest.with_name(f"{manifest.stem}-{net.samples_seen:09}.onnx")
    with atomic_write(model) as temporary:
        temporary.write_bytes(exported.data)
    described = exported.contract.to_dict() | {
        "model": model.name,
        "sha256": hashlib.sha256(exported.data).hexdigest(),
        "bytes": len(exported.data),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with atomic_write(manifest) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    _remove_old(manifest, model, kept)
    return model


class ExportEvery(Callback):
    """Publish the network every so many samples, and at the end; see `publish`.

    A model that cannot be written is reported by the log, and learning goes on.

    Parameters
    ----------
    manifest, kept, **options
        As of `publish`. Frames for lower precision are the last 64 learned, unless `frames` gives others.
    every
        Samples between models.
    probe
        That learns with the network; models have scores once it has seen a label.

    Examples
    --------
    >>> import tempfile, torch
    >>> from hebbstream import SoftHebbNet, learn
    >>> folder = Path(tempfile.mkdtemp())
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = learn(net, torch.rand(7, 3, 32, 32), callbacks=[ExportEvery(folder / "net.json", 3)], progress=False)
    >>> sorted(file.name for file in folder.iterdir())
    ['net-000000006.onnx', 'net-000000007.onnx', 'net.json']
    """

    def __init__(
        self, manifest: str | Path, every: int, probe: Any = None, *, kept: int = 2, **options: Unpack[ExportOptions]
    ) -> None:
        if every < 1:
            raise ConfigurationError(f"every={every}: expected a positive number of samples")
        self.manifest = _checked(manifest, kept)
        self.every_samples = every
        self.probe = probe
        self.kept = kept
        self.options = options
        self.models = 0
        """Written so far."""
        self._recent: deque[Any] = deque(maxlen=_RECENT)
        self._net: SoftHebbNet | None = None
        self._written_at: int | None = None

    def on_start(self, learner: Any) -> None:
        """Find out now whether the manifest can be written."""
        check_writable(self.manifest)
        self._net = learner.net

    def __call__(self, step: Step) -> None:
        """Keep a frame that lower precision may need."""
        if self.options.get("precision", "float32") != "float32" and self.options.get("frames") is None:
            x = step.sample.x
            self._recent.append(x.clone() if isinstance(x, Tensor) else x.copy())  # a camera may reuse its memory

    def on_pause(self) -> None:
        """Publish."""
        self._publish()

    def on_end(self, report: Report) -> None:  # noqa: ARG002
        """Publish what was learned since."""
        self._publish()

    def _publish(self) -> None:
        net = self._net
        if net is None or net.samples_seen in (0, self._written_at):
            return
        probe = as_online_probe(self.probe, "model")
        options: ExportOptions = {"frames": list(self._recent), **self.options} if self._recent else self.options
        labelled = probe if probe is not None and probe.classes else None
        try:
            publish(net, self.manifest, labelled, kept=self.kept, **options)
        except (OutputError, PrecisionError) as error:
            log.error("%s; learning goes on, the last model is kept", error)  # no traceback
        else:
            self._written_at = net.samples_seen
            self.models += 1


def _checked(manifest: str | Path, kept: int) -> Path:
    if kept < 2:
        raise ConfigurationError(f"kept={kept}: expected at least 2 models")
    if Path(manifest).suffix != ".json":
        raise ConfigurationError(f"manifest {str(manifest)!r}: expected a name that ends in .json")
    return Path(manifest)


def _remove_old(manifest: Path, newest: Path, kept: int) -> None:
    ours = re.compile(re.escape(manifest.stem) + r"-\d{9,}\.onnx")
    models = [file for file in manifest.parent.iterdir() if ours.fullmatch(file.name) and file != newest]
    for file in sorted(models, key=lambda file: file.stat().st_mtime, reverse=True)[kept - 1 :]:
        with suppress(OSError):
            file.unlink()
