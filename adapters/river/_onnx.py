"""`OnnxTransformer`: an exported model as a river transformer."""

from typing import TYPE_CHECKING, Any

import torch
from river import base
from torch import Tensor

from hebbstream.adapters.river._features import Features, data_frame
from hebbstream.adapters.river._frames import bare_image
from hebbstream.export import OnnxExtractor

if TYPE_CHECKING:
    import pandas as pd


class OnnxTransformer(base.MiniBatchTransformer):
    """Features of images by a trained network on ONNX Runtime, as a step of a river pipeline; it learns nothing.

    Parameters
    ----------
    path
        A file that `hebbstream.export.to_onnx` wrote.
    providers, threads
        As of `hebbstream.export.OnnxExtractor`.
    prefix
        Of the features' names.

    Raises
    ------
    ModelNotFoundError, CorruptModelError
        If there is no model, or it is damaged or of other origin.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> import hebbstream as hs
    >>> from hebbstream.adapters.river import LinearProbe
    >>> from hebbstream.export import to_onnx
    >>> net = hs.SoftHebbNet.from_preset("cifar10", width=4)
    >>> path = to_onnx(net, Path(tempfile.mkdtemp()) / "net.onnx", size=32)
    >>> model = OnnxTransformer(str(path)) | LinearProbe()
    >>> model.learn_one(np.zeros((32, 32, 3), np.uint8), "black")
    >>> model.predict_one(np.zeros((32, 32, 3), np.uint8))
    'black'
    """

    def __init__(
        self, path: str, providers: list[str] | None = None, threads: int | None = None, prefix: str = "onnx"
    ) -> None:
        self.path = path
        self.providers = providers
        self.threads = threads
        self.prefix = prefix
        self._extractor = OnnxExtractor(path, providers, threads=threads)

    def transform_one(self, x: Any) -> Features:
        """Return the features of an image, by name."""
        return Features.of(_tensor(self._extractor.transform_one(bare_image(x))), self.prefix)

    def learn_many(self, X: Any) -> None:
        """Do nothing."""

    def transform_many(self, X: Any) -> "pd.DataFrame":
        """Return the features of a batch of images as a DataFrame."""
        return data_frame(_tensor(self._extractor.transform_many(X)).double().cpu().numpy(), self.prefix)


def _tensor(features: Any) -> Tensor:
    # `as_tensor` would move what comes from NumPy to torch's default device.
    return features if isinstance(features, Tensor) else torch.from_numpy(features)
