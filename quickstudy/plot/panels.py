"""What all figures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RIGHT, WRONG = "#2f7ebc", "#c2500a"
SOFT = "#5c6670"


def blank(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=150)


def grid(count: int, most: int, width: float, height: float, extra: float = 0.0) -> tuple[Figure, list[Axes]]:
    """So many panels, ``most`` in a row, each of so many inches; ``extra`` below all of them."""
    columns = min(most, count)
    rows = math.ceil(count / columns)
    figure = blank(width * columns, height * rows + extra)
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in every[count:]:
        axes.set_axis_off()
    return figure, list(every[:count])


def plain(axes: Axes) -> None:
    """Two spines and a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e6e9ec", linewidth=0.8)
    axes.set_axisbelow(True)


def literal(texts: Sequence) -> None:
    """Names as they are: a dollar sign begins no formula."""
    for text in texts:
        text.set_parse_math(False)
