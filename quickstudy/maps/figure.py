"""Maps for papers and readmes, as Matplotlib figures: points with names, thumbnails, or the grid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor

from quickstudy.files import atomic
from quickstudy.maps import colours
from quickstudy.maps.picture import Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE = 7.0  # inches
PIXELS = 2400  # of the longer side of what is drawn from thumbnails
SOFT = "#5c6670"
MARKS = {"disc": "o", "square": "s", "triangle": "^", "diamond": "D", "ring": "$\u25cb$"}
NAMED = 40  # categories that are written on the map, at most
LISTED = 20  # or listed beside it
BINS = 24  # along each side, in which the densest place of a category is sought
ROOM = 1.4  # of a thumbnail beyond the distance that points would have if they were spread evenly


def save(path: Path | str, picture: Picture, *, grid: bool = False) -> None:
    """Writes PNG, SVG or PDF, by the ending: the grid where it is asked for; else thumbnails where they have room;
    else points. Raises ValueError for a grid that is not there."""
    from matplotlib import rc_context

    path = Path(path)
    made = cells(picture) if grid else _readable(picture)
    with atomic(path) as part, rc_context({"svg.hashsalt": "quickstudy"}):  # the same map gives the same file
        made.savefig(part, format=path.suffix[1:], dpi=300, bbox_inches="tight", metadata=_undated(path.suffix))


def points(picture: Picture) -> Figure:
    """A dot for each point, coloured by the first column, its categories named where they are densest."""
    figure, axes = _frame(picture)
    size = float(np.clip(2.2e4 / len(picture), 1.0, 30.0))
    order = np.random.Generator(np.random.Philox(0)).permutation(len(picture))
    marks, tone = np.full(len(picture), "o", dtype="<U8"), tones(picture) / 255
    for _, rows, _, mark in _groups(picture):
        marks[rows] = mark
    for mark in np.unique(marks):
        rows = order[marks[order] == mark]
        x, y = picture.points[rows].T
        axes.scatter(x, y, s=size, c=tone[rows], marker=str(mark), linewidths=0)
    axes.set_aspect("equal", "datalim")
    _explain(figure, axes, picture)
    return figure


def thumbnails(picture: Picture) -> Figure:
    """Every thumbnail at its place: drawings in the colour of their category, photographs framed by it."""
    if picture.thumbnails is None:
        raise ValueError("this map has no thumbnails; draw its points instead")
    at = picture.points.astype(np.float64)
    low, high = at.min(0), at.max(0)
    span = np.maximum(high - low, 1e-9)
    side = max(8, round(ROOM * PIXELS * np.sqrt(span.prod() / span.max() ** 2 / len(at))))
    scale = (PIXELS - side) / span.max()
    corners = np.rint(np.stack([at[:, 0] - low[0], high[1] - at[:, 1]], 1) * scale).astype(int)
    tall, wide = np.rint(span[::-1] * scale).astype(int) + side
    figure, axes = _frame(picture, tall / wide)
    axes.imshow(_pasted(picture, corners, side, (tall, wide)), extent=(0, wide, tall, 0))
    _explain(figure, axes, picture, (at - [low[0], high[1]]) * [scale, -scale] + side / 2)
    return figure


def cells(picture: Picture) -> Figure:
    """The grid: a thumbnail in every cell, or its colour."""
    if picture.cells is None or picture.shape is None:
        raise ValueError("this map has no grid; assign its points to cells first")
    rows, columns = picture.shape
    side = max(1, PIXELS // max(rows, columns)) if picture.thumbnails is not None else 8
    corners = np.stack([picture.cells[:, 1], rows - 1 - picture.cells[:, 0]], 1) * side
    figure, axes = _frame(picture, rows / columns)
    canvas = _pasted(picture, corners, side, (rows * side, columns * side))
    axes.imshow(canvas, extent=(0, columns, rows, 0))
    _explain(figure, axes, picture)
    return figure


def _readable(picture: Picture) -> Figure:
    fits = picture.thumbnails is not None and len(picture) <= (PIXELS / 24) ** 2
    return thumbnails(picture) if fits else points(picture)


def tones(picture: Picture) -> np.ndarray:
    """(n, 3) uint8 colours by the first column."""
    out = np.empty((len(picture), 3), dtype=np.uint8)
    for _, rows, tone, _ in _groups(picture):
        out[rows] = ImageColor.getrgb(tone) if isinstance(tone, str) else np.rint(255 * tone[rows, :3])
    return out


def densest(places: np.ndarray) -> np.ndarray:
    """(2,) the middle of where most of (n, 2) places lie together: of the fullest of 24 by 24 boxes and its
    neighbours."""
    low, span = places.min(0), np.maximum(np.ptp(places, axis=0), 1e-9)
    boxes = np.minimum(((places - low) / span * BINS).astype(int), BINS - 1)
    count = np.zeros((BINS + 2, BINS + 2))
    np.add.at(count, tuple(boxes.T + 1), 1)
    sums = sum(count[a : a + BINS, b : b + BINS] for a in range(3) for b in range(3))
    best = np.array(np.unravel_index(np.argmax(sums), (BINS, BINS)))
    return np.median(places[(np.abs(boxes - best) <= 1).all(1)], axis=0)


def _groups(picture: Picture) -> Iterator[tuple[str, np.ndarray, str | np.ndarray, str]]:
    """Categories: name, rows, colour, mark; of a number one group with (n, 4) colours."""
    every = np.arange(len(picture))
    column = next(iter(picture.columns.values()), None)
    if column is None:
        yield "", every, colours.category(0), "o"
    elif column.dtype.kind == "f":
        yield "", every, _ramp(column), "o"
    else:
        for i, name in enumerate(colours.ordered(column)):
            yield name, np.flatnonzero(column == name), colours.category(i), MARKS[colours.shape(i)]


def _ramp(values: np.ndarray) -> np.ndarray:
    """(n, 4) colours of numbers, from 0 to 1."""
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    out = LinearSegmentedColormap.from_list("ramp", colours.RAMP)(np.nan_to_num(share))
    out[np.isnan(values)] = to_rgba(colours.UNKNOWN)
    return out


def _pasted(picture: Picture, corners: np.ndarray, side: int, size: tuple[int, int]) -> np.ndarray:
    """(tall, wide, 3) uint8: each picture in its square, on white."""
    canvas = np.full((*size, 3), 255, dtype=np.uint8)
    tone = tones(picture)
    for i, (x, y) in enumerate(corners):
        inside = canvas[y : y + side, x : x + side]
        if picture.thumbnails is None:
            inside[:] = tone[i]
            continue
        drawn = np.asarray(Image.fromarray(picture.thumbnails[i]).resize((side, side), Image.Resampling.BILINEAR))
        if drawn.ndim == 2:  # ink in its colour, through which the paper shows
            inside[:] = np.rint(inside + drawn[..., None] / 255.0 * (tone[i] - inside.astype(np.float64)))
        else:
            inside[:] = drawn
            _framed(inside, tone[i], max(1, side // 24) if picture.columns else 0)
    return canvas


def _framed(inside: np.ndarray, tone: np.ndarray, width: int) -> None:
    for edge in (inside[:width], inside[-width:], inside[:, :width], inside[:, -width:]):
        if width:
            edge[:] = tone


def _frame(picture: Picture, tall: float = 0.8) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE, WIDE * tall + 0.6), layout="constrained", dpi=150)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_title(picture.title, fontsize=10, parse_math=False)
    return figure, axes


def _explain(figure: Figure, axes: Axes, picture: Picture, places: np.ndarray | None = None) -> None:
    """Names on the map or beside it, a bar for a number, and the quality below."""
    for i, line in enumerate(reversed(picture.quality)):
        figure.text(0.5, -0.025 * (i + 1), line, ha="center", fontsize=7, color=SOFT, parse_math=False)
    groups = list(_groups(picture))
    if len(groups) == 1 and not isinstance(groups[0][2], str):
        _bar(figure, axes, picture)
    elif axes.collections or places is not None:
        where = picture.points if places is None else places
        _names(axes, groups[:NAMED] if len(groups) <= NAMED else [], where)
    if 1 < len(groups) <= LISTED:
        _legend(axes, groups)


def _names(axes: Axes, groups: list, where: np.ndarray) -> None:
    from matplotlib.patheffects import withStroke

    for name, rows, _, _ in groups:
        short = name if len(name) <= 24 else f"{name[:23]}…"
        x, y = densest(where[rows])
        text = axes.text(x, y, short, ha="center", va="center", fontsize=8, parse_math=False)
        text.set(fontweight="bold", path_effects=[withStroke(linewidth=2.2, foreground="white")])


def _legend(axes: Axes, groups: list) -> None:
    from matplotlib.lines import Line2D

    keys = [Line2D([], [], linestyle="", marker=mark, color=tone, markersize=4) for _, _, tone, mark in groups]
    legend = axes.legend(
        keys, [name for name, *_ in groups], frameon=False, fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0)
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _bar(figure: Figure, axes: Axes, picture: Picture) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    name, values = next(iter(picture.columns.items()))
    scale = Normalize(np.nanmin(values), np.nanmax(values))
    ramp = LinearSegmentedColormap.from_list("ramp", colours.RAMP)
    bar = figure.colorbar(ScalarMappable(scale, ramp), ax=axes, shrink=0.5)
    bar.outline.set_visible(False)
    bar.ax.set_title(name, fontsize=8, parse_math=False)
    bar.ax.tick_params(labelsize=7)


def _undated(suffix: str) -> dict[str, None]:
    return {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(suffix, {})
