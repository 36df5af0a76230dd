"""Charts of the report page, drawn as SVG text: no script, no font, no file beside it."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image

from quickstudy import metrics

COLOURS = ("#2f7ebc", "#d55e00", "#00916a", "#b565a7", "#9a7400", "#7a7f87")  # told apart by colour-blind readers too
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 5", "4 6")  # and in print without colour
WIDE = 20  # largest over smallest loss from which the axis is logarithmic
BINS = 10

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axes:
    """A frame in which data coordinates have a place."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 440
    height: int = 290
    log: bool = False
    left: int = 42
    bottom: int = 42
    top: int = 32
    right: int = 14

    def across(self, x: float) -> float:
        return self.left + _share(x, *self.x) * (self.width - self.left - self.right)

    def up(self, y: float) -> float:
        share = _share(math.log(y), math.log(self.y[0]), math.log(self.y[1])) if self.log else _share(y, *self.y)
        return self.height - self.bottom - share * (self.height - self.bottom - self.top)

    def frame(self, xlabel: str, ylabel: str, xticks: Sequence[float], yticks: Sequence[float]) -> str:
        """Grid lines, tick labels, and what the axes are: the vertical one above its end."""
        right, floor = self.width - self.right, self.height - self.bottom
        parts = [
            f'<line class="grid" x1="{self.left}" x2="{right}" y1="{self.up(y):.1f}" y2="{self.up(y):.1f}"/>'
            f'<text x="{self.left - 7}" y="{self.up(y) + 4:.1f}" text-anchor="end">{_number(y)}</text>'
            for y in yticks
        ]
        parts += [
            f'<text x="{self.across(x):.1f}" y="{floor + 17}" text-anchor="middle">{_number(x)}</text>' for x in xticks
        ]
        parts.append(f'<line class="axis" x1="{self.left}" x2="{right}" y1="{floor}" y2="{floor}"/>')
        parts.append(f'<text x="{right}" y="{self.height - 5}" text-anchor="end">{escape(xlabel)}</text>')
        parts.append(f'<text class="what" x="0" y="12">{escape(ylabel)}</text>')
        return "".join(parts)

    def svg(self, description: str, *parts: str) -> str:
        return (
            f'<svg class="chart" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(description)}">{"".join(parts)}</svg>'
        )


def colour(index: int) -> str:
    """The colour of the index-th method, in every chart."""
    return COLOURS[index % len(COLOURS)]


def key(index: int) -> str:
    """The line that stands for a method in a legend."""
    return (
        f'<svg class="key" viewBox="0 0 28 10" aria-hidden="true"><line x1="1" x2="27" y1="5" y2="5" '
        f'stroke="{colour(index)}" stroke-width="2.5" stroke-dasharray="{_dash(index)}"/></svg>'
    )


def legend(names: Mapping[int, str]) -> str:
    """The methods by their numbers, each beside its line."""
    items = "".join(f"<li>{key(index)} {escape(name)}</li>" for index, name in names.items())
    return f'<ul class="legend">{items}</ul>'


def dot(index: int) -> str:
    """The colour of a method, beside its name."""
    disc = f'<circle cx="5" cy="5" r="5" fill="{colour(index)}"/>'
    return f'<svg class="dot" viewBox="0 0 10 10" aria-hidden="true">{disc}</svg>'


def lines(series: Mapping[int, Points], *, what: str, describe: str, exams: bool = False, along: str = "step") -> str:
    """Lines by step, or by what else is ``along`` the horizontal axis, coloured by the number of their method;
    logarithmic where the values span a wide range.

    ``exams``: accuracies, few enough that each gets a dot, on a linear axis.
    """
    values = [y for points in series.values() for _, y in points]
    steps = [x for points in series.values() for x, _ in points]
    low, high = min(values), max(values)
    log = not exams and low > 0 and high / low > WIDE
    yticks = _decades(low, high) if log else _ticks(low, high)
    span = (min(low, yticks[0]), max(high, yticks[-1]))
    xticks = [tick for tick in _ticks(0, max(steps)) if tick <= max(steps)]
    axes = Axes((0, max(steps)), span, log=log)
    drawn = [_line(axes, index, points, exams) for index, points in series.items()]
    label = f"{what}, logarithmic" if log else what
    return axes.svg(describe, axes.frame(along, label, xticks, yticks), *drawn)


