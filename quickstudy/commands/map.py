"""Maps: a page, or a picture for a paper, of what a learner, an embedding or a file of features has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from quickstudy.commands.map_sources import Source, source
from quickstudy.commands.options import parse
from quickstudy.maps import assign, figure, page, picture, summary, worded
from quickstudy.maps.grid import square
from quickstudy.maps.layout import Layout
from quickstudy.maps.layouts import LAYOUTS
from quickstudy.maps.picture import Picture

NEIGHBOURS = 10  # by which quality is measured, or fewer where there are few points
DRAWN = (".png", ".svg", ".pdf")


def run(
    subject: str,
    out: Path | None,
    layout: str,
    options: Sequence[str],
    data: str | None,
    layer: str | None,
    embedding: str | None,
    color: str | None,
    grid: bool,
    limit: int,
    seed: int,
) -> None:
    """``quickstudy map SUBJECT``."""
    path = out or Path(f"{Path(subject).resolve().stem}-map.html")
    if path.suffix not in (".html", ".npz", *DRAWN):
        raise ValueError(f"a map is .html, .png, .svg, .pdf, or .npz to go on with in Python; got {path}")
    if Path(subject).suffix == ".npz" and picture.is_map(Path(subject)):
        made = picture.load(Path(subject))
    else:
        found = source(subject, data=data, layer=layer, embedding=embedding, limit=limit, seed=seed)
        made = laid_out(found, layout, options)
    made = coloured(made, color)
    _write(path, made, grid)
    print("\n".join(made.quality))
    print(f"map: {path} ({path.stat().st_size / 1e6:.1f} MB)", file=sys.stderr)


def laid_out(found: Source, layout: str, options: Sequence[str]) -> Picture:
    """The map of what was found, with its grid and the numbers that say what they keep."""
    x, labels = found.features, found.labels
    say(f"{len(x):,} x {x.shape[1]:,} features; layout: {layout}")
    plane = _layout(layout, options).fit_transform(x, labels)
    shape = square(len(x))
    say(f"grid: {shape[0]} x {shape[1]}")
    cells = assign(plane, shape)
    say("quality")
    near = min(NEIGHBOURS, (len(x) - 1) // 2)
    numbers = summary(x, plane, labels, cells=cells, shape=shape, neighbours=near)
    return Picture(
        plane,
        found.columns,
        thumbnails=found.thumbnails,
        cells=cells,
        shape=shape,
        ids=found.ids,
        title=f"{found.title}, {layout}",
        quality=(worded(numbers),),
    )


def coloured(made: Picture, column: str | None) -> Picture:
    """The same, coloured by this column. Raises ValueError where there is none of that name."""
    if column is None:
        return made
    if column not in made.columns:
        raise ValueError(f"there is no column {column!r}; there are {', '.join(made.columns) or 'none'}")
    return made.by(column)


def say(what: str) -> None:
    """What is being done, for who waits."""
    print(what, file=sys.stderr)


def _layout(name: str, options: Sequence[str]) -> Layout:
    if name not in LAYOUTS:
        raise ValueError(f"there is no layout {name!r}; there are {', '.join(LAYOUTS)}")
    try:
        return LAYOUTS[name](**parse(options))
    except TypeError as error:
        known = ", ".join(LAYOUTS[name]().get_params())
        raise ValueError(f"{name} has other options: {error}; it has {known}") from error


def _write(path: Path, made: Picture, grid: bool) -> None:
    if path.suffix == ".html":
        page.save(path, made, grid=grid)
    elif path.suffix == ".npz":
        made.save(path)
    else:
        figure.save(path, made, grid=grid)
