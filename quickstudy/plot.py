"""Figures for papers and readmes, as Matplotlib figures that know no global state: ``task(shown).savefig(path)``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from quickstudy.charts import WIDE, colour
from quickstudy.evaluate import Evaluation, Shown
from quickstudy.gallery import pixels
from quickstudy.maps import colours as tones
from quickstudy.regression import Adaptation, Errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNIT = 0.7  # inches of a picture in a drawn task
BAND = 10  # classes beside each other in a drawn task
RIGHT, WRONG = "#2f7ebc", "#c2500a"
SOFT = "#5c6670"
DASHES = ("-", "--", ":")  # the next begins where the colours begin again
LEGEND = 56  # letters in a line of a legend below a panel
LONGEST = 12  # letters of a class's name above its column


def learning_curves(curves: Mapping[str, list[dict[str, float]]]) -> Figure:
    """Training loss and, where there were validations, their accuracy by step; a line for each name."""
    scored = any("score" in point for curve in curves.values() for point in curve)
    figure = _figure(4.2 * (1 + scored), 3.0)
    panels = figure.subplots(1, 1 + scored, squeeze=False)[0]
    fields = [("loss", "training loss", 1), ("score", "validation accuracy, %", 100)]
    for axes, (field, label, factor) in zip(panels, fields, strict=False):
        for i, (name, curve) in enumerate(curves.items()):
            points = np.array([(p["step"], factor * p[field]) for p in curve if field in p]).reshape(-1, 2)
            marker = "o" if field == "score" else None
            axes.plot(*points.T, color=colour(i), label=name, marker=marker, markersize=3.5, linewidth=1.5)
        _plain(axes)
        axes.set(xlabel="step", ylabel=label)
    losses = [p["loss"] for curve in curves.values() for p in curve if "loss" in p]
    if losses and min(losses) > 0 and max(losses) / min(losses) > WIDE:
        panels[0].set_yscale("log")
    if len(curves) > 1:
        _literal(panels[0].legend(frameon=False).get_texts())
    return figure


def accuracies(evaluations: Sequence[Evaluation]) -> Figure:
    """Accuracy with its 95 % interval of each, the first at the top, and a dashed line where guessing would be."""
    figure = _figure(5.5, 1.0 + 0.36 * max(1, len(evaluations)))
    axes = figure.subplots()
    for i, evaluation in enumerate(evaluations):
        mean, half = (100 * value for value in evaluation.estimate)
        error = half if math.isfinite(half) else None
        axes.errorbar(mean, i, xerr=error, fmt="o", color=colour(i), capsize=4, markersize=4)
    for way in sorted({evaluation.way for evaluation in evaluations}):
        axes.axvline(100 / way, color=SOFT, linestyle="--", linewidth=1)
        axes.text(100 / way, -0.55, "guessing", color=SOFT, fontsize=8, ha="center", va="bottom")
    axes.set_yticks(range(len(evaluations)), [evaluation.name for evaluation in evaluations])
    _literal(axes.get_yticklabels())
    axes.set(xlabel="accuracy, %", ylim=(max(1, len(evaluations)) - 0.5, -0.5))
    _plain(axes)
    axes.grid(visible=False, axis="y")
    return figure


def task(shown: Shown, *, title: str = "") -> Figure:
    """The support with the classes' names in the upper rows, the queries below their class: framed, the wrong ones
    with the number of the class they were taken for."""
    support, query = shown.task
    columns = min(BAND, len(shown.classes))
    bands = math.ceil(len(shown.classes) / columns)
    shots, asked = (_most(np.asarray(y), len(shown.classes)) for y in (support.y, query.y))
    tall = 0.6 + shots + 1.35 * asked + 0.4
    span = (1.12 * columns + 0.1, tall * bands + 0.1)
    figure = _figure(UNIT * span[0], UNIT * span[1] + (0.3 if title else 0.0))
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


def regression(adaptations: Sequence[Adaptation], errors: Sequence[Errors]) -> Figure:
    """A panel for each learner: a curve, its support, and what was said after each number of steps; then the errors by
    step, means with their 95 % intervals and medians, in the same colours. A mean that grows beyond the first ones, as
    tasks diverge, leaves the picture."""
    figure = _figure(3.4 * (len(adaptations) + 1), 3.3)
    *panels, last = figure.subplots(1, len(adaptations) + 1, gridspec_kw={"wspace": 0.08})
    for i, (axes, shown) in enumerate(zip(panels, adaptations, strict=True)):
        _adapted(axes, shown, i)
    for i, found in enumerate(errors):
        _by_step(last, found, i)
    top = 1.1 * max((sum(found.estimates[0]) for found in errors), default=1.0)
    last.set(xlabel="gradient steps", title="squared error", ylim=(0, top))
    for axes in (*panels, last):
        _plain(axes)
        _literal(axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2).texts)
    return figure


def _by_step(axes: Axes, found: Errors, i: int) -> None:
    """Means and their intervals as far as they are numbers; medians."""
    mean, half = np.array(found.estimates).T
    axes.plot(mean, color=colour(i), label=f"{found.name}, mean", marker="o", markersize=3.5, linewidth=1.5)
    axes.fill_between(range(len(mean)), mean - half, mean + half, color=colour(i), alpha=0.25, linewidth=0)
    axes.plot(np.median(found.of_tasks, axis=0), color=colour(i), label="median", linestyle=":", linewidth=1.5)


def by_examples(panels: Mapping[str, Sequence[Errors]]) -> Figure:
    """A panel for each title: means with 95 % intervals by the number of examples seen, the first name solid, the
    others, which it is held against, dashed."""
    columns = min(4, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = _figure(2.7 * columns, 2.5 * rows + 0.3)
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, several) in zip(every, panels.items(), strict=False):
        for i, found in enumerate(several):
            mean, half = np.array(found.estimates).T
            axes.plot(mean, color=colour(i), label=found.name, linestyle="--" if i else "-", linewidth=1.6)
            axes.fill_between(range(len(mean)), mean - half, mean + half, color=colour(i), alpha=0.25, linewidth=0)
        axes.set(xlabel="examples", ylim=(0, 1.2 * max(e.mean for e in several[0].estimates)))
        axes.set_title(title, fontsize=9, parse_math=False)
        _literal(axes.legend(frameon=False, fontsize=7).get_texts())
        _plain(axes)
    for axes in every[len(panels) :]:
        axes.set_axis_off()
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
    figure = _figure(4.2 * len(panels), 3.2)
    colours: dict[str, str] = {}
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, points in lines.items():
            tone = colours.setdefault(name, colour(len(colours)))
            size, mean, half = np.array(points).T
            axes.plot(size, mean, color=tone, label=name, marker="o", markersize=3.5, linewidth=1.5)
            axes.fill_between(size, mean - half, mean + half, color=tone, alpha=0.25, linewidth=0)
        axes.set(xlabel=what, ylabel=score, ylim=(0, None), xscale="log" if log else "linear")
        axes.set_title(title, fontsize=10, parse_math=False)
        _literal(axes.legend(frameon=False, fontsize=8).get_texts())
        _plain(axes)
    return figure


def by_budget(panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> Figure:
    """A panel for each title with a line for each name through (step, accuracy): what is still answered wrongly, in
    per cent, on logarithmic axes, where steady learning is a straight line. Once the colours are used up, lines are
    dashed, then dotted."""
    from matplotlib.ticker import LogLocator, NullFormatter

    columns = min(2, len(panels))
    rows = [list(panels.items())[start : start + columns] for start in range(0, len(panels), columns)]
    wrapped = {name: textwrap.fill(name, LEGEND, break_on_hyphens=False) for lines in panels.values() for name in lines}
    long = [max(sum(wrapped[name].count("\n") + 1 for name in lines) for _, lines in row) for row in rows]
    figure = _figure(4.6 * columns, sum(3.0 + 0.2 * lines for lines in long))
    places = figure.subplots(len(rows), columns, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, lines) in zip(places, panels.items(), strict=False):
        for i, (name, points) in enumerate(lines.items()):
            step, right = np.array(points).T
            style = DASHES[i // len(tones.CATEGORIES) % len(DASHES)]
            look = {"color": tones.category(i), "linestyle": style, "marker": "o", "markersize": 3}
            axes.plot(step, 100 * (1 - right), label=wrapped[name], **look)
        axes.set(xlabel="steps of training", ylabel="wrong answers, %", xscale="log", yscale="log")
        for axis, ticks in ((axes.xaxis, (1,)), (axes.yaxis, (1, 2, 5))):
            axis.set_major_locator(LogLocator(subs=ticks))
            axis.set_major_formatter("{x:,g}")
            axis.set_minor_formatter(NullFormatter())
        axes.set_title(title, fontsize=10, parse_math=False)
        _literal(axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), frameon=False, fontsize=8).get_texts())
        _plain(axes)
    return figure


class Panel(NamedTuple):
    """Learning curves beside each other: of each name (k,) places along the axis and (problems, k) losses there."""

    title: str
    along: str  # "step" or "seconds"
    lines: Mapping[str, tuple[np.ndarray, np.ndarray]]


def descents(panels: Sequence[Panel], *, columns: int = 3) -> Figure:
    """Medians with bands between the quartiles, on a logarithmic axis; what is no number is left out."""
    rows = math.ceil(len(panels) / columns)
    figure = _figure(3.6 * min(columns, len(panels)), 3.0 * rows)
    every = figure.subplots(rows, min(columns, len(panels)), squeeze=False).ravel()
    colours: dict[str, str] = {}
    lines: dict[str, Any] = {}
    for axes, panel in zip(every, panels, strict=False):
        for name, (x, found) in panel.lines.items():
            tone = colours.setdefault(name, tones.category(len(colours)))
            low, middle, high = np.nanquantile(np.where(np.isfinite(found), found, np.nan), (0.25, 0.5, 0.75), axis=0)
            (lines[name],) = axes.plot(x, middle, color=tone, linewidth=1.5)
            axes.fill_between(x, low, high, color=tone, alpha=0.2, linewidth=0)
        axes.set(xlabel=panel.along, ylabel="loss", yscale="log")
        axes.set_title(panel.title, fontsize=9, parse_math=False)
        _plain(axes)
    legend = figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=4, frameon=False)
    _literal(legend.get_texts())
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    return figure


def weights(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], found: Sequence[tuple[Any, str, bool]]) -> Figure:
    """A panel for each title: how (n,) numbers spread over examples with right and with wrong labels, told apart by
    booleans (n,); below, pictures with the label that each was given, and whether it is wrong."""
    columns = min(12, len(found))
    rows = math.ceil(len(found) / columns)
    figure = _figure(2.6 * len(panels), 2.4 + 1.1 * rows)
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
    _plain(axes)


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


def planes(panels: Mapping[str, tuple[np.ndarray, np.ndarray, Sequence[str]]]) -> Figure:
    """A panel for each title: places (n, 2) coloured by names (n,), with lines of text below."""
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = _figure(3.0 * columns, 3.9 * rows)
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, (places, names, words)) in zip(every, panels.items(), strict=False):
        for i, name in enumerate(tones.ordered(names)):
            own = places[names == name]
            axes.scatter(*own.T, s=1.5, color=tones.category(i), linewidths=0, label=name)
        axes.set(xticks=[], yticks=[])
        axes.set_title(title, fontsize=9, parse_math=False)
        axes.set_xlabel("\n".join(words), fontsize=7, parse_math=False)
    for axes in every[len(panels) :]:
        axes.set_axis_off()
    _literal(
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=10, markerscale=5).texts
    )
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", dpi=150)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e6e9ec", linewidth=0.8)
    axes.set_axisbelow(True)


def _literal(texts: Sequence) -> None:
    """Names as they are: a dollar sign begins no formula."""
    for text in texts:
        text.set_parse_math(False)
