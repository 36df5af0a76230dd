"""What weights examples were given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quickstudy.gallery import pixels
from quickstudy.plot.panels import RIGHT, WRONG, blank, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def weights(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], found: Sequence[tuple[Any, str, bool]]) -> Figure:
    """A panel for each title: how (n,) numbers spread over examples with right and with wrong labels, told apart by
    booleans (n,); below, pictures with the label that each was given, and whether it is wrong."""
    columns = min(12, len(found))
    rows = math.ceil(len(found) / columns)
    figure = blank(2.6 * len(panels), 2.4 + 1.1 * rows)
    parts: Any = figure.subfigures(2, 1, height_ratios=(2.4, 1.1 * rows))
    every = parts[0].subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, (numbers, wrong)) in zip(every, panels.items(), strict=True):
        _spread(axes, numbers, wrong)
        axes.set_title(title, fontsize=10, parse_math=False)
    every[-1].legend(frameon=False, fontsize=8)
    for axes, (image, label, bad) in zip(parts[1].subplots(rows, columns, squeeze=False).flat, found, strict=False):
        axes.imshow(pixels(image), cmap="gray", vmin=0, vmax=255)
        axes.set_title(label, fontsize=7, color=WRONG if bad else RIGHT, parse_math=False, pad=2)
        axes.set_axis_off()
    return figure


def _spread(axes: Axes, numbers: np.ndarray, wrong: np.ndarray) -> None:
    """Two histograms, of which the outermost bins hold what is beyond."""
    low, high = np.quantile(numbers, (0.002, 0.998))
    bins: Any = np.linspace(low, high, 41)
    for part, tone, label in ((numbers[~wrong], RIGHT, "right label"), (numbers[wrong], WRONG, "wrong label")):
        axes.hist(np.clip(part, low, high), bins, color=tone, alpha=0.6, label=label)
    axes.set(yticks=[])
    plain(axes)
