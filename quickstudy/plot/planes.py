"""Maps beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from quickstudy.maps import colours as tones
from quickstudy.plot.panels import grid, literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def planes(panels: Mapping[str, tuple[np.ndarray, np.ndarray, Sequence[str]]]) -> Figure:
    """A panel for each title: places (n, 2) coloured by names (n,), with lines of text below."""
    figure, every = grid(len(panels), 3, 3.0, 3.9)
    for axes, (title, (places, names, words)) in zip(every, panels.items(), strict=True):
        for i, name in enumerate(tones.ordered(names)):
            own = places[names == name]
            axes.scatter(own[:, 0], own[:, 1], s=1.5, color=tones.category(i), linewidths=0, label=name)
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=9, parse_math=False)
        axes.set_xlabel("\n".join(words), fontsize=7, parse_math=False)
    literal(
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=10, markerscale=5).texts
    )
    return figure
