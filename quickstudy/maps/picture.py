"""What a map is made of: points, cells of a grid, columns, thumbnails; kept as one .npz file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from quickstudy.files import FileProblem, atomic
from quickstudy.maps import arrays

FORMAT = 1  # raised when an older reader would misread a newer file
COLUMN = "column:"  # before the name of a column in the file
NOTES = "notes"


@dataclass(frozen=True, eq=False)
class Picture:
    """A map of n things, which pages and figures draw.

    ``columns`` are texts, which are categories, or numbers, which are continuous; the first is what colours mean unless
    another is asked for. Thumbnails of (n, h, w) are drawings with bright ink, as pools have them; those of
    (n, h, w, 3) are photographs. Raises ValueError where the parts do not fit.
    """

    points: np.ndarray  # (n, 2) float32, y upwards
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> (n,)
    thumbnails: np.ndarray | None = None  # (n, h, w) or (n, h, w, 3) uint8
    cells: np.ndarray | None = None  # (n, 2) row and column as ``maps.assign`` has them: row 0 at the bottom
    shape: tuple[int, int] | None = None  # rows and columns of the grid
    ids: np.ndarray | None = None  # (n,) texts, such as paths
    title: str = "Map"
    quality: Sequence[str] = ()  # lines, printed under the picture

    def __post_init__(self) -> None:
        points = np.ascontiguousarray(self.points, dtype=np.float32)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise ValueError(f"points are (n, 2) with at least one of them, got {points.shape}")
        if not np.isfinite(points).all():
            rows = np.flatnonzero(~np.isfinite(points).all(1))
            raise ValueError(f"points are finite numbers; {len(rows)} are not, the first in row {rows[0]}")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "columns", {name: _column(name, c, len(points)) for name, c in self.columns.items()})
        if self.ids is not None:
            object.__setattr__(self, "ids", _sized("ids", np.asarray(self.ids).astype(str), len(points)))
        if self.thumbnails is not None:
            object.__setattr__(self, "thumbnails", _thumbnails(self.thumbnails, len(points)))
        if (self.cells is None) != (self.shape is None):
            raise ValueError("cells and the shape of their grid come together; give both or neither")
        if self.cells is not None and self.shape is not None:
            object.__setattr__(self, "cells", _cells(self.cells, self.shape, len(points)))

    def __len__(self) -> int:
        return len(self.points)

    def names(self) -> list[str]:
        """What each point is called: its id, else its row."""
        return [str(name) for name in self.ids] if self.ids is not None else [f"row {i}" for i in range(len(self))]

    def by(self, column: str) -> Picture:
        """The same with this column first, which is what colours mean."""
        return replace(self, columns={column: self.columns[column], **self.columns})

    def save(self, path: Path | str) -> None:
        """One .npz file, which ``load`` and NumPy read without pickle."""
        notes = {"format": FORMAT, "title": self.title, "quality": list(self.quality), "columns": list(self.columns)}
        parts: dict[str, Any] = {"points": self.points, NOTES: np.array(json.dumps(notes | {"shape": self.shape}))}
        parts |= {COLUMN + str(i): column for i, column in enumerate(self.columns.values())}
        optional = {"thumbnails": self.thumbnails, "cells": self.cells, "ids": self.ids}
        parts |= {name: part for name, part in optional.items() if part is not None}
        with atomic(Path(path)) as part, part.open("wb") as file:
            np.savez_compressed(file, **parts)


def is_map(path: Path) -> bool:
    """Whether a file holds a map, rather than features. Raises FileProblem where it cannot be read."""
    return NOTES in arrays.names(path)


def load(path: Path | str) -> Picture:
    """What ``save`` wrote. Raises FileProblem, naming the file, for anything else."""
    parts = arrays.read(Path(path))
    if NOTES not in parts or "points" not in parts:
        raise FileProblem(f"{path} is no map: it has no points and notes; write one with Picture.save")
    try:
        notes = json.loads(str(parts[NOTES]))
        if notes["format"] != FORMAT:
            raise ValueError(f"it is of format {notes['format']}, this version reads {FORMAT}")
        columns = {name: parts[COLUMN + str(i)] for i, name in enumerate(notes["columns"])}
        shape = None if notes["shape"] is None else (int(notes["shape"][0]), int(notes["shape"][1]))
        optional = {name: parts.get(name) for name in ("thumbnails", "cells", "ids")}
        return Picture(
            parts["points"], columns, shape=shape, title=notes["title"], quality=tuple(notes["quality"]), **optional
        )
    except (KeyError, TypeError, ValueError) as error:
        raise FileProblem(f"{path} is no map that can be read ({error}); write it anew") from error


def _column(name: str, values: np.ndarray, count: int) -> np.ndarray:
    """Texts as they are, truth values as texts, numbers as float64."""
    column = np.asarray(values)
    if column.dtype.kind in "OSUb":
        return _sized(f"the column {name!r}", column.astype(str), count)
    if column.dtype.kind not in "fiu":
        raise ValueError(f"the column {name!r} is texts or numbers, got {column.dtype}")
    return _sized(f"the column {name!r}", column.astype(np.float64), count)


def _sized(what: str, values: np.ndarray, count: int) -> np.ndarray:
    if values.shape != (count,):
        raise ValueError(f"{count} points need {count} entries of {what}, got {values.shape}")
    return values


def _thumbnails(values: np.ndarray, count: int) -> np.ndarray:
    values = np.asarray(values)
    fits = values.ndim in (3, 4) and values.shape[3:] in ((), (3,)) and min(values.shape) > 0
    if values.dtype != np.uint8 or not fits or len(values) != count:
        raise ValueError(
            f"thumbnails are uint8 of (n, height, width) or (n, height, width, 3) for {count} points, got "
            f"{values.dtype} of {values.shape}"
        )
    return values


def _cells(values: np.ndarray, shape: tuple[int, int], count: int) -> np.ndarray:
    cells = np.asarray(values)
    if cells.shape != (count, 2) or cells.dtype.kind not in "iu":
        raise ValueError(f"cells are (n, 2) integers for {count} points, got {cells.dtype} of {cells.shape}")
    if cells.min() < 0 or (cells >= np.array(shape)).any():
        raise ValueError(f"a grid of {shape[0]} by {shape[1]} has no cell {cells.max(0).tolist()}; cells begin at 0")
    if len(np.unique(cells.astype(np.int64) @ np.array([shape[1], 1]))) != count:
        raise ValueError("two points share a cell; every point has a cell of its own")
    return cells.astype(np.int32)
