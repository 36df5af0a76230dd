"""What was learned along a training: losses, accuracies, budgets."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from quickstudy.charts import WIDE, colour
from quickstudy.maps import colours as tones
from quickstudy.plot.panels import blank, grid, literal, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":")  # the next begins where the colours begin again
LEGEND = 56  # letters in a line of a legend below a panel


def learning_curves(curves: Mapping[str, list[dict[str, float]]]) -> Figure:
    """Training loss and, where there were validations, their accuracy by step; a line for each name."""
    scored = any("score" in point for curve in curves.values() for point in curve)
    figure = blank(4.2 * (1 + scored), 3.0)
    panels = figure.subplots(1, 1 + scored, squeeze=False)[0]
    fields = [("loss", "training loss", 1), ("score", "validation accuracy, %", 100)]
    for axes, (field, label, factor) in zip(panels, fields, strict=False):
        for i, (name, curve) in enumerate(curves.items()):
            points = np.array([(p["step"], factor * p[field]) for p in curve if field in p]).reshape(-1, 2)
            marker = "o" if field == "score" else None
            axes.plot(*points.T, color=colour(i), label=name, marker=marker, markersize=3.5, linewidth=1.5)
        plain(axes)
        axes.set(xlabel="step", ylabel=label)
    losses = [p["loss"] for curve in curves.values() for p in curve if "loss" in p]
    if losses and min(losses) > 0 and max(losses) / min(losses) > WIDE:
        panels[0].set_yscale("log")
    if len(curves) > 1:
        literal(panels[0].legend(frameon=False).get_texts())
    return figure


def by_budget(panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> Figure:
    """A panel for each title with a line for each name through (step, accuracy): what is still answered wrongly, in
    per cent, on logarithmic axes, where steady learning is a straight line. Once the colours are used up, lines are
    dashed, then dotted."""
    from matplotlib.ticker import LogLocator, NullFormatter

    rows = [list(panels.values())[start : start + 2] for start in range(0, len(panels), 2)]
    wrapped = {name: textwrap.fill(name, LEGEND, break_on_hyphens=False) for lines in panels.values() for name in lines}
    long = [max(sum(wrapped[name].count("\n") + 1 for name in lines) for lines in row) for row in rows]
    figure, every = grid(len(panels), 2, 4.6, 3.0, 0.2 * sum(long))
    for axes, (title, lines) in zip(every, panels.items(), strict=True):
        for i, (name, points) in enumerate(lines.items()):
            step, right = np.array(points).T
            style = DASHES[i // len(tones.CATEGORIES) % len(DASHES)]
            look: dict[str, Any] = {"color": tones.category(i), "linestyle": style, "marker": "o", "markersize": 3}
            axes.plot(step, 100 * (1 - right), label=wrapped[name], **look)
        axes.set(xlabel="steps of training", ylabel="wrong answers, %", xscale="log", yscale="log")
        for axis, ticks in ((axes.xaxis, (1,)), (axes.yaxis, (1, 2, 5))):
            axis.set_major_locator(LogLocator(subs=ticks))
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
        axes.set_title(title, fontsize=10, parse_math=False)
        literal(axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), frameon=False, fontsize=8).get_texts())
        plain(axes)
    return figure


class Panel(NamedTuple):
    """Learning curves beside each other: of each name (k,) places along the axis and (problems, k) losses there."""

    title: str
    along: str  # "step" or "seconds"
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]


def descents(panels: Sequence[Panel], *, columns: int = 3) -> Figure:
    """Medians with bands between the quartiles, on a logarithmic axis; what is no number is left out."""
    figure, every = grid(len(panels), columns, 3.6, 3.0)
    colours: dict[str, str] = {}
    lines: dict[str, Any] = {}
    for axes, panel in zip(every, panels, strict=True):
        for name, (x, found) in panel.lines.items():
            tone = colours.setdefault(name, tones.category(len(colours)))
            low, middle, high = np.nanquantile(np.where(np.isfinite(found), found, np.nan), (0.25, 0.5, 0.75), axis=0)
            (lines[name],) = axes.plot(x, middle, color=tone, linewidth=1.5)
            axes.fill_between(x, low, high, color=tone, alpha=0.2, linewidth=0)
        axes.set(xlabel=panel.along, ylabel="loss", yscale="log")
        axes.set_title(panel.title, fontsize=9, parse_math=False)
        plain(axes)
    legend = figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=4, frameon=False)
    literal(legend.get_texts())
    return figure
