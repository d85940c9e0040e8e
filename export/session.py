"""`OnnxExtractor`: run an exported model on ONNX Runtime."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hebbstream.errors import (
    ConfigurationError,
    CorruptCheckpointError,
    MissingDependencyError,
    SourceNotFoundError,
)
from hebbstream.frames import check_frames, to_input
from hebbstream.network import SoftHebbNet


class OnnxExtractor:
    """A trained network on ONNX Runtime, with the same `transform_one` and `transform_many`.

    Parameters
    ----------
    path
        Model written by `to_onnx`.
    providers
        ONNX Runtime execution providers, in order of preference; ``None`` takes CUDA where the installed runtime has
        it, then the CPU. `providers` of the instance tells what is really used.

    Raises
    ------
    MissingDependencyError
        If ONNX Runtime is not installed.
    SourceNotFoundError
        If there is no file.
    CorruptCheckpointError
        If the file is no model that `to_onnx` wrote.

    Examples
    --------
    >>> import tempfile
    >>> import hebbstream as hs
    >>> from hebbstream.export import to_onnx
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> extractor = OnnxExtractor(to_onnx(net, Path(tempfile.mkdtemp()) / "net.onnx", size=32))
    >>> extractor.transform_one(np.zeros((32, 32, 3), dtype=np.uint8)).shape
    (1024,)
    """

    def __init__(self, path: str | Path, providers: Sequence[str] | None = None) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingDependencyError(
                "ONNX Runtime is not installed: pip install 'hebbstream[cpu]', or 'hebbstream[gpu]' beside an NVIDIA driver"
            ) from None
        path = Path(path)
        if not path.is_file():
            raise SourceNotFoundError(f"no model at {path}")
        available = onnxruntime.get_available_providers()
        if providers is None:
            providers = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in available]
        elif unknown := [p for p in providers if p not in available]:
            raise ConfigurationError(f"provider {unknown[0]!r}: this ONNX Runtime has {', '.join(available)}")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise CorruptCheckpointError(f"{path}: not a model ONNX Runtime can read ({_first_line(error)})") from error
        names = [output.name for output in self._session.get_outputs()]
        if not names or names[0] != "features":
            raise CorruptCheckpointError(f"{path}: a model with outputs {names}, not one that hebbstream wrote")
        _, self._channels, height, width = self._session.get_inputs()[0].shape
        self._size = (height, width)
        self.classes: list[str] = json.loads(self._session.get_modelmeta().custom_metadata_map.get("classes", "[]"))
        """Names of the classes, in the order of the probabilities; empty without a probe."""

    @property
    def providers(self) -> list[str]:
        """Execution providers in use."""
        return list(self._session.get_providers())

    def transform_one(self, frame: Any) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return the features of one frame, as `SoftHebbNet.transform_one` takes it; shape (F,)."""
        return self._run("features", frame, single=True)[0]  # type: ignore[no-any-return]

    def transform_many(self, frames: Any) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """Return the features of a batch; shape (B, F)."""
        return self._run("features", frames, single=False)

    def predict_proba_one(self, frame: Any) -> dict[str, float]:
        """Return the probability of every class.

        Raises
        ------
        ConfigurationError
            If the model was exported without a probe.
        """
        if not self.classes:
            raise ConfigurationError("this model was exported without a probe: expected probabilities in it")
        probabilities = self._run("probabilities", frame, single=True)[0]
        return dict(zip(self.classes, probabilities.tolist(), strict=True))

    def _run(self, output: str, frames: Any, *, single: bool) -> "np.ndarray[Any, np.dtype[np.float32]]":
        checked = check_frames(
            frames, single=single, in_channels=self._channels, input_size=self._size, input_range=None
        )
        batch = to_input(checked, torch.device("cpu"))
        return self._session.run([output], {"frames": batch.contiguous().numpy()})[0]  # type: ignore[no-any-return]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def relative_difference(net: SoftHebbNet, extractor: OnnxExtractor, frames: "np.ndarray[Any, Any]") -> float:
    """Return the largest difference of features between torch and ONNX Runtime, relative to each frame's largest feature."""
    expected = net.transform_many(frames).cpu().numpy()
    found = extractor.transform_many(frames)
    return float((np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)).max())
