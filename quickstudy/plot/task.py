"""A task as it was answered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from quickstudy.evaluate import Shown
from quickstudy.gallery import pixels
from quickstudy.plot.panels import RIGHT, SOFT, WRONG, blank

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNIT = 0.7  # inches of a picture
BAND = 10  # classes beside each other
LONGEST = 12  # letters of a class's name above its column


def task(shown: Shown, *, title: str = "") -> Figure:
    """The support with the classes' names in the upper rows, the queries below their class: framed, the wrong ones
    with the number of the class they were taken for."""
    support, query = shown.task
    columns = min(BAND, len(shown.classes))
    bands = math.ceil(len(shown.classes) / columns)
    shots, asked = (_most(np.asarray(y), len(shown.classes)) for y in (support.y, query.y))
    tall = 0.6 + shots + 1.35 * asked + 0.4
    span = (1.12 * columns + 0.1, tall * bands + 0.1)
    figure = blank(UNIT * span[0], UNIT * span[1] + (0.3 if title else 0.0))
    axes = figure.subplots()
    for label, name in enumerate(shown.classes):
        x, y = 1.12 * (label % columns), tall * (label // columns)
        short = name.rpartition("/")[2]
        short = short if len(short) <= LONGEST else short[: LONGEST - 1] + "…"
        axes.text(x + 0.5, y + 0.5, f"{label + 1}\n{short}", ha="center", va="bottom", fontsize=6, parse_math=False)
        _column(axes, shown, label, x, y + 0.6, shots)
    axes.set(xlim=(-0.1, span[0] - 0.1), ylim=(span[1] - 0.1, -0.1), aspect="equal")
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize=10, parse_math=False)
    return figure


def _column(axes: Axes, shown: Shown, label: int, x: float, y: float, shots: int) -> None:
    """One class, downwards from (x, y): its examples, its queries, what was said."""
    support, query = shown.task
    for row, i in enumerate(np.flatnonzero(np.asarray(support.y) == label)):
        _picture(axes, pixels(support.x[int(i)]), x, y + row, SOFT, 0.4)
    for row, i in enumerate(np.flatnonzero(np.asarray(query.y) == label)):
        top, said = y + shots + 0.2 + 1.35 * row, int(shown.answers[i])
        tone = RIGHT if said == label else WRONG
        _picture(axes, pixels(query.x[int(i)]), x, top, tone, 1.2 if said == label else 1.8)
        mark = "✓" if said == label else f"✗ {said + 1}"
        axes.text(x + 0.5, top + 1.0, mark, ha="center", va="top", fontsize=6, color=tone)


def _picture(axes: Axes, array: np.ndarray, x: float, y: float, frame: str, width: float) -> None:
    from matplotlib.patches import Rectangle

    inside = (x + 0.04, x + 0.96, y + 0.96, y + 0.04)
    axes.imshow(array, cmap="gray", vmin=0, vmax=255, extent=inside, interpolation="nearest")
    axes.add_patch(Rectangle((x + 0.04, y + 0.04), 0.92, 0.92, fill=False, edgecolor=frame, linewidth=width))


def _most(labels: np.ndarray, way: int) -> int:
    """The most examples that a class has."""
    return int(np.bincount(labels[labels >= 0], minlength=way).max())
