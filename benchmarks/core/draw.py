"""What the pictures of several benchmarks have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hebbstream.inspection._canvas import new_figure, save_figure


def grouped_bars(axis: Any, groups: Sequence[str], series: Mapping[str, Sequence[float]]) -> None:
    """Draw a group of bars for each name in `groups`, with one of each series, and the legend above."""
    width = 0.8 / len(series)
    for index, (label, values) in enumerate(series.items()):
        places = [place + width * (index - (len(series) - 1) / 2) for place in range(len(groups))]
        axis.bar(places, values, width, label=label)
    axis.set_xticks(range(len(groups)), groups)
    legend_above(axis, len(series))


def legend_above(axis: Any, columns: int) -> None:
    """Put the legend where it hides nothing."""
    axis.legend(fontsize="small", ncols=columns, loc="upper center", bbox_to_anchor=(0.5, 1.12), frameon=False)


def save(figure: Any, result: Path) -> None:
    """Write a picture beside its result."""
    print(f"picture {save_figure(figure, result.with_suffix('.png'))}")


__all__ = ["grouped_bars", "legend_above", "new_figure", "save"]
