"""Features in two dimensions, by UMAP (McInnes et al., 2018), and the untrained network to compare with."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream._bar import progress_bar
from hebbstream.errors import ConfigurationError, MissingDependencyError
from hebbstream.network._network import SoftHebbNet
from hebbstream.streams._sample import Sample

FEWEST = 5  # UMAP's spectral start needs more points than dimensions
_NEIGHBOURS = 15  # that each point keeps


def embed(features: "Tensor | np.ndarray[Any, Any]", *, seed: int = 0) -> "np.ndarray[Any, Any]":
    """Lay features out in the plane so that neighbours stay neighbours (Fig. 5A, B).

    The first call in a process takes some ten seconds, in which UMAP is compiled.

    Parameters
    ----------
    features
        Shape (N, F).
    seed
        The same features and seed give the same points.

    Returns
    -------
    ndarray
        Shape (N, 2), float32.

    Raises
    ------
    ConfigurationError
        If `features` is not a matrix of at least five finite rows.
    MissingDependencyError
        If umap-learn is not installed.

    Examples
    --------
    >>> embed(torch.zeros(3, 8))
    Traceback (most recent call last):
    ...
    hebbstream.errors.ConfigurationError: features of shape (3, 8): expected (N, F), N at least 5, all finite
    """
    matrix = np.asarray(features.detach().cpu() if isinstance(features, Tensor) else features, dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) < FEWEST or not np.isfinite(matrix).all():
        raise ConfigurationError(f"features of shape {matrix.shape}: expected (N, F), N at least {FEWEST}, all finite")
    umap = load_umap()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP's own, about disconnected points and the order of reductions
        # One job: with a seed UMAP runs in one thread whatever it is asked for.
        mapper = umap.UMAP(n_neighbors=min(_NEIGHBOURS, len(matrix) - 1), random_state=seed, n_jobs=1)
        points: np.ndarray[Any, Any] = mapper.fit_transform(matrix)
    return points


def load_umap() -> Any:
    """Import UMAP, which takes seconds, or say which extra brings it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns that TensorFlow, which it does not need, is missing
            import umap
    except ImportError:
        raise MissingDependencyError("umap-learn is not installed: pip install 'hebbstream[inspect]'") from None
    return umap


def untrained_twin(net: SoftHebbNet, frames: Iterable[Any], *, progress: bool = False) -> SoftHebbNet:
    """Return the network as it was before learning, its normalisation fitted to a stream (appendix B.5).

    Parameters
    ----------
    net
        The network, whose specifications and seed the twin shares.
    frames
        Frames, or samples, for the normalisation.
    progress
        Whether to show a progress bar.

    Examples
    --------
    >>> net = SoftHebbNet.from_preset("cifar10", width=4, seed=7)
    >>> frames = torch.rand(3, 32, 32, 3)
    >>> twin = untrained_twin(net, frames)
    >>> _ = net.learn_many(frames)
    >>> torch.equal(twin.layers[0].weight, SoftHebbNet.from_preset("cifar10", width=4, seed=7).layers[0].weight)
    True
    """
    twin = SoftHebbNet(
        [replace(layer.spec, learning_rate=0.0) for layer in net.layers],
        net.in_channels,
        input_size=net.input_size,
        input_range=net.input_range,
        mirror=net.mirror,
        seed=net.seed,
        device=net.device,
    )
    for item in progress_bar(frames, desc="untrained twin", unit="frames", shown=progress):
        twin.learn_one(Sample.of(item).x)
    return twin
