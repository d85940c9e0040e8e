"""`FollowingExtractor`: goes over to each new model that is published, between two samples."""

import hashlib
import json
import logging
import os
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from hebbstream._files import expanded_path
from hebbstream._numbers import quantity
from hebbstream._quote import quote
from hebbstream.errors import ConfigurationError, CorruptModelError, HebbstreamError, ModelNotFoundError
from hebbstream.export._contract import Contract
from hebbstream.export._extractor import ExtractorOptions, OnnxExtractor, described, in_batches
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.export")

_INHERITED: list[OnnxExtractor] = []
"""Of forked processes: to end a session, whose threads are in another process, would wait for them for good."""


def follow(
    manifest: str | Path,
    providers: Sequence[str] | None = None,
    *,
    every_seconds: float = 1.0,
    **options: Unpack[ExtractorOptions],
) -> "FollowingExtractor":
    """Return an extractor that takes over each new model that a manifest names, between two samples.

    Parameters
    ----------
    manifest
        File that `publish` or ``hebbstream learn --export`` writes beside the models.
    providers
        As of `OnnxExtractor`.
    every_seconds
        Seconds between looks at the manifest.
    **options
        As of `OnnxExtractor`.

    Raises
    ------
    ModelNotFoundError
        If there is no manifest or no model yet.
    CorruptModelError
        If the first model is damaged.

    Examples
    --------
    >>> import tempfile
    >>> import hebbstream as hs
    >>> from hebbstream.export import publish
    >>> manifest = f"{tempfile.mkdtemp()}/net.json"
    >>> _ = publish(hs.SoftHebbNet.from_preset("cifar10", width=4), manifest, size=32)
    >>> with follow(manifest) as extractor:
    ...     extractor.contract.features
    1024
    """
    return FollowingExtractor(manifest, providers, every_seconds=every_seconds, **options)


