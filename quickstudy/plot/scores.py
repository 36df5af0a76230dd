"""How good learners are: with their intervals, beside each other, by what they were given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from quickstudy.charts import colour
from quickstudy.evaluate import Evaluation
from quickstudy.plot.panels import SOFT, blank, grid, literal, plain
from quickstudy.regression import Errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def accuracies(evaluations: Sequence[Evaluation]) -> Figure:
    """Accuracy with its 95 % interval of each, the first at the top, and a dashed line where guessing would be."""
    figure = blank(5.5, 1.0 + 0.36 * max(1, len(evaluations)))
    axes = figure.subplots()
    for i, evaluation in enumerate(evaluations):
        mean, half = (100 * value for value in evaluation.estimate)
        error = half if math.isfinite(half) else None
        axes.errorbar(mean, i, xerr=error, fmt="o", color=colour(i), capsize=4, markersize=4)
    for way in sorted({evaluation.way for evaluation in evaluations}):
        axes.axvline(100 / way, color=SOFT, linestyle="--", linewidth=1)
        axes.text(100 / way, -0.55, "guessing", color=SOFT, fontsize=8, ha="center", va="bottom")
    axes.set_yticks(range(len(evaluations)), [evaluation.name for evaluation in evaluations])
    literal(axes.get_yticklabels())
    axes.set(xlabel="accuracy, %", ylim=(max(1, len(evaluations)) - 0.5, -0.5))
    plain(axes)
    axes.grid(visible=False, axis="y")
    return figure


def by_examples(panels: Mapping[str, Sequence[Errors]]) -> Figure:
    """A panel for each title: means with 95 % intervals by the number of examples seen, the first name solid, the
    others, which it is held against, dashed."""
    figure, every = grid(len(panels), 4, 2.7, 2.5, 0.3)
    for axes, (title, several) in zip(every, panels.items(), strict=True):
        for i, found in enumerate(several):
            mean, half = np.array(found.estimates).T
            axes.plot(mean, color=colour(i), label=found.name, linestyle="--" if i else "-", linewidth=1.6)
            axes.fill_between(range(len(mean)), mean - half, mean + half, color=colour(i), alpha=0.25, linewidth=0)
        axes.set(xlabel="examples", ylim=(0, 1.2 * max(e.mean for e in several[0].estimates)))
        axes.set_title(title, fontsize=9, parse_math=False)
        literal(axes.legend(frameon=False, fontsize=7).get_texts())
        plain(axes)
    return figure


def by_size(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]],
    *,
    what: str,
    score: str,
    log: bool = False,
) -> Figure:
    """A panel for each title with a line for each name through (size, mean, half of its 95 % interval); ``log``: the
    sizes are powers."""
    figure = blank(4.2 * len(panels), 3.2)
    colours: dict[str, str] = {}
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, points in lines.items():
            tone = colours.setdefault(name, colour(len(colours)))
            size, mean, half = np.array(points).T
            axes.plot(size, mean, color=tone, label=name, marker="o", markersize=3.5, linewidth=1.5)
            axes.fill_between(size, mean - half, mean + half, color=tone, alpha=0.25, linewidth=0)
        axes.set(xlabel=what, ylabel=score, ylim=(0, None), xscale="log" if log else "linear")
        axes.set_title(title, fontsize=10, parse_math=False)
        literal(axes.legend(frameon=False, fontsize=8).get_texts())
        plain(axes)
    return figure