def matrix(shares: np.ndarray, rows: Sequence[str], columns: Sequence[str], describe: str) -> str:
    """(rows, columns) shares as a heat map, the darker the higher, each with its per cent."""
    side, left, top = 46, 74, 40
    parts = [
        f'<text x="{left + side * j + side / 2}" y="{top - 8}" text-anchor="middle">{escape(name)}</text>'
        for j, name in enumerate(columns)
    ]
    for i, (name, row) in enumerate(zip(rows, shares, strict=True)):
        y = top + side * i
        parts.append(f'<text x="{left - 8}" y="{y + side / 2 + 4}" text-anchor="end">{escape(name)}</text>')
        for j, share in enumerate(row):
            x, ink = left + side * j, "#fff" if share > 0.55 else "var(--ink)"
            told = f"{name}, of {columns[j]}: {100 * share:.2f} % right"
            parts.append(
                f'<rect x="{x}" y="{y}" width="{side - 2}" height="{side - 2}" fill="{colour(0)}" '
                f'fill-opacity="{0.06 + 0.94 * share:.3f}"><title>{escape(told)}</title></rect>'
                f'<text x="{x + side / 2 - 1}" y="{y + side / 2 + 4}" text-anchor="middle" '
                f'style="fill:{ink}">{100 * share:.0f}</text>'
            )
    width, height = left + side * len(columns), top + side * len(rows)
    return Axes((0, 1), (0, 1), width=width, height=height).svg(describe, *parts)


def whisker(value: metrics.Estimate, span: tuple[float, float], index: int, chance: float) -> str:
    """A dot with its 95 % interval on a shared scale; a tick where guessing would be."""
    axes = Axes(span, (0, 1), width=180, height=26, left=6, right=6, top=0, bottom=0)
    parts = ['<line class="grid" x1="6" x2="174" y1="13" y2="13"/>']
    if span[0] <= chance <= span[1]:
        x = axes.across(chance)
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="6" y2="20"><title>guessing</title></line>')
    low, high = (axes.across(_clip(value.mean + side * value.interval95, *span)) for side in (-1, 1))
    style = f'stroke="{colour(index)}" stroke-width="1.5"'
    if math.isfinite(value.interval95):
        parts.append(f'<path d="M{low:.1f} 13H{high:.1f}M{low:.1f} 7v12M{high:.1f} 7v12" fill="none" {style}/>')
    parts.append(f'<circle cx="{axes.across(value.mean):.1f}" cy="13" r="3" fill="{colour(index)}"/>')
    return f'<svg class="whisker" viewBox="0 0 180 26" aria-hidden="true">{"".join(parts)}</svg>'


def scale(values: Sequence[metrics.Estimate]) -> tuple[float, float]:
    """Round ends, multiples of 5 %, that hold every interval."""
    halves = [v.interval95 if math.isfinite(v.interval95) else 0.0 for v in values]
    low = min(v.mean - half for v, half in zip(values, halves, strict=True))
    high = max(v.mean + half for v, half in zip(values, halves, strict=True))
    bottom, top = max(0, math.floor(low * 20)) / 20, min(20, math.ceil(high * 20)) / 20
    return (bottom, top) if top > bottom else (max(0.0, top - 0.05), min(1.0, bottom + 0.05))


