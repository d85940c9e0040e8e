"""Pictures of a network, fit for a paper: readable sizes, colours that everyone can tell apart."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hebbstream._numbers import check_number
from hebbstream._quote import printable
from hebbstream.errors import ConfigurationError
from hebbstream.inspection._canvas import as_pictures, families, grid, in_unit_range, new_figure, save_figure, show
from hebbstream.inspection._fields import receptive_fields
from hebbstream.inspection._patches import BestPatches
from hebbstream.network._network import SoftHebbNet

# Paul Tol's "muted" scheme, which colour-blind readers can tell apart; a class beyond the tenth changes its marker.
_COLOURS = (
    "#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#AA4499", "#44AA99", "#882255", "#999933", "#888888",
)  # fmt: skip
_MARKERS = "os^D"
_BAR, _MARK = "#4477AA", "#CC3311"
_FRAME = 0.8  # grey around pictures, on which white ones show
_ROWS = 8  # neurons whose best images are shown
_LEAST_NORM = 1e-3  # a logarithmic axis has no zero


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
    MissingDependencyError, OutputError
        If matplotlib is not installed, or the file cannot be written.
    ConfigurationError
        If there is no such pair, or a first layer has neither one channel nor three.

    Examples
    --------
    >>> import tempfile
    >>> net = SoftHebbNet.from_preset("cifar10", width=4)
    >>> plot_receptive_fields([("untrained", net)], Path(tempfile.mkdtemp()) / "fields.png").name
    'fields.png'
    """
    if (
        not isinstance(nets, Sequence)
        or not nets
        or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in nets)
    ):
        raise ConfigurationError(
            f"nets of type {type(nets).__name__}: expected at least one pair (title, network), in a list"
        )
    check_number("most", most)
    return plot_pictures([(title, receptive_fields(net)[:most]) for title, net in nets], path)


def plot_pictures(panels: Sequence[tuple[str, Tensor]], path: str | Path) -> Path:
    """Draw sets of small pictures of shape (N, H, W, C) side by side, each a grid with a title.

    Values outside [0, 1] are brought into it.
    """
    figure, axes = new_figure(len(panels), (4.2 * len(panels), 4.4))
    for axis, (title, pictures) in zip(axes, panels, strict=True):
        show(axis, grid(in_unit_range(as_pictures(pictures.numpy())), border=1, shade=_FRAME))
        axis.set_title(title)
    return save_figure(figure, path)


def plot_norms(net: SoftHebbNet, path: str | Path) -> Path:
    """Draw a histogram of each layer's weight norms, with the norm 1 that they converge to (section 4)."""
    norms = [layer.norms().cpu().numpy().clip(_LEAST_NORM) for layer in net.layers]
    low = min(0.5, *(float(each.min()) for each in norms)) / 1.1
    high = max(2.0, *(float(each.max()) for each in norms)) * 1.1
    bins = np.geomspace(low, high, 41)
    decades = 10.0 ** np.arange(-3, 7)
    steps = (1, 2, 5) if high < 100 * low else (1,)
    ticks = [step * decade for decade in decades for step in steps if low <= step * decade <= high]
    figure, axes = new_figure(len(norms), (3.1 * len(norms) + 0.4, 3.0))
    for index, (axis, values, share) in enumerate(zip(axes, norms, net.r1_fraction(), strict=True), start=1):
        axis.hist(values, bins, weights=np.full(len(values), 100 / len(values)), color=_BAR)
        # The band that counts as 1 is narrower than a line; the line ends below the legend.
        axis.axvline(1.0, ymax=0.85, color=_MARK, linestyle="--", linewidth=1.3, label=f"norm 1 (R1): {share:.1%}")
        axis.set(xscale="log", xlim=(low, high), title=f"layer {index}: {len(values):,} neurons")
        axis.set_xlabel("weight norm")
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.xaxis.set_minor_formatter("")
        axis.margins(y=0.25)
        axis.legend(loc="upper center", frameon=False, fontsize="small")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("neurons (%)")
    return save_figure(figure, path)


def _in_unit_range(pictures: "np.ndarray[Any, Any]", signals: bool) -> "np.ndarray[Any, Any]":
    """Bring pictures into [0, 1]; of signals each channel by itself, for it has a unit of its own."""
    if not signals:
        return in_unit_range(pictures)
    return np.stack([in_unit_range(channel) for channel in np.moveaxis(pictures, -3, 0)], axis=-3)


