"""A map as a grid: every point gets a cell of its own, near its place (Jonker & Volgenant, 1987).

Points are stretched over the shape, so that a cell is one unit wide and high; the cost of an assignment is the sum of
the squared distances between points and the middles of their cells. Rows count with the second coordinate and columns
with the first: drawn with row 0 at the bottom, the grid is oriented as the map.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

Floats = NDArray[Any]
Cells = NDArray[np.int64]  # (n, 2) row and column
EXACT = 1600  # points up to which "auto" is exact
TILE = 256  # cells that are assigned exactly at a time
GAIN = 2e-3  # of the cost; a round that gains less is the last
ROUNDS = 20
SHIFTS = 0.6180339887, 0.7548776662  # of a tile's height and width, from round to round: irrational
MOST = 2**31  # costs that are held at a time


class Where(NamedTuple):
    """Points and cells in the same units."""

    points: Floats  # (n, 2) x and y
    cells: Cells  # (m, 2) row and column
    middles: Floats  # (m, 2) x and y of the cells


def assign(
    points: ArrayLike,
    shape: tuple[int, int] | None = None,
    *,
    mask: ArrayLike | None = None,
    method: Literal["exact", "tiled", "auto"] = "auto",
) -> Cells:
    """(n, 2) the row and the column of every point (n, 2), no cell twice.

    ``shape``: (rows, columns); the smallest square that holds all, as nearly as may be, unless given. ``mask`` (rows,
    columns) is True where a cell may be used. There may be more cells than points. ``"exact"`` has the least cost
    there is, in time n³ and memory n²; ``"tiled"`` comes within a few per cent of it, and is for up to 100,000 points
    and more; ``"auto"`` is exact up to 1,600 points
    and as many cells as go with them. The same points give the same cells.

    Raises ValueError for points that are no numbers or all on a line along an axis, and for fewer cells than points.
    """
    if method not in ("exact", "tiled", "auto"):
        raise ValueError(f'method is "exact", "tiled" or "auto", got {method!r}')
    where = _where(_checked(points), _allowed(len(np.asarray(points)), shape, mask))
    small = len(where.points) <= EXACT and len(where.points) * len(where.cells) <= 4 * EXACT**2
    if method == "exact" or (method == "auto" and small):
        return where.cells[_exact(where)]
    return where.cells[_improved(where, _halved(where))]


def cost(points: ArrayLike, cells: ArrayLike, shape: tuple[int, int]) -> float:
    """The mean squared distance, in cells, of points (n, 2) from the middles of their cells (n, 2)."""
    offsets = stretched(points, shape) - middles(cells)
    return float((offsets**2).sum(1).mean())


def stretched(points: ArrayLike, shape: tuple[int, int]) -> Floats:
    """(n, 2) x from 0 to the number of columns, y from 0 to the number of rows."""
    p = np.asarray(points, dtype=np.float64)
    low, high = p.min(0), p.max(0)
    return (p - low) / (high - low) * np.array(shape[::-1], dtype=np.float64)


def middles(cells: ArrayLike) -> Floats:
    """(n, 2) x and y of the middles of cells (n, 2), rows and columns."""
    return np.asarray(cells, dtype=np.float64)[:, ::-1] + 0.5


def square(count: int) -> tuple[int, int]:
    """(rows, columns) that hold so many, as square as may be."""
    rows = max(1, round(math.sqrt(count)))
    return rows, math.ceil(count / rows)


def _checked(points: ArrayLike) -> Floats:
    p = np.asarray(points, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] != 2 or not len(p):
        raise ValueError(f"a grid is made of points (n, 2) of a plane, got {p.shape}; lay out features first")
    if wrong := int((~np.isfinite(p).all(1)).sum()):
        raise ValueError(f"{wrong} of {len(p)} points are no numbers; leave them out, or lay out again")
    if len(p) > 1 and (flat := np.flatnonzero(p.max(0) == p.min(0))).size:
        raise ValueError(
            f"all points have the same {' and '.join('xy'[i] for i in flat)}; a grid needs a plane of them"
        )
    return p


def _allowed(count: int, shape: tuple[int, int] | None, mask: ArrayLike | None) -> NDArray[np.bool_]:
    """(rows, columns) of the cells that may be used."""
    if mask is not None and shape is not None:
        raise ValueError("a mask has a shape of its own; pass one of the two")
    allowed = np.ones(shape or square(count), bool) if mask is None else np.asarray(mask, bool)
    if allowed.ndim != 2:
        raise ValueError(f"a mask is (rows, columns), got an array of {allowed.shape}")
    if (room := int(allowed.sum())) < count:
        raise ValueError(f"{count} points need as many cells, got {room}; square({count}) is a shape that holds them")
    return allowed


def _where(points: Floats, allowed: NDArray[np.bool_]) -> Where:
    cells = np.argwhere(allowed)
    shape = allowed.shape[0], allowed.shape[1]
    at = stretched(points, shape) if len(points) > 1 else np.array([shape[::-1]]) / 2
    return Where(at, cells, middles(cells))


def _exact(where: Where) -> NDArray[np.int64]:
    """(n,) which cell."""
    if len(where.points) * len(where.cells) > MOST:
        raise ValueError(
            f"{len(where.points)} points and {len(where.cells)} cells are "
            f'{8e-9 * len(where.points) * len(where.cells):.0f} GB of costs; use method="tiled"'
        )
    return _solved(where.points, where.middles)


def _solved(points: Floats, places: Floats) -> NDArray[np.int64]:
    return linear_sum_assignment(cdist(points, places, "sqeuclidean"))[1]


def _halved(where: Where) -> NDArray[np.int64]:
    """(n,) a first assignment: the cells are cut in two along their longer side, again and again, and every half gets
    the points on its side, as far as both halves have room; small parts are assigned exactly."""
    found = np.empty(len(where.points), np.int64)
    parts = [(np.arange(len(where.points)), np.arange(len(where.cells)))]
    while parts:
        points, cells = parts.pop()
        if len(points) == 0:
            continue
        if len(cells) <= TILE:
            found[points] = cells[_solved(where.points[points], where.middles[cells])]
        else:
            parts += _cut(where, points, cells)
    return found


def _cut(where: Where, points: Any, cells: Any) -> list[tuple[Any, Any]]:
    axis = int(np.ptp(where.middles[cells], axis=0).argmax())
    cells = cells[np.lexsort((where.middles[cells, 1 - axis], where.middles[cells, axis]))]
    points = points[np.lexsort((where.points[points, 1 - axis], where.points[points, axis]))]
    half = len(cells) // 2
    border = where.middles[cells[half - 1 : half + 1], axis].mean()
    before = int(np.searchsorted(where.points[points, axis], border))
    here = min(max(before, len(points) - (len(cells) - half)), half)
    return [(points[:here], cells[:half]), (points[here:], cells[half:])]


def _improved(where: Where, found: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same, cheaper: cells that lie ``stride`` apart, some 256 at a time, are assigned anew, exactly, together with
    the points in them. Wide strides move points far, and come first; the last, 1, mends what lies side by side. The
    tiles of one round overlap those of the one before."""
    owner = np.full(len(where.cells), -1)
    owner[found] = np.arange(len(found))
    side, totals = math.isqrt(TILE), [math.inf, _total(where, owner)]
    widest = max(1, int(where.cells.max()) // side)
    strides = [2**i for i in reversed(range(widest.bit_length()))]
    for number in range(1, ROUNDS + 1):
        for tile in (tile for stride in strides for tile in _tiles(where.cells, stride, side, number)):
            _again(where, owner, tile)
        totals.append(_total(where, owner))
        if number > 1 and totals[-1] > (1 - GAIN) * totals[-2]:
            break
    found = np.empty(len(found), np.int64)
    found[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return found


def _tiles(cells: Cells, stride: int, side: int, number: int) -> list[Any]:
    """The cells in tiles of at most ``side`` times ``side`` that lie ``stride`` apart, shifted with every round."""
    wide = side * stride
    row, column = cells.T + [[int(number * share % 1 * wide)] for share in SHIFTS]
    keys = np.stack([row // wide, column // wide, row % stride, column % stride])
    order = np.lexsort(keys[::-1])
    borders = np.flatnonzero((np.diff(keys[:, order], axis=1) != 0).any(0)) + 1
    return np.split(order, borders)


def _again(where: Where, owner: Any, tile: Any) -> None:
    """Assigns a tile's points to its cells, exactly."""
    points = owner[tile]
    points = points[points >= 0]
    if len(points) and len(tile) > 1:
        owner[tile] = -1
        owner[tile[_solved(where.points[points], where.middles[tile])]] = points


def _total(where: Where, owner: Any) -> float:
    full = owner >= 0
    return float(((where.points[owner[full]] - where.middles[full]) ** 2).sum())
