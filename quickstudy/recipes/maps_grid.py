"""What a grid of tiles costs beside the best there is: further rows of the table of ``maps``.

Protocol: points of the unit square, or the places that t-SNE gave the pixels of the MNIST test set, are assigned to a
square of as many cells, exactly and in tiles. The cost is the sum of squared distances; ``cost`` is that of the tiles
in hundredths of the exact one. ``displacement`` and ``neighbourhood loss`` (``quickstudy.maps.quality``) are in cells,
and in shares, of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from quickstudy.maps import assign, grid, quality
from quickstudy.recipes.cells import AnyCell, Scores
from quickstudy.recipes.maps import CELLS as LAYOUTS
from quickstudy.recipes.maps import TABLE, LayoutCell, described, kept, pictures
from quickstudy.train import Progress

CLOUDS = {"uniform": "uniform points", "tsne": "t-SNE of MNIST pixels"}
SIZES = {"uniform": (2500, 10_000), "tsne": (2500, 4900)}  # exact assignment of clusters takes far longer


@dataclass(frozen=True)
class GridCell(AnyCell):
    """A figure of one assignment of so many points of a cloud."""

    cloud: str
    count: int
    way: str  # "exact" or "tiled"
    what: str  # "cost", "displacement" or "neighbourhood_loss"

    trained: ClassVar[bool] = False
    score: ClassVar[str] = "of_points"
    metric: ClassVar[str] = "cells"
    factor: ClassVar[float] = 1

    @property
    def setting(self) -> str:
        words = {"cost": "cost, exact = 100"}.get(self.what, self.what.replace("_", " "))
        return f"{self.count:,} points, {words}"

    def stamp(self, seed: int, scale: float) -> str:
        return f"grid-{self.cloud}-{self.count}-{self.way}" + (f"-{scale:g}" if scale != 1 else "")

    def measure(self, seed: int, *, scale: float, tasks: int, runs: Path, progress: bool) -> Scores:
        points, folder = self.points(scale, runs, progress), runs / TABLE
        cells, seconds = self.cells("tiled" if self.way == "tiled" else "exact", points, scale, folder)
        shape = grid.square(self.count)
        if self.what == "cost":
            best, _ = self.cells("exact", points, scale, folder)
            share = grid.cost(points, cells, shape) / grid.cost(points, best, shape)
            scores = np.full(tasks, 100 * share)
        else:
            scores = quality.of_points(points, points, cells=cells, shape=shape, sample=tasks)[self.what]
        return Scores(scores, False, pictures("mnist").sha256, Progress(seconds=seconds))

    def points(self, scale: float, runs: Path, progress: bool) -> NDArray[Any]:
        """(n, 2)."""
        if self.cloud == "uniform":
            return np.random.Generator(np.random.Philox(0)).random((self.count, 2))
        mapped = next(c for c in LAYOUTS if isinstance(c, LayoutCell) and c.stamp(0, 1) == "tsne-mnist-pixels-seed0")
        at = runs / TABLE / f"{mapped.stamp(0, scale)}.safetensors"

        def laid_out() -> dict[str, NDArray[Any]]:
            parts = pictures("mnist")
            x = described(parts, "mnist", "pixels", 0, scale, folder=runs / TABLE, progress=progress)
            return {"plane": mapped.laid_out(x, 0, scale, progress)}

        plane = kept(at, laid_out)[0]["plane"]
        return plane[quality.sampled(len(plane), self.count, 0)]

    def cells(self, way: Any, points: NDArray[Any], scale: float, folder: Path) -> tuple[NDArray[Any], float]:
        """(n, 2) rows and columns, and the seconds that they took."""
        path = folder / f"grid-{self.cloud}-{self.count}-{way}-{scale:g}.safetensors"
        found, seconds = kept(path, lambda: {"cells": assign(points, grid.square(len(points)), method=way)})
        return found["cells"], seconds


CELLS: list[AnyCell] = [
    GridCell(TABLE, f"{way} grid", CLOUDS[cloud], cloud, count, way, what)
    for cloud in CLOUDS
    for count in SIZES[cloud]
    for way in ("exact", "tiled")
    for what in ("cost", "displacement", "neighbourhood_loss")
    if (way, what) != ("exact", "cost")
]
