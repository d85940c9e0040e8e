"""New models while learning goes on: each a file of its own, named by a manifest that is replaced in one step."""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import torch
from torch import Tensor

from hebbstream._files import atomic_write, check_writable, expanded_path
from hebbstream._numbers import check_number
from hebbstream.errors import ConfigurationError, HebbstreamError
from hebbstream.export._follow import read_manifest
from hebbstream.export._options import FRAMES, ExportOptions, Options
from hebbstream.export._runtime import import_runtime
from hebbstream.export._to_onnx import Exported, export_model, make_model
from hebbstream.learning._callback import Callback, Step
from hebbstream.network._network import SoftHebbNet
from hebbstream.probe._solvers import as_online_probe

if TYPE_CHECKING:
    from hebbstream.learning._learner import Learner

log = logging.getLogger("hebbstream.export")
_SAMPLE = 64


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
    net
        As of `to_onnx`.
    manifest
        JSON file to write, such as ``net.json``; models become ``net-000001000-….onnx`` after 1,000 samples, with the
        first eight digits of their SHA-256. It holds the contract, the name, size and SHA-256 of the model, and when it was
        written.
    probe
        As of `to_onnx`.
    kept
        Models to keep, at least 2: a reader may be about to open the one before.
    **options
        As of `to_onnx`.

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
    >>> from pathlib import Path
    >>> from hebbstream import SoftHebbNet
    >>> folder = Path(tempfile.mkdtemp())
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> model = publish(net, folder / "net.json", size=32)
    >>> model.match("net-000000000-????????.onnx")
    True
    >>> sorted(folder.iterdir()) == [model, folder / "net.json"]
    True
    """
    manifest = _checked(manifest, kept)
    return _write(export_model(net, probe, **options), manifest, kept)


class ExportEvery(Callback):
    """Publish what a learner has learned, after every `every_samples` samples and at the end; see `publish`.

    Models have the labels of the learner's probe once it has seen one; with a replay, each has a probe that has learned the kept
    frames anew (`Learner.refit_probe`), which takes a forward pass of each. A model that cannot be written is reported by
    the log, and learning goes on.

    Parameters
    ----------
    manifest
        As of `publish`.
    every_samples
        Samples between models.
    kept, **options
        As of `publish`. Frames for lower precision are 64 of all that were learned, drawn at random, unless `frames`
        gives others.

    Raises
    ------
    ConfigurationError
        If the options cannot work: at once, or before the first sample where it is the network that they do not fit.
    OutputError
        Before the first sample, if there is nowhere to write.

    Examples
    --------
    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from hebbstream import SoftHebbNet, learn
    >>> folder = Path(tempfile.mkdtemp())
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> export = ExportEvery(folder / "net.json", every_samples=3)
    >>> _ = learn(net, torch.rand(7, 3, 32, 32), callbacks=[export], progress=False)
    >>> sorted(file.name[:13] for file in folder.iterdir())
    ['net-000000006', 'net-000000007', 'net.json']
    """

    def __init__(
        self, manifest: str | Path, *, every_samples: int = 10_000, kept: int = 2, **options: Unpack[ExportOptions]
    ) -> None:
        check_number("every_samples", every_samples)
        self.manifest = _checked(manifest, kept)
        self.every_samples = every_samples
        self.kept = kept
        self.models = 0
        """Written so far."""
        self._sample: list[Any] = []
        self._came = 0  # frames that the sample is of
        self._random = np.random.default_rng(0)
        chosen = Options(**options)
        # Frames that can be read only once have to do for every model.
        frames = self._sample if chosen.frames is None else [*islice(chosen.frames, FRAMES)]
        self._options = replace(chosen, frames=frames)
        self._labels = False
        self._published_at = 0  # samples

    def on_start(self, learner: "Learner") -> None:
        """Find out now what would fail later."""
        self._published_at = learner.net.samples_seen
        check_writable(self.manifest)
        self._options.check_for(learner.net)
        if self._options.precision != "float32":
            import_runtime()
        self._labels = not self._options.feature_map
        try:
            as_online_probe(learner.probe, "model")
        except ConfigurationError as error:
            log.warning("%s; models give features alone", error)
            self._labels = False

    def on_step(self, learner: "Learner", step: Step) -> None:  # noqa: ARG002
        """Keep a frame that lower precision may need: of all that came, each is as likely as any other."""
        if self._options.precision == "float32" or self._options.frames is not self._sample:
            return
        x = step.sample.x
        if self._sample and np.shape(self._sample[0]) != np.shape(x):  # a model is for frames of one size
            self._sample.clear()
            self._came = 0
        self._came += 1
        place = len(self._sample) if len(self._sample) < _SAMPLE else int(self._random.integers(self._came))
        if place < _SAMPLE:
            self._sample[place : place + 1] = [x.clone() if isinstance(x, Tensor) else x.copy()]  # may be reused

    def on_end(self, learner: "Learner") -> None:
        """Publish what was learned since."""
        self.on_pause(learner)

    def on_pause(self, learner: "Learner") -> None:
        """Publish."""
        samples = learner.net.samples_seen
        if samples == self._published_at:
            return
        try:
            probe = learner.refit_probe(progress=False) if self._labels else None
            _write(make_model(learner.net, probe, self._options), self.manifest, self.kept)
        except HebbstreamError as error:
            log.error("%s; learning goes on, the last model is kept", error)  # no traceback
        else:
            self._published_at = samples
            self.models += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the frames for lower precision, so that a resumed run is not calibrated on its own first ones alone."""
        if not self._sample:
            return {}
        # Not in one tensor: integers and floating-point numbers mean different ranges.
        frames = {str(place): torch.as_tensor(frame).cpu() for place, frame in enumerate(self._sample)}
        return {"frames": frames, "came": self._came, "random": self._random.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        frames = state["frames"]
        self._sample[:] = (frames[str(place)].clone() for place in range(len(frames)))  # the file may change
        self._came = state["came"]
        self._random.bit_generator.state = state["random"]

    def __repr__(self) -> str:
        return f"ExportEvery({str(self.manifest)!r}, every_samples={self.every_samples}, models={self.models})"


def _checked(manifest: str | Path, kept: int) -> Path:
    check_number("kept", kept)
    if kept < 2:
        raise ConfigurationError(f"kept={kept}: expected at least 2 models")
    path = expanded_path(manifest)
    if path.suffix != ".json":
        raise ConfigurationError(f"manifest {str(manifest)!r}: expected a name that ends in .json")
    return path


def _write(exported: Exported, manifest: Path, kept: int) -> Path:
    checksum = hashlib.sha256(exported.data).hexdigest()
    # Another model of as many samples has another name: until the manifest is replaced, it names the one before.
    model = manifest.with_name(f"{manifest.stem}-{exported.contract.samples_seen:09}-{checksum[:8]}.onnx")
    with atomic_write(model) as temporary:
        temporary.write_bytes(exported.data)
    described = exported.contract.to_dict() | {
        "model": model.name,
        "sha256": checksum,
        "bytes": len(exported.data),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    before = _named_by(manifest)
    with atomic_write(manifest) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    _remove_old(manifest, model, before, kept)
    return model


def _named_by(manifest: Path) -> Any:
    with suppress(HebbstreamError):
        return read_manifest(manifest)[1].get("model")
    return None


def _remove_old(manifest: Path, newest: Path, before: Any, kept: int) -> None:
    """Remove all but the latest models; a file that cannot be looked at or removed stays, as all that matters is done."""
    ours = re.compile(re.escape(manifest.stem) + r"-\d{9,}(-[0-9a-f]{8})?\.onnx")  # older ones have no checksum
    models = {}
    with suppress(OSError):  # a folder that may be written to, but not be read
        for file in manifest.parent.iterdir():
            if ours.fullmatch(file.name) and file != newest:
                with suppress(OSError):  # removed by another, or a link to nothing
                    models[file] = (file.name == before, file.stat().st_mtime)  # a clock may have gone back
    for file in sorted(models, key=models.__getitem__, reverse=True)[kept - 1 :]:
        with suppress(OSError):
            file.unlink()