def reliability(confidence: np.ndarray, right: np.ndarray, index: int, name: str) -> str:
    """Share right by confidence, against the diagonal where they agree; bars below show how many answers."""
    axes = Axes((0, 100), (0, 100), width=260, height=270)
    means, shares, counts = metrics.reliability(confidence, right, bins=BINS)
    parts = [axes.frame("confidence, %", "right, %", range(0, 101, 25), range(0, 101, 25))]
    floor, room = axes.up(0), 0.2 * (axes.up(0) - axes.up(100))
    for i, count in enumerate(counts):
        start, end = axes.across(100 * i / BINS), axes.across(100 * (i + 1) / BINS)
        tall = room * count / counts.max()
        parts.append(
            f'<rect class="count" x="{start + 1:.1f}" y="{floor - tall:.1f}" width="{end - start - 2:.1f}" '
            f'height="{tall:.1f}"><title>{count:,} answers</title></rect>'
        )
    ends = [f"{axes.across(v):.1f} {axes.up(v):.1f}" for v in (0, 100)]
    parts.append(f'<path class="axis" d="M{ends[0]}L{ends[1]}" stroke-dasharray="3 3"/>')
    full = [(100 * m, 100 * s, c) for m, s, c in zip(means, shares, counts, strict=True) if c]
    parts.append(_line(axes, index, [(m, s) for m, s, _ in full], False))
    for mean, share, count in full:
        told = f"{mean:.1f} % sure, {share:.1f} % right, {count:,} answers"
        place = f'cx="{axes.across(mean):.1f}" cy="{axes.up(share):.1f}"'
        parts.append(f'<circle {place} r="4" fill="{colour(index)}"><title>{told}</title></circle>')
    return axes.svg(f"Reliability of {name}: share right by confidence", *parts)


def histogram(rights: np.ndarray, asked: int, span: tuple[int, int], index: int, name: str) -> str:
    """How many tasks had how many of their queries right; ``span``: the fewest and the most, of all methods."""
    step = max(1, math.ceil((span[1] - span[0] + 1) / 20))
    edges = np.arange(span[0], span[1] + step + 1, step)
    counts = np.histogram(rights, edges - 0.5)[0]
    percents = 100 * (edges - 0.5) / asked
    axes = Axes((percents[0], percents[-1]), (0, max(1, int(counts.max()))), width=260, height=190)
    yticks = [t for t in _ticks(0, axes.y[1], 3) if t == int(t)]
    xticks = [t for t in _ticks(max(0.0, percents[0]), min(100.0, percents[-1]), 6) if axes.x[0] <= t <= axes.x[1]]
    parts = [axes.frame("accuracy of a task, %", "tasks", xticks, [t for t in yticks if t <= axes.y[1]])]
    for left, right, first, count in zip(percents, percents[1:], edges, counts, strict=False):
        x, width, y = axes.across(left), axes.across(right) - axes.across(left), axes.up(count)
        some = f"{first}" if step == 1 else f"{first} to {first + step - 1}"
        parts.append(
            f'<rect x="{x + 0.5:.1f}" y="{y:.1f}" width="{width - 1:.1f}" height="{axes.up(0) - y:.1f}" '
            f'fill="{colour(index)}"><title>{count:,} tasks with {some} of {asked} right</title></rect>'
        )
    return axes.svg(f"Accuracy per task of {name}", *parts)


def by_instance(series: Mapping[int, Sequence[metrics.Estimate]], chance: float, describe: str) -> str:
    """Accuracy by instance, from the first on, with 95 % intervals; a dashed line where guessing would be."""
    most = max(len(estimates) for estimates in series.values())
    axes = Axes((1, max(2, most)), (0, 100))
    level = axes.up(100 * chance)
    parts = [
        axes.frame("instance of a class", "right, %", range(1, most + 1), range(0, 101, 20)),
        f'<line class="axis" x1="{axes.left}" x2="{axes.width - axes.right}" y1="{level:.1f}" y2="{level:.1f}" '
        'stroke-dasharray="3 3"><title>guessing</title></line>',
    ]
    for index, estimates in series.items():
        met = [(k, *(100 * v for v in one)) for k, one in enumerate(estimates, 1) if math.isfinite(one.mean)]
        parts.append(_line(axes, index, [(k, mean) for k, mean, _ in met], True))
        for k, mean, half in met:
            if math.isfinite(half):
                x, low, high = axes.across(k), axes.up(_clip(mean - half, 0, 100)), axes.up(_clip(mean + half, 0, 100))
                parts.append(f'<path d="M{x:.1f} {low:.1f}V{high:.1f}" stroke="{colour(index)}" stroke-width="1.5"/>')
    return axes.svg(describe, *parts)


