"""Maps: a page, or a picture for a paper, of what a learner, an embedding or a file of features has."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from quickstudy.commands.map_sources import Source, refuse, source
from quickstudy.commands.options import parse
from quickstudy.maps import assign, figure, page, picture, summary, worded
from quickstudy.maps.grid import square
from quickstudy.maps.layout import Layout
from quickstudy.maps.layouts import LAYOUTS
from quickstudy.maps.picture import Picture

MOST = 10_000  # things that are laid out, unless told otherwise
NEIGHBOURS = 10  # by which quality is measured, or fewer where there are few points
DRAWN = (".png", ".svg", ".pdf")


def run(
    subject: str,
    out: Path | None,
    layout: str | None,
    options: Sequence[str],
    data: str | None,
    layer: str | None,
    embedding: str | None,
    color: str | None,
    grid: bool,
    limit: int | None,
    seed: int | None,
) -> None:
    """``quickstudy map SUBJECT``."""
    path = out or Path(f"{Path(subject).resolve().stem}-map.html")
    if path.suffix not in (".html", ".npz", *DRAWN):
        raise ValueError(f"a map is .html, .png, .svg, .pdf, or .npz to go on with in Python; got {path}")
    if Path(subject).suffix == ".npz" and picture.is_map(Path(subject)):
        asked = {"layout": layout, "options": options or None, "data": data, "layer": layer, "embedding": embedding}
        for option, given in {**asked, "limit": limit, "seed": seed}.items():
            refuse(given, f"--{option}", f"{subject} is a map already, and its points stay where they are")
        made = picture.load(Path(subject))
    else:
        most = MOST if limit is None else limit
        found = source(subject, data=data, layer=layer, embedding=embedding, limit=most, seed=seed or 0)
        made = laid_out(found, layout or "tsne", options)
    made = coloured(made, color)
    _write(path, made, grid)
    print("\n".join(made.quality))
    print(f"map: {path} ({path.stat().st_size / 1e6:.1f} MB)", file=sys.stderr)


def laid_out(found: Source, layout: str, options: Sequence[str]) -> Picture:
    """The map of what was found, with its grid and the numbers that say what they keep."""
    x, labels = found.features, found.labels
    unplaced = Picture(np.zeros((len(x), 2)), found.columns, thumbnails=found.thumbnails, ids=found.ids)
    say(f"{len(x):,} x {x.shape[1]:,} features; layout: {layout}")
    plane = _fitted(layout, options, x, labels)
    shape = square(len(x))
    say(f"grid: {shape[0]} x {shape[1]}")
    cells = assign(plane, shape)
    say("quality")
    near = min(NEIGHBOURS, (len(x) - 1) // 2)
    numbers = summary(x, plane, labels, cells=cells, shape=shape, neighbours=near)
    title, quality = f"{found.title}, {layout}", (worded(numbers),)
    return replace(unplaced, points=plane, cells=cells, shape=shape, title=title, quality=quality)


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


def _fitted(name: str, options: Sequence[str], x: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    layout = _layout(name, options)
    try:
        return layout.fit_transform(x, labels)
    except (TypeError, AttributeError) as error:
        if not options:
            raise
        raise ValueError(f"{name} cannot do with {' '.join(options)}: {error}") from error


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
