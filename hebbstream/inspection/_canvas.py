"""The canvas under every picture: figures without a display, written atomically, and grids of small pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hebbstream._files import atomic_write, check_writable, expanded_path
from hebbstream.errors import MissingDependencyError, OutputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of Chinese, Japanese and Korean, on Linux, macOS and Windows.
_OTHER_SCRIPTS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Hiragino Sans", "Hiragino Sans GB", "Apple SD Gothic Neo",
    "Yu Gothic", "Microsoft YaHei", "Malgun Gothic", "Arial Unicode MS",
)  # fmt: skip


def new_figure(panels: int, size: tuple[float, float], *, rows: int = 1) -> "tuple[Figure, list[Any]]":
    """Return a matplotlib figure with `rows` rows of panels, drawn without a display, and its axes row by row."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib is not installed: pip install 'hebbstream[plot]'") from None
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(np.atleast_1d(figure.subplots(rows, panels)).flat)


def save_figure(figure: "Figure", path: str | Path) -> Path:
    """Write a figure atomically, in the format of the path's suffix (PNG without one)."""
    form = _form(figure, path)
    with atomic_write(path) as temporary:
        # The constrained layout leaves a pixel too few above a title where a picture's shape sets that of its axes.
        figure.savefig(temporary, format=form, dpi=150, bbox_inches="tight", pad_inches=0.06)
    return expanded_path(path)


def check_picture(path: str | Path) -> None:
    """Find out now, not after the work, whether `save_figure` could write to `path`.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    OutputError
        If it could not write there, or not in that format.

    Examples
    --------
    >>> check_picture("curve.doc")
    Traceback (most recent call last):
    ...
    hebbstream.errors.OutputError: picture curve.doc: expected a name that ends in .png, ...
    """
    _form(new_figure(1, (1, 1))[0], path)
    check_writable(path)


def _form(figure: "Figure", path: str | Path) -> str:
    form, known = expanded_path(path).suffix.removeprefix(".") or "png", figure.canvas.get_supported_filetypes()
    if form.lower() not in known:
        endings = ", ".join(f".{name}" for name in sorted(known, key=lambda name: (name != "png", name)))
        raise OutputError(f"picture {path}: expected a name that ends in {endings}")
    return form


def families() -> list[str]:
    """Return fonts for text of any script: matplotlib's own, then what is installed for what it lacks.

    Examples
    --------
    >>> families()[0]
    'sans-serif'
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return [*rcParams["font.family"], *(name for name in _OTHER_SCRIPTS if name in installed)]


def show(axis: Any, picture: "np.ndarray[Any, Any]") -> None:
    """Show one picture of shape (H, W, C), values in [0, 1], without axes."""
    axis.imshow(picture.squeeze(axis=2) if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=1)
    axis.axis("off")


def as_pictures(frames: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Turn signals (..., 1, T, C) into pictures of channels by moments (..., C, T, 1); others stay as they are."""
    return frames.swapaxes(-3, -1) if frames.shape[-3] == 1 < frames.shape[-2] else frames


def in_unit_range(pictures: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Bring pictures into [0, 1], all by the same scale; those inside stay as they are."""
    low, high = float(pictures.min()), float(pictures.max())
    if low >= 0 and high <= 1:
        return pictures
    scaled: np.ndarray[Any, Any] = (pictures - low) / ((high - low) or 1.0)
    return scaled


def grid(
    pictures: "np.ndarray[Any, Any]", *, gap: int = 1, border: int = 0, shade: float = 1.0
) -> "np.ndarray[Any, Any]":
    """Lay pictures of shape (N, H, W, C) out in a near-square grid, `gap` pixels of a shade of grey between them."""
    count, height, width, channels = pictures.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = int(np.ceil(count / columns))
    size = (rows * (height + gap) - gap + 2 * border, columns * (width + gap) - gap + 2 * border, channels)
    canvas = np.full(size, shade, dtype=np.float32)
    for index, picture in enumerate(pictures):
        top, left = border + index // columns * (height + gap), border + index % columns * (width + gap)
        canvas[top : top + height, left : left + width] = picture
    return canvas