def plot_best_patches(best: BestPatches, path: str | Path) -> Path:
    """Draw a block for each neuron: the patches that excite it most, best at the top left."""
    pictures = _in_unit_range(as_pictures(best.patches()), best.field.height == 1)
    blocks = np.stack([grid(each, border=1, shade=_FRAME) for each in pictures])
    canvas = grid(blocks, gap=max(2, best.field.width // 3))
    height, width = canvas.shape[:2]
    figure, (axis,) = new_figure(1, (7.0, 7.0 * height / width + 0.4))
    show(axis, canvas)
    axis.set_title(f"layer {best.layer + 1}: best {best.frames.shape[1]} patches of each of {len(blocks)} neurons")
    return save_figure(figure, path)


def plot_best_images(best: BestPatches, path: str | Path) -> Path:
    """Draw a row for each of the first neurons: the frames that excite it most, its field outlined (Fig. 5C, D)."""
    rows, columns = min(_ROWS, len(best.neurons)), best.frames.shape[1]
    images = {frame: as_pictures(image) for frame, image in best.images.items()}
    height, width, _ = next(iter(images.values())).shape
    signals = best.field.height == 1
    rows_seen = height if signals else best.field.height  # of a signal all channels
    shape = max(height / width, 0.4) if signals else height / width  # true to scale, a signal is a hair's breadth high
    figure, axes = new_figure(columns, (0.8 * columns, (0.8 * shape + 0.2) * rows + 0.4), rows=rows)
    figure.set_layout_engine("constrained", w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    from matplotlib.patches import Rectangle  # new_figure says so if there is no matplotlib

    for place, axis in zip(np.ndindex(rows, columns), axes, strict=True):
        frame = int(best.frames[place])
        axis.axis("off")
        if frame < 0:
            continue
        show(axis, _in_unit_range(images[frame], signals))
        if signals:
            axis.set_aspect("auto")
        top, left = (int(corner) for corner in best.corners[place])
        bottom, right = min(top + rows_seen, height), min(left + best.field.width, width)
        top, left = max(top, 0), max(left, 0)
        corner, size = (left - 0.5, top - 0.5), (right - left, bottom - top)
        for colour, thickness in (("white", 2.6), (_MARK, 1.3)):
            axis.add_patch(Rectangle(corner, *size, fill=False, color=colour, linewidth=thickness))
    for row in range(rows):
        axes[row * columns].set_title(f"neuron {best.neurons[row]}", fontsize="small", loc="left", pad=2)
    figure.suptitle(f"layer {best.layer + 1}: frames that excite a neuron most", fontsize="medium")
    return save_figure(figure, path)


def plot_embedding(
    panels: "Sequence[tuple[str, np.ndarray[Any, Any]]]", labels: Sequence[Hashable], path: str | Path
) -> Path:
    """Draw points of shape (N, 2), one panel for each embedding of the same N samples, coloured by class."""
    names = np.array([str(label) for label in labels])
    classes = sorted(set(names))
    figure, axes = new_figure(len(panels), (3.4 * len(panels) + 1.4, 3.6))
    for axis, (title, points) in zip(axes, panels, strict=True):
        for index, name in enumerate(classes):
            axis.scatter(
                *points[names == name].T,
                s=min(16, max(4, 5000 / len(names))),
                color=_COLOURS[index % len(_COLOURS)],
                marker=_MARKERS[index // len(_COLOURS) % len(_MARKERS)],
                linewidths=0,
                alpha=0.8,
                label=str(index),
            )
        axis.set(title=title, xlabel="UMAP 1", xticks=[], yticks=[])
        axis.set_box_aspect(1)
    axes[0].set_ylabel("UMAP 2")
    handles, _ = axes[0].get_legend_handles_labels()
    legend = figure.legend(
        handles=handles, loc="outside right center", frameon=False, fontsize="small", markerscale=1.6
    )
    for text, name in zip(legend.get_texts(), classes, strict=True):
        # Given as labels, those that begin with _ are left out, and what stands between $ is taken for a formula.
        text.set(text=printable(name), parse_math=False, fontfamily=families())
    return save_figure(figure, path)
