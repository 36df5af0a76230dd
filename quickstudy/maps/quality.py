"""How much of the features a map keeps, in numbers that are means over points.

For a point i, N(i) are its k nearest in the features and V(i) in the plane. ``trustworthiness``: how far the V(i) are
from being neighbours in the features; ``continuity``: how far the N(i) are in the plane (Venna & Kaski, 2001).
``neighbour_recall``: the share of N(i) in V(i). ``neighbour_accuracy``: whether the most frequent label of V(i) is that
of i. ``silhouette``: how much closer i is, in the plane, to its own class than to the next (Rousseeuw, 1987). Of a
grid, ``displacement``: the distance, in cells, from a point to its cell; ``neighbourhood_loss``: the share of the eight
nearest in the plane that are not among the nearest cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import euclidean_distances

from quickstudy.maps import grid

Floats = NDArray[Any]
SAMPLE = 2000  # points that are asked about their neighbours among all
CHUNK = 2**24  # distances at a time
FEW = 16  # columns, above which distances are quicker as products of matrices
AROUND = 8  # cells around a cell


def summary(
    features: ArrayLike,
    plane: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    cells: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    neighbours: int = 10,
    sample: int = SAMPLE,
    seed: int = 0,
) -> dict[str, float]:
    """The means of ``of_points``, over all points or over ``sample`` of them."""
    measured = of_points(
        features, plane, labels, cells=cells, shape=shape, neighbours=neighbours, sample=sample, seed=seed
    )
    return {name: float(values.mean()) for name, values in measured.items()}


def worded(numbers: Mapping[str, float]) -> str:
    """One line of a summary, to stand under a picture."""
    return " · ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in numbers.items())


def of_points(
    features: ArrayLike,
    plane: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    cells: ArrayLike | None = None,
    shape: tuple[int, int] | None = None,
    neighbours: int = 10,
    sample: int = SAMPLE,
    seed: int = 0,
) -> dict[str, Floats]:
    """(m,) values of every measure, of all n points or of ``sample`` of them, the same for the same seed.

    Neighbours are sought among all points, by Euclidean distances of features (n, d) and of the plane (n, 2).
    ``labels`` (n,), numbers or text, add accuracy and silhouette; ``cells`` (n, 2) in a grid of ``shape`` add what the
    grid did.
    Raises ValueError where these are not of the same points, and for too few points for so many neighbours.
    """
    x, y = _rows(features, "features"), _rows(plane, "plane")
    _check(x, y, labels, neighbours)
    rows = sampled(len(x), sample, seed)
    found = _kept(x, y, rows, neighbours)
    if labels is not None:
        _, number = np.unique(np.asarray(labels), return_inverse=True)
        found |= _by_label(y, number, rows, neighbours)
    if cells is not None:
        found |= _of_grid(y, np.asarray(cells), shape, rows)
    return found


def sampled(count: int, sample: int, seed: int) -> NDArray[np.int64]:
    """(m,) at most ``sample`` of ``count`` rows, in order."""
    if sample >= count:
        return np.arange(count)
    keys = np.random.Philox(seed).random_raw(count)
    return np.sort(np.argsort(keys, kind="stable")[:sample])


def _rows(values: ArrayLike, name: str) -> Floats:
    rows = np.asarray(values)
    if rows.ndim != 2 or rows.dtype.kind not in "fiu":
        raise ValueError(f"{name} are (n, d) numbers, got {rows.dtype} of {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} has values that are no numbers; leave those rows out")
    return rows


def _check(x: Floats, y: Floats, labels: ArrayLike | None, neighbours: int) -> None:
    if len(x) != len(y) or (labels is not None and len(np.asarray(labels)) != len(x)):
        sizes = [len(x), len(y)] + ([] if labels is None else [len(np.asarray(labels))])
        raise ValueError(f"features, plane and labels are of the same points, got {', '.join(map(str, sizes))} rows")
    if not 1 <= neighbours < len(x) / 2:
        raise ValueError(f"{neighbours} neighbours need more than {2 * neighbours} points, got {len(x)}; ask for fewer")


def _kept(x: Floats, y: Floats, rows: Any, k: int) -> dict[str, Floats]:
    """What became of the neighbours."""
    worst = k * (2 * len(x) - 3 * k - 1) / 2  # the largest sum of ranks beyond k, of one point
    parts: list[tuple[Floats, Floats, Floats]] = []
    for part in _chunks(rows, len(x)):
        ours, theirs = (_apart(part, points) for points in (x, y))
        near, shown = _nearest(ours, k), _nearest(theirs, k)
        false, missed = (_beyond(ours, shown, k), _beyond(theirs, near, k))
        both = (near[:, :, None] == shown[:, None, :]).any(2).mean(1)
        parts.append((1 - false / worst, 1 - missed / worst, both))
    trust, continuity, recall = (np.concatenate(column) for column in zip(*parts, strict=True))
    return {"trustworthiness": trust, "continuity": continuity, "neighbour_recall": recall}


def _by_label(y: Floats, number: Any, rows: Any, k: int) -> dict[str, Floats]:
    classes = int(number.max()) + 1
    member = np.eye(classes)[number]  # (n, classes)
    right, silhouette = [], []
    for part in _chunks(rows, len(y)):
        apart = _apart(part, y)
        votes = member[_nearest(apart, k)].sum(1)
        right.append((votes.argmax(1) == number[part]).astype(float))
        apart[np.arange(len(part)), part] = 0.0
        silhouette.append(_silhouette(apart @ member, member.sum(0), number[part]))
    found = {"neighbour_accuracy": np.concatenate(right)}
    return found | ({"silhouette": np.concatenate(silhouette)} if classes > 1 else {})


def _silhouette(sums: Floats, sizes: Floats, own: Any) -> Floats:
    """(m,) from the summed distances to the points of every class; 0 for a class of one."""
    rows = np.arange(len(sums))
    inside = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    others = sums / sizes
    others[rows, own] = np.inf
    outside = others.min(1)
    widest = np.maximum(inside, outside)
    return np.where((sizes[own] > 1) & (widest > 0), (outside - inside) / np.where(widest > 0, widest, 1.0), 0.0)


def _of_grid(y: Floats, cells: Any, shape: tuple[int, int] | None, rows: Any) -> dict[str, Floats]:
    rows_columns = shape or (int(cells[:, 0].max()) + 1, int(cells[:, 1].max()) + 1)
    middles = grid.middles(cells)
    moved = np.linalg.norm(grid.stretched(y, rows_columns) - middles, axis=1)[rows]
    k, lost = min(AROUND, len(y) - 1), []
    for part in _chunks(rows, len(y)):
        near, apart = _nearest(_apart(part, y), k), _apart(part, middles)
        reach = np.partition(apart, k - 1, axis=1)[:, k - 1 : k]
        lost.append((np.take_along_axis(apart, near, 1) > reach + 1e-9).mean(1))
    return {"displacement": moved, "neighbourhood_loss": np.concatenate(lost)}


def _chunks(rows: Any, count: int) -> list[Any]:
    step = max(1, CHUNK // count)
    return [rows[start : start + step] for start in range(0, len(rows), step)]


def _apart(part: Any, points: Floats) -> Floats:
    """(m, n) distances of some points from all; infinite from themselves."""
    apart = cdist(points[part], points) if points.shape[1] <= FEW else euclidean_distances(points[part], points)
    apart[np.arange(len(part)), part] = np.inf
    return apart


def _nearest(apart: Floats, k: int) -> NDArray[np.int64]:
    return np.argpartition(apart, k - 1, axis=1)[:, :k]


def _beyond(apart: Floats, chosen: Any, k: int) -> Floats:
    """(m,) the summed ranks of the chosen (m, k), as far as they are beyond k."""
    ranks = np.stack([(apart < np.take_along_axis(apart, one[:, None], 1)).sum(1) + 1 for one in chosen.T])
    return np.maximum(ranks - k, 0).sum(0)