def heatmap(values: np.ndarray, *, xlabel: str, ylabel: str, classes: Sequence[int], describe: str) -> str:
    """(rows, columns) of shares from 0 to 1 as the strength of one colour, first row on top; ``classes`` of the columns
    are written below them."""
    rows, columns = values.shape
    axes = Axes((0, columns), (0, rows), width=520, height=60 + max(120, min(320, 6 * rows)), bottom=40, top=20)
    left, right, top, floor = axes.across(0), axes.across(columns), axes.up(rows), axes.up(0)
    size = min(9.0, 1.6 * (right - left) / columns)
    parts = [
        f'<image class="crisp" x="{left}" y="{top:.1f}" width="{right - left:.1f}" height="{floor - top:.1f}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{_shades(values)}"/>',
        f'<path class="axis" d="M{left} {top:.1f}V{floor:.1f}H{right:.1f}" fill="none"/>',
        f'<text x="{right:.1f}" y="{axes.height - 8}" text-anchor="end">{escape(xlabel)}</text>',
        f'<text class="what" x="0" y="12">{escape(ylabel)}</text>',
    ]
    parts += [
        f'<text x="{left - 7}" y="{axes.up(rows - tick + 0.5) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        for tick in _ticks(0, rows)
        if 0 < tick <= rows
    ]
    parts += [
        f'<text x="{axes.across(i + 0.5):.1f}" y="{floor + 11:.1f}" text-anchor="middle" '
        f'style="font-size:{size:.1f}px; fill:{colour(label)}">{label + 1}</text>'
        for i, label in enumerate(classes)
    ]
    return axes.svg(describe, *parts)


def _shades(values: np.ndarray) -> str:
    """A PNG in base64, a pixel for each value: one colour, opaque at 1."""
    tone = [int(COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)]
    pixels = np.empty((*values.shape, 4), dtype=np.uint8)
    pixels[..., :3] = tone
    pixels[..., 3] = np.rint(255 * np.clip(values, 0, 1))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _line(axes: Axes, index: int, points: Points, dots: bool) -> str:
    places = [f"{axes.across(x):.1f} {axes.up(y):.1f}" for x, y in points]
    style = f'fill="none" stroke="{colour(index)}" stroke-width="2" stroke-dasharray="{_dash(index)}"'
    drawn = f'<path d="M{"L".join(places)}" {style}/>'
    if dots or len(points) == 1:
        drawn += "".join(
            f'<circle cx="{axes.across(x):.1f}" cy="{axes.up(y):.1f}" r="3" fill="{colour(index)}"/>' for x, y in points
        )
    return drawn if places else ""


def _dash(index: int) -> str:
    """Another one for the same colour, once all colours have been."""
    return DASHES[(index + index // len(COLOURS)) % len(DASHES)] or "none"


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _ticks(low: float, high: float, most: int = 5) -> list[float]:
    """At most about ``most`` round numbers from at or below ``low`` to at or above ``high``."""
    raw = (high - low or abs(high) or 1.0) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    return [round(step * i, 10) for i in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """At most about five powers of ten around the range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step = max(1, math.ceil((last - first) / 5))
    return [10.0**power for power in range(first, last + step, step)]


def _number(value: float) -> str:
    """A power of ten below a thousandth as such, as axes of decades have them."""
    power = math.log10(value) if 0 < value < 1e-3 else 0.0
    if power and math.isclose(power, round(power)):
        return f'10<tspan dy="-4" font-size="9">−{-round(power)}</tspan>'
    return f"{value:,.10g}".replace("-", "−")
