"""Everything that can be drawn of a network, in one folder."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hebbstream._bar import progress_bar
from hebbstream._files import expanded_path
from hebbstream._numbers import check_number
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._canvas import new_figure
from hebbstream.inspection._embedding import FEWEST, embed, load_umap, untrained_twin
from hebbstream.inspection._figures import (
    plot_best_images,
    plot_best_patches,
    plot_embedding,
    plot_norms,
    plot_pictures,
    plot_receptive_fields,
)
from hebbstream.inspection._neurons import some_neurons
from hebbstream.inspection._optimal import optimal_inputs
from hebbstream.inspection._patches import best_patches
from hebbstream.learning._arguments import check_net, checked_stream
from hebbstream.network._network import SoftHebbNet
from hebbstream.streams._sample import Sample

log = logging.getLogger("hebbstream.inspection")
_LEAST_APART = 1 / 50  # of the stream: best frames of a video that follow each other would all look alike


def write_report(
    net: SoftHebbNet,
    folder: str | Path,
    samples: Sequence[Any] = (),
    *,
    neurons: int = 48,
    seed: int = 0,
    progress: bool = False,
) -> list[Path]:
    """Draw all pictures of a network into a folder.

    That is the weight norms; if frames have one channel or three, the first layer's weights, and the optimal inputs of each
    layer that learns (of random weights they show nothing); with samples, each layer's best patches and images too; with labels, an embedding of the features before
    and after learning. An embedding that cannot be drawn, as of fewer than five labelled samples, is left out, and the logger
    ``hebbstream.inspection`` says why.

    Parameters
    ----------
    net
        The network, which does not change.
    folder
        Where the pictures go.
    samples
        Frames, pairs (frame, label) or samples, in the order of the stream, all of the same size. Those without a label are left out of the embedding.
    neurons
        To show of each layer, spread evenly over it.
    seed
        Of the optimal inputs' noise and of the embedding.
    progress
        Whether to show progress bars.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed, or, with labels, umap-learn.
    OutputError
        If a file cannot be written.
    InputError
        If a frame is refused.

    Examples
    --------
    >>> import tempfile
    >>> net = SoftHebbNet.from_preset("cifar10", width=2)
    >>> for path in write_report(net, tempfile.mkdtemp(), neurons=4):
    ...     print(path.name)
    norms.png
    receptive-fields.png
    optimal-inputs-layer-1.png
    optimal-inputs-layer-2.png
    optimal-inputs-layer-3.png
    """
    check_net(net)
    check_number("neurons", neurons)
    folder, samples = expanded_path(folder), [Sample.of(item) for item in checked_stream(samples)]
    labelled = [sample for sample in samples if sample.y is not None]
    new_figure(1, (1, 1))  # a missing package is better told before the work
    if len(labelled) >= FEWEST:
        load_umap()
    written = [plot_norms(net, folder / "norms.png")]
    if labelled:
        try:
            written.append(_draw_embedding(net, labelled, folder / "embedding.png", seed, progress))
        except ConfigurationError as error:
            log.warning("no embedding: %s", error)
    if net.in_channels in (1, 3):
        path = folder / "receptive-fields.png"
        written.append(plot_receptive_fields([("layer 1: weights", net)], path, most=neurons))
        for layer in range(len(net.layers)):
            written += _draw_layer(net, layer, folder, samples, neurons, seed, progress)
    return written


def _draw_layer(
    net: SoftHebbNet, layer: int, folder: Path, samples: Sequence[Sample], neurons: int, seed: int, progress: bool
) -> list[Path]:
    chosen, name = some_neurons(net, layer, neurons), f"layer-{layer + 1}.png"
    written = []
    if net.layers[layer].spec.learning_rate:
        pictures = optimal_inputs(net, layer, chosen, seed=seed, progress=progress).pictures
        written = [plot_pictures([(f"layer {layer + 1}: optimal inputs", pictures)], folder / f"optimal-inputs-{name}")]
    if samples:
        apart = max(1, round(_LEAST_APART * len(samples)))
        best = best_patches(net, samples, layer, chosen, apart=apart, progress=progress)
        written.append(plot_best_patches(best, folder / f"best-patches-{name}"))
        written.append(plot_best_images(best, folder / f"best-images-{name}"))
    return written


def _draw_embedding(net: SoftHebbNet, samples: Sequence[Sample], path: Path, seed: int, progress: bool) -> Path:
    twin = untrained_twin(net, samples, progress=progress)
    panels = [
        (title, embed(_features(each, samples, progress), seed=seed))
        for title, each in (("untrained weights", twin), (f"after {net.samples_seen:,} samples", net))
    ]
    return plot_embedding(panels, [sample.y for sample in samples], path)


def _features(net: SoftHebbNet, samples: Sequence[Sample], progress: bool) -> Tensor:
    bar = progress_bar(samples, desc="features", unit="frames", shown=progress)
    return torch.stack([net.transform_one(sample.x).cpu() for sample in bar])
