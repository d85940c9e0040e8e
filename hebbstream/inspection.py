"""Looking inside a network: numbers per layer, and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hebbstream.errors import ConfigurationError, MissingDependencyError
from hebbstream.files import atomic_write
from hebbstream.network import SoftHebbNet

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One layer in numbers.

    Parameters
    ----------
    neurons
        K.
    synapses
        Of each neuron.
    r1_fraction
        Share of neurons whose weight norm has converged to 1.
    norm_quantiles
        Least, median and greatest weight norm.
    """

    neurons: int
    synapses: int
    r1_fraction: float
    norm_quantiles: tuple[float, float, float]


def summarize(net: SoftHebbNet) -> list[LayerSummary]:
    """Return a `LayerSummary` for each layer.

    Examples
    --------
    >>> [layer.neurons for layer in summarize(SoftHebbNet.from_preset("cifar10", width=8))]
    [8, 32, 128]
    """
    summaries = []
    for layer in net.layers:
        norms = layer.norms()
        neurons, synapses = layer.weight_matrix.shape
        quantiles = (float(norms.min()), float(norms.median()), float(norms.max()))
        summaries.append(LayerSummary(neurons, synapses, layer.r1_fraction(), quantiles))
    return summaries


def receptive_fields(net: SoftHebbNet) -> Tensor:
    """Return the first layer's weights as pictures, each scaled to [0, 1] with zero at 0.5.

    Returns
    -------
    Tensor
        Shape (K, k, k, C), on the CPU; for a dense layer (K, H, W, C) of its input.

    Raises
    ------
    ConfigurationError
        If its input has neither one channel nor three.

    Examples
    --------
    >>> receptive_fields(SoftHebbNet.from_preset("cifar10", width=8)).shape
    torch.Size([8, 5, 5, 3])
    """
    layer = net.layers[0]
    weights = layer.weight.detach().cpu()
    if layer.spec.kernel_size is None and net.input_size is not None:
        weights = weights.reshape(-1, net.in_channels, *net.input_size)
    if weights.shape[1] not in (1, 3):
        raise ConfigurationError(f"first layer with {weights.shape[1]} input channels: expected 1 or 3 for a picture")
    largest = weights.abs().amax(dim=(1, 2, 3), keepdim=True).clamp_(min=1e-12)
    return (0.5 + 0.5 * weights / largest).permute(0, 2, 3, 1)


def plot_receptive_fields(nets: Sequence[tuple[str, SoftHebbNet]], path: str | Path, *, most: int = 96) -> Path:
    """Draw the first layer of one or more networks side by side, each with a title.

    Parameters
    ----------
    nets
        Pairs (title, network).
    path
        PNG, PDF or SVG file to write, atomically.
    most
        Neurons to show of each network.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    OutputError
        If the file cannot be written.
    """
    figure, axes = new_figure(len(nets), (4.2 * len(nets), 4.4))
    for axis, (title, net) in zip(axes, nets, strict=True):
        fields = receptive_fields(net)[:most].numpy()
        axis.imshow(_grid(fields).squeeze(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(title)
        axis.axis("off")
    return save_figure(figure, path)


def _grid(pictures: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Lay pictures out in a near-square grid on white, with one pixel between them."""
    count, height, width, channels = pictures.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = int(np.ceil(count / columns))
    canvas = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), dtype=np.float32)
    for index, picture in enumerate(pictures):
        top, left = index // columns * (height + 1), index % columns * (width + 1)
        canvas[top : top + height, left : left + width] = picture
    return canvas


def new_figure(panels: int, size: tuple[float, float]) -> "tuple[Figure, list[Any]]":
    """Return a matplotlib figure with a row of panels, drawn without a display."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib is not installed: pip install 'hebbstream[plot]'") from None
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(np.atleast_1d(figure.subplots(1, panels)))


def save_figure(figure: "Figure", path: str | Path) -> Path:
    """Write a figure atomically, in the format of the path's suffix (PNG without one)."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format=Path(path).suffix.removeprefix(".") or "png", dpi=150)
    return Path(path)
