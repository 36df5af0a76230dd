"""Curves before and after adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quickstudy.charts import colour
from quickstudy.plot.panels import blank, literal, plain
from quickstudy.regression import Adaptation, Errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def regression(adaptations: Sequence[Adaptation], errors: Sequence[Errors]) -> Figure:
    """A panel for each learner: a curve, its support, and what was said after each number of steps; then the errors by
    step, means with their 95 % intervals and medians, in the same colours. A mean that grows beyond the first ones, as
    tasks diverge, leaves the picture."""
    figure = blank(3.4 * (len(adaptations) + 1), 3.3)
    *panels, last = figure.subplots(1, len(adaptations) + 1, gridspec_kw={"wspace": 0.08})
    for i, (axes, shown) in enumerate(zip(panels, adaptations, strict=True)):
        _adapted(axes, shown, i)
    for i, found in enumerate(errors):
        _by_step(last, found, i)
    top = 1.1 * max((sum(found.estimates[0]) for found in errors), default=1.0)
    last.set(xlabel="gradient steps", title="squared error", ylim=(0, top))
    for axes in (*panels, last):
        plain(axes)
        literal(axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2).texts)
    return figure


def _by_step(axes: Axes, found: Errors, i: int) -> None:
    """Means and their intervals as far as they are numbers; medians."""
    mean, half = np.array(found.estimates).T
    axes.plot(mean, color=colour(i), label=f"{found.name}, mean", marker="o", markersize=3.5, linewidth=1.5)
    axes.fill_between(range(len(mean)), mean - half, mean + half, color=colour(i), alpha=0.25, linewidth=0)
    axes.plot(np.median(found.of_tasks, axis=0), color=colour(i), label="median", linestyle=":", linewidth=1.5)


def _adapted(axes: Axes, shown: Adaptation, i: int) -> None:
    """One task: the truth in grey, the answers the stronger the more steps."""
    axes.plot(shown.x, shown.true, color="#ccd2d8", linewidth=5, label="true")
    styles = np.linspace(0.45, 1, len(shown.said)), ("--", "-.", ":")
    for j, (step, said) in enumerate(shown.said.items()):
        style = "-" if j == len(shown.said) - 1 else styles[1][j % 3]
        label = f"after {step} step{'s' * (step > 1)}" if step else "before"
        axes.plot(shown.x, said, color=colour(i), alpha=styles[0][j], linestyle=style, linewidth=1.7, label=label)
    axes.plot(*shown.support.T, linestyle="", marker="o", markersize=5.5, color="black", label="support")
    axes.set(xlabel="x")
    axes.set_title(shown.name, parse_math=False)