class FollowingExtractor:
    """An `OnnxExtractor` that is always of the newest good model; made by `follow`.

    A thread looks at the manifest, and reads, checks and warms up what is new. Each call takes the model that is in
    place as it begins and keeps it to its end. One that is damaged, or reads or gives something else, is reported by
    the log once, and the one before stays; one that is missing, or half copied, is looked for again. A copy, or what a
    pickle becomes, follows the manifest by itself, and so does a forked process from its first call on.

    Parameters
    ----------
    manifest, providers, every_seconds, **options
        See `follow`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import hebbstream as hs
    >>> from hebbstream.export import follow, publish
    >>> manifest = f"{tempfile.mkdtemp()}/net.json"
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> _ = publish(net, manifest, size=32)
    >>> frame = np.zeros((32, 32, 3), np.uint8)
    >>> with follow(manifest) as extractor:
    ...     before = extractor.contract.samples_seen
    ...     _ = net.learn_one(frame), publish(net, manifest, size=32)
    ...     _ = extractor.refresh()
    ...     before, extractor.contract.samples_seen, extractor.transform_one(frame).shape
    (0, 1, (1024,))
    """

    def __init__(
        self,
        manifest: str | Path,
        providers: Sequence[str] | None = None,
        *,
        every_seconds: float = 1.0,
        **options: Unpack[ExtractorOptions],
    ) -> None:
        if not 0 < quantity(every_seconds) <= threading.TIMEOUT_MAX:
            raise ConfigurationError(
                f"every_seconds={quote(every_seconds)}: expected a number above 0, up to {threading.TIMEOUT_MAX:g}"
            )
        self.manifest = expanded_path(manifest)
        self.every_seconds = float(every_seconds)  # what waits for a lock takes no other
        self.swaps = 0
        """Models taken over after the first."""
        self.refused = 0
        """Models that were not, or not at once."""
        self._options: dict[str, Any] = {"providers": providers, **options}
        self._seen, named = read_manifest(self.manifest)
        self._reported: str | None = None
        self._current = self._open(*self._model(named))
        self._start()

    def refresh(self) -> bool:
        """Look at the manifest now, and return whether there was a new model that is in place from here on."""
        self._restart_if_forked()
        with self._refreshing:
            try:
                text, named = read_manifest(self.manifest)
            except HebbstreamError as error:
                log.debug("%s", error)  # it may be about to be written
                return False
            if text == self._seen:
                return False
            try:
                path, data = self._model(named)  # missing, or half copied: the next look may find it
                try:
                    new = self._open(path, data, self._current.contract)
                except CorruptModelError:
                    self._seen = text  # it is whole, and will not get better
                    raise
            except Exception as error:
                if text != self._reported:
                    self._reported = text
                    self.refused += 1
                    expected = isinstance(error, HebbstreamError)
                    log.warning("the earlier model is kept: %s", error, exc_info=not expected)
                return False
            self._current = new
            self.swaps += 1
            self._seen = text
            return True

    def close(self) -> None:
        """Stop looking."""
        self._restart_if_forked()
        self._closed.set()
        self._thread.join()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), every_seconds=self.every_seconds, **self._options), (self.manifest,)

    def __repr__(self) -> str:
        return described(self, repr(self.manifest.name))

    def __enter__(self) -> "FollowingExtractor":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def extractor(self) -> OnnxExtractor:
        """The one in place: keep it for as long as several calls have to be of one model."""
        self._restart_if_forked()
        return self._current

    @property
    def contract(self) -> Contract:
        """Of the model in place."""
        return self.extractor.contract

    @property
    def classes(self) -> list[Any]:
        """Of the model in place."""
        return self.extractor.classes

    @property
    def providers(self) -> list[str]:
        """Execution providers in use."""
        return self.extractor.providers

    def transform_one(self, frame: Any) -> Any:
        """See `OnnxExtractor.transform_one`."""
        return self.extractor.transform_one(frame)

    def transform_many(self, frames: Any) -> Any:
        """See `OnnxExtractor.transform_many`."""
        return self.extractor.transform_many(frames)

    def transform_stream(self, stream: Iterable[Any], *, batch: int = 1) -> Iterator[tuple[Sample, Any]]:
        """See `OnnxExtractor.transform_stream`; each batch is of the model in place as it begins."""
        return in_batches(self.transform_many, stream, batch)

    def predict_one(self, frame: Any) -> Hashable | None:
        """See `OnnxExtractor.predict_one`."""
        return self.extractor.predict_one(frame)

    def predict_proba_one(self, frame: Any) -> dict[Hashable, float]:
        """See `OnnxExtractor.predict_proba_one`."""
        return self.extractor.predict_proba_one(frame)

    def predict_proba_many(self, frames: Any) -> Any:
        """See `OnnxExtractor.predict_proba_many`."""
        return self.extractor.predict_proba_many(frames)

    def _model(self, named: dict[str, Any]) -> tuple[Path, bytes]:
        name = named.get("model")
        if not isinstance(name, str) or Path(name).name != name or name in ("", ".", ".."):
            raise CorruptModelError(f"{self.manifest}: model {name!r}, expected the name of a file beside it")
        path = self.manifest.with_name(name)
        try:
            data = path.read_bytes()
        except (OSError, ValueError) as error:  # a name that no file can have is a `ValueError`
            raise ModelNotFoundError(f"no model at {path} ({getattr(error, 'strerror', error)})") from error
        if hashlib.sha256(data).hexdigest() != named.get("sha256"):
            raise CorruptModelError(f"{path}: damaged (its SHA-256 is not the one in {self.manifest.name})")
        return path, data

    def _open(self, path: Path, data: bytes, before: Contract | None = None) -> OnnxExtractor:
        from hebbstream.export._seal import unseal  # with onnx, which takes long

        try:
            if before is not None:
                _check_fits(unseal(data), before)  # not after a first run on a frame of whatever size it reads
            return OnnxExtractor(data, **self._options)
        except CorruptModelError as error:
            raise CorruptModelError(f"{path}: {error}") from error

    def _start(self) -> None:
        self._process = os.getpid()
        self._refreshing = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="hebbstream-follow", daemon=True)
        self._thread.start()

    def _restart_if_forked(self) -> None:
        """Watch anew in a forked process: it has no thread but its own, and a lock that was held stays so in it."""
        if self._process != os.getpid() and not self._closed.is_set():
            _INHERITED.append(self._current)
            self._current = copy(self._current)
            self._start()

    def _watch(self) -> None:
        while not self._closed.wait(self.every_seconds):
            try:
                self.refresh()
            except Exception:  # a thread that ends would go unnoticed
                log.exception("%s could not be followed; the earlier model is kept", self.manifest)


def read_manifest(manifest: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a manifest, and what it says."""
    try:
        text = manifest.read_text(encoding="utf-8")
        named = json.loads(text)
    except OSError as error:
        raise ModelNotFoundError(f"no manifest at {manifest} ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        if manifest.suffix == ".onnx":
            raise CorruptModelError(
                f"{manifest}: a model: expected the manifest, the .json file that names it"
            ) from error
        raise CorruptModelError(f"{manifest}: no JSON ({error})") from error
    if not isinstance(named, dict):
        raise CorruptModelError(f"{manifest}: a JSON {type(named).__name__}, expected an object")
    return text, named


def _check_fits(new: Contract, old: Contract) -> None:
    if new.input != old.input or new.features != old.features or new.outputs[0] != old.outputs[0]:
        raise CorruptModelError(
            f"a model from {new.input} to {new.features} features: expected one from {old.input} to {old.features}"
        )
